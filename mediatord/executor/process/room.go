package process

import (
	"time"

	"libvirt-vgpu/mediatord/executor/control"
	"libvirt-vgpu/mediatord/executor/driver"
)

// How long the process waits for room on the GPU, and how long after a wait in vain
// it does not wait again.
const (
	roomWithin = 65 * time.Second
	roomAgain  = time.Second
)

// roomTries is how often room is asked for at most: memory that leaves may be too
// little, and then contexts have to; somebody else may be faster.
const roomTries = 3

// roomAnswer is what came of a wish for room.
type roomAnswer int

const (
	roomNone roomAnswer = iota
	roomMade
	roomSeen     // the GPU has that much
	roomAskAgain // whoever was asked has gone
	roomSilence  // nobody has answered
)

// heardWithin is how long a process that may only return where there is room waits for
// the first sign of mediatord, which may be about to start again.
const heardWithin = 5 * time.Second

// roomWish waits for mediatord's answer.
type roomWish struct {
	answers chan roomAnswer // of capacity 1
	heard   chan struct{}   // of capacity 1: the wish has come, the answer will
	vainly  time.Time       // when the last wait ended that brought nothing
	// silence is how long contexts that would return wait for the first sign of mediatord.
	silence time.Duration
}

// RoomHeard says that mediatord has a wish for room, and will answer.
func (p *Process) RoomHeard() {
	select {
	case p.room.heard <- struct{}{}:
	default:
	}
}

// RoomMade is mediatord's answer to a wish for room; seen: it has looked how much the GPU
// has.
func (p *Process) RoomMade(made, seen bool) {
	answer := roomNone
	switch {
	case made && seen:
		answer = roomSeen
	case made:
		answer = roomMade
	}
	p.answerRoom(answer)
}

func (p *Process) answerRoom(answer roomAnswer) {
	select {
	case p.room.answers <- answer:
	default: // nobody has taken the last one: it was late
	}
}

// inRoom tries what takes bytes of the GPU's memory. If the GPU has no more, others
// that are idle make room, and it is tried again.
func (p *Process) inRoom(bytes uint64, try func() driver.Result) driver.Result {
	if r := try(); r != driver.ErrorOutOfMemory {
		return r
	}
	return p.inRoomAgain(bytes, try)
}

// inRoomAgain is inRoom for what has been tried once.
func (p *Process) inRoomAgain(bytes uint64, try func() driver.Result) driver.Result {
	r := driver.ErrorOutOfMemory
	for tries := roomTries; r == driver.ErrorOutOfMemory && tries > 0 && p.makeRoom(p.lacking(bytes)); tries-- {
		r = try()
	}
	return r
}

// lacking is how much of bytes the GPU has not, in whole granules; all of it where the
// driver cannot be asked, or has enough in pieces that are too small.
func (p *Process) lacking(bytes uint64) uint64 {
	if p.Away() {
		return bytes
	}
	free, _, r := p.Driver.MemoryInfo()
	if r != driver.Success || free >= bytes {
		return bytes
	}
	return roundUp(bytes-free, p.Granularity)
}

// makeRoom has mediatord make room for bytes more and waits for it.
func (p *Process) makeRoom(bytes uint64) bool {
	answer := p.askForRoom(control.Message{Type: control.Room, Bytes: bytes}, roomWithin)
	if answer == roomSilence {
		p.room.vainly = time.Now()
	}
	return answer == roomMade || answer == roomSeen
}

// mayReturn asks mediatord whether the GPU has bytes for contexts, or else to make that
// room. Without an answer they must try their luck, as where mediatord cannot see
// (roomMade).
func (p *Process) mayReturn(bytes uint64) roomAnswer {
	return p.askForRoom(control.Message{Type: control.Room, Bytes: bytes, Context: true}, p.room.silence)
}

// askForRoom sends a wish for room and waits for the answer: that long for the first sign
// of one. After an answer that there is none it is not asked again for a while.
func (p *Process) askForRoom(wish control.Message, silence time.Duration) roomAnswer {
	w := &p.room
	if time.Since(w.vainly) < roomAgain {
		return roomNone
	}
	select {
	case <-w.answers: // to a wish that nobody waits for any more
	default:
	}
	select {
	case <-w.heard:
	default:
	}
	deadline := time.NewTimer(silence)
	defer deadline.Stop()
	for {
		if err := p.Sender.Send(wish); err != nil {
			p.Log.WithError(err).Error("asking for room on the GPU")
			return roomNone
		}
		switch answer := w.wait(deadline); answer {
		case roomAskAgain:
		case roomNone:
			w.vainly = time.Now()
			return roomNone
		default:
			return answer
		}
	}
}

// wait waits for an answer, longer when there is a sign that one will come.
func (w *roomWish) wait(deadline *time.Timer) roomAnswer {
	for {
		select {
		case answer := <-w.answers:
			return answer
		case <-w.heard:
			deadline.Reset(roomWithin)
		case <-deadline.C:
			select { // what came just in time
			case answer := <-w.answers:
				return answer
			case <-w.heard:
				deadline.Reset(roomWithin)
			default:
				return roomSilence
			}
		}
	}
}
