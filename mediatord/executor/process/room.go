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
	roomAskAgain // whoever was asked has gone
)

// roomWish waits for mediatord's answer.
type roomWish struct {
	answers chan roomAnswer // of capacity 1
	vainly  time.Time       // when the last wait ended that brought nothing
}

// RoomMade is mediatord's answer to a wish for room.
func (p *Process) RoomMade(made bool) {
	answer := roomNone
	if made {
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

// makeRoom has mediatord make room and waits for it.
func (p *Process) makeRoom(bytes uint64) bool {
	w := &p.room
	if time.Since(w.vainly) < roomAgain {
		return false
	}
	select {
	case <-w.answers: // to a wish that nobody waits for any more
	default:
	}
	deadline := time.NewTimer(roomWithin)
	defer deadline.Stop()
	for {
		if err := p.Sender.Send(control.Message{Type: control.Room, Bytes: bytes}); err != nil {
			p.Log.WithError(err).Error("asking for room on the GPU")
			return false
		}
		answer := roomNone
		select {
		case answer = <-w.answers:
		case <-deadline.C:
		}
		switch answer {
		case roomMade:
			return true
		case roomNone:
			w.vainly = time.Now()
			return false
		case roomAskAgain:
		}
	}
}
