package reconcile

import (
	"context"
	"errors"
	"fmt"
	"time"

	"libvirt-vgpu/mediatord/internal/events"
	"libvirt-vgpu/mediatord/internal/parking"
	"libvirt-vgpu/mediatord/internal/supervisor"
	"libvirt-vgpu/plugin/window"
	vgpuxml "libvirt-vgpu/xml"
)

// Parking is when idle processes' device memory goes to host memory.
type Parking struct {
	// After is of how much idleness, 0: only when somebody asks. nil is 0.
	After func() time.Duration
	// ContextAfter is that of the contexts, which follow the memory; 0: never.
	ContextAfter func() time.Duration
	Budget       *parking.Budget // of host memory; nil: there is none
	// MakeRoom has idle processes parked, of other domains too, until the GPU's memory is
	// free that a channel's process wishes for. It blocks; nil: there is nobody.
	MakeRoom func(channel int, w RoomWish) Room
	// Held is how many bytes of the GPU's memory a process of the host has, as the driver
	// counts; nil: it does not tell.
	Held func(pid int) (bytes uint64, known bool)
}

// RoomWish is what a process needs of the GPU's memory.
type RoomWish struct {
	Bytes uint64 // more than there is, as the driver says; Return: in all
	// Return: its contexts need it to return, and must not try where there is none.
	Return bool
}

// Room is what came of a RoomWish: whether room was made, or is there, and whether
// anybody has seen how much the GPU has.
type Room struct{ Made, Seen bool }

// ErrNotParked: a process was not parked; the text says why.
var ErrNotParked = errors.New("not parked")

// How often a process is asked that was not parked, and how long mediatord waits
// for an answer.
const (
	parkAgain  = time.Minute
	parkWithin = 30 * time.Second
)

// leastParked is what is worth the trouble, in bytes: one granule.
const leastParked = 2 << 20

// parkingOf is the loop's own of a channel's parking.
type parkingOf struct {
	reserved  uint64 // of the budget
	asked     time.Time
	waiting   []chan<- error
	notBefore time.Time
	whole     bool // the contexts were asked for too
	stays     bool // the contexts do, whoever asks
	rooming   bool // room is being made for it
	// uncounted is what the driver had for it beside what its account counts, when it was
	// asked to leave. Its contexts need that too when they return.
	uncounted uint64
}

// idling is what Status tells of a channel's parking. Loop.mu guards it.
type idling struct {
	parked, host uint64
	context      bool // is parked
	calls        uint64
	since        time.Time // its last call, zero: it has no executor
}

func (d *idling) show(s *ChannelStatus) {
	s.Parked, s.ParkedHost, s.ContextParked = d.parked, d.host, d.context
	if !d.since.IsZero() {
		s.Idle = now().Sub(d.since).Truncate(time.Second)
	}
}

// parkWish is another goroutine's wish to park a channel.
type parkWish struct {
	channel int
	whole   bool
	answer  chan<- error
}

// Park asks for a process's device memory to go to host memory, and if whole its
// contexts too, and waits until it has. It fails with ErrNotParked, or ctx's error.
func (l *Loop) Park(ctx context.Context, channel int, whole bool) error {
	answer := make(chan error, 1)
	select {
	case l.parks <- parkWish{channel, whole, answer}:
	case <-l.done:
		return fmt.Errorf("%w: it has ended", ErrNotParked)
	case <-ctx.Done():
		return fmt.Errorf("waiting for the reconcile loop: %w", ctx.Err())
	}
	select {
	case err := <-answer:
		return err
	case <-l.done:
		return fmt.Errorf("%w: it has ended", ErrNotParked)
	case <-ctx.Done():
		return fmt.Errorf("%w: its executor does not answer: %w", ErrNotParked, ctx.Err())
	}
}

func (l *Loop) idle(i int, change func(*idling)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	change(&l.idling[i])
}

// active notes that channel i's process has done something just now.
func (l *Loop) active(i int) { l.idle(i, func(d *idling) { d.since = now() }) }

// parkIdle looks who is idle for how long, and parks who is for long enough. It says whether anybody has done
// something since it looked last, and when somebody will be idle for long enough; the zero time: nobody.
func (l *Loop) parkIdle() (worked bool, due time.Time) {
	after, contextAfter := l.Parking.After(), l.Parking.ContextAfter()
	for i := range l.channels {
		if !l.serves(i) {
			continue
		}
		calls, queued := l.Account.Statistics(i).Calls, l.Window.Queued(i)
		var since time.Time
		var parked uint64
		var whole bool
		l.idle(i, func(d *idling) {
			if calls != d.calls || queued > 0 || d.since.IsZero() {
				d.calls, d.since = calls, now()
				worked = true
			}
			since, parked, whole = d.since, d.parked, d.context
		})
		if whole {
			continue
		}
		p := &l.channels[i].parking
		var memory, context time.Time
		if after > 0 && parked == 0 && l.movable(i) >= leastParked {
			memory = since.Add(after)
		}
		if contextAfter > 0 && !p.stays && l.Account.Used(i) >= leastParked {
			context = since.Add(contextAfter)
		}
		if t := now(); t.After(p.notBefore) {
			switch {
			case reached(context, t):
				l.park(i, true)
			case reached(memory, t):
				l.park(i, false)
			}
		}
		if next := earlier(memory, context); !next.IsZero() {
			due = earlier(due, p.later(next))
		}
	}
	return worked, due
}

// later is t, or when the process may be asked again.
func (p *parkingOf) later(t time.Time) time.Time {
	if t.Before(p.notBefore) {
		t = p.notBefore
	}
	if again := p.asked.Add(parkWithin); !p.asked.IsZero() && t.Before(again) {
		t = again
	}
	return t
}

// reached says that a time, if it is one, has come.
func reached(at, now time.Time) bool { return !at.IsZero() && !now.Before(at) }

// earlier is the first of two times; the zero time never comes.
func earlier(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

// parkNow parks because somebody asks.
func (l *Loop) parkNow(w parkWish) {
	if w.channel < 0 || w.channel >= len(l.channels) {
		w.answer <- fmt.Errorf("%w: there is no channel %d", ErrNotParked, w.channel)
		return
	}
	c := &l.channels[w.channel]
	c.parking.waiting = append(c.parking.waiting, w.answer)
	l.park(w.channel, w.whole)
}

// park asks channel i's executor, or answers those who wait.
func (l *Loop) park(i int, whole bool) {
	c := &l.channels[i]
	p := &c.parking
	if !p.asked.IsZero() && now().Sub(p.asked) < parkWithin {
		return // it is under way
	}
	need := l.movable(i)
	if whole {
		used := l.Account.Used(i)
		need = used - min(used, l.parked(i)) + l.hosted(i)
	}
	switch {
	case c.executor == nil || c.state != window.HostReady:
		l.parkingAnswered(i, fmt.Errorf("%w: it has no executor", ErrNotParked))
		return
	case l.away(i), !whole && l.parked(i) > 0:
		l.parkingAnswered(i, nil)
		return
	case need < leastParked:
		l.parkingAnswered(i, fmt.Errorf("%w: it has no device memory to speak of", ErrNotParked))
		return
	}
	if err := l.reserveHost(i, need); err != nil {
		if len(p.waiting) == 0 {
			l.logChannel(i).Warn(err)
		}
		l.parkingAnswered(i, err)
		return
	}
	p.asked, p.whole = now(), whole
	if whole {
		p.uncounted = l.uncounted(i)
	}
	c.executor.Park(p.reserved, whole)
}

// unmeasuredContext is more than any GPU was seen to have for a process's contexts.
const unmeasuredContext = 768 << 20

// uncounted is what channel i's process has on the GPU, in bytes, beside what its account
// counts: the driver takes memory of which nobody knows beforehand. Where nobody can tell,
// and what contexts cost could not be measured, it is more than they need.
func (l *Loop) uncounted(i int) uint64 {
	if l.Parking.Held == nil {
		return 0
	}
	held, known := l.Parking.Held(l.channels[i].executor.PID())
	if !known {
		if l.Account.Facts().Context == 0 {
			return unmeasuredContext
		}
		return 0
	}
	used := l.Account.Used(i)
	counted := used - min(used, l.parked(i))
	return held - min(held, counted)
}

// movable is how much of channel i's device memory could go to host memory at most:
// not its context, which every process has that can be parked.
func (l *Loop) movable(i int) uint64 {
	used := l.Account.Used(i)
	return used - min(used, l.parked(i)+l.Account.Facts().Context)
}

// reserveHost takes host memory out of the budget: with what channel i has, bytes.
func (l *Loop) reserveHost(i int, bytes uint64) error {
	p := &l.channels[i].parking
	budget := l.Parking.Budget
	held := l.hosted(i)
	budget.Return(p.reserved - min(p.reserved, held)) // of a wish that was not answered
	p.reserved = min(p.reserved, held)
	bytes = max(bytes, p.reserved)
	if !budget.Reserve(bytes - p.reserved) {
		used, limit := budget.Use()
		return fmt.Errorf("%w: it needs %s of host memory, and of the pool's %s for parked processes %s are left; raise parking.host_memory in the pool file",
			ErrNotParked, vgpuxml.FormatSize(bytes), vgpuxml.FormatSize(limit), vgpuxml.FormatSize(limit-min(limit, used)))
	}
	p.reserved = bytes
	return nil
}

// parkingAnswered tells who waits what came of it.
func (l *Loop) parkingAnswered(i int, err error) {
	p := &l.channels[i].parking
	if err != nil {
		p.notBefore = now().Add(parkAgain)
	}
	for _, answer := range p.waiting {
		answer <- err
	}
	p.waiting, p.asked = nil, time.Time{}
}

func (l *Loop) parked(i int) uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.idling[i].parked
}

// hosted is the host memory that channel i's process is known to have.
func (l *Loop) hosted(i int) uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.idling[i].host
}

// away says that channel i's contexts are parked.
func (l *Loop) away(i int) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.idling[i].context
}

// parkingTold acts on what an executor says of its parked memory. It is the
// executor's word: beyond its account and the memory reserved for it nothing counts.
func (l *Loop) parkingTold(i int, e supervisor.Event) {
	p := &l.channels[i].parking
	parked, host := min(e.Parked, l.Account.Used(i)), min(e.Host, p.reserved)
	before, wasAway := l.parked(i), l.away(i)
	if e.Answer || p.asked.IsZero() { // else what was reserved is on its way to it
		l.Parking.Budget.Return(p.reserved - host)
		p.reserved = host
	}
	l.idle(i, func(d *idling) { d.parked, d.host, d.context = parked, host, e.Context })
	switch {
	case !wasAway && e.Context:
		l.record(i, events.Event{Kind: events.ProcessParked, Text: "with its context, " + vgpuxml.FormatSize(host) + " of host memory"})
		l.logChannel(i).WithField("bytes", host).Info("process parked with its context")
	case before == 0 && parked > 0:
		l.record(i, events.Event{Kind: events.ProcessParked, Text: vgpuxml.FormatSize(parked)})
		l.logChannel(i).WithField("bytes", parked).Info("process parked")
	case wasAway && !e.Context && parked > 0:
		l.active(i)
		l.logChannel(i).Info("process's context resumed, its memory is parked")
	case (before > 0 || wasAway) && parked == 0 && !e.Context:
		l.active(i)
		l.record(i, events.Event{Kind: events.ProcessResumed})
		l.logChannel(i).WithField("bytes", before).Info("process resumed")
	}
	if e.Answer {
		var err error
		if parked == 0 && !e.Context || p.whole && !e.Context {
			err = fmt.Errorf("%w: %s", ErrNotParked, e.Text)
		}
		p.stays = p.stays || e.Never
		l.parkingAnswered(i, err)
	}
	l.changed = true
}

// parkingFound takes over what an adopted executor has parked.
func (l *Loop) parkingFound(i int, e supervisor.Event) {
	p := &l.channels[i].parking
	host := min(e.Host, l.Account.Used(i))
	l.Parking.Budget.Return(p.reserved)
	l.Parking.Budget.Take(host)
	p.reserved = host
	if e.Context && l.Parking.Held != nil {
		p.uncounted = unmeasuredContext // the mediatord that saw it leave has gone
	}
	l.active(i)
	l.parkingTold(i, e)
}

// parkingEnds forgets what an executor had parked that is gone.
func (l *Loop) parkingEnds(i int) {
	p := &l.channels[i].parking
	l.parkingAnswered(i, fmt.Errorf("%w: it has ended", ErrNotParked))
	l.Parking.Budget.Return(p.reserved)
	*p = parkingOf{}
	l.idle(i, func(d *idling) { *d = idling{} })
}

// makeRoom has room made on the GPU for channel i's process, one wish at a time.
func (l *Loop) makeRoom(i int, w RoomWish) {
	c := &l.channels[i]
	if w.Return {
		c.executor.RoomHeard()
	}
	if c.parking.rooming {
		return // the answer to the one before is an answer to this one
	}
	if l.Parking.MakeRoom == nil {
		c.executor.Room(w.Return, false) // to return it may try
		return
	}
	if w.Return { // as the executor says, within reason
		w.Bytes = min(w.Bytes, 2*l.Account.Used(i)) + c.parking.uncounted
	}
	who, executor := l.party(i), c.executor
	l.rooming(who, true)
	go func() {
		room := l.Parking.MakeRoom(i, w)
		executor.Room(room.Made, room.Seen)
		select {
		case l.roomed <- who:
		case <-l.done:
		}
	}()
}

func (l *Loop) rooming(who party, now bool) {
	if l.present(who) {
		l.channels[who.channel].parking.rooming = now
	}
}
