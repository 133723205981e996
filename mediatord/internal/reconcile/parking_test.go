package reconcile

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"libvirt-vgpu/mediatord/internal/events"
	"libvirt-vgpu/mediatord/internal/parking"
	"libvirt-vgpu/mediatord/internal/supervisor"
	"libvirt-vgpu/plugin/window"
)

const mib = 1 << 20

func (f *fakeExecutor) parkAsked() []uint64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.parks)
}

func (f *fakeExecutor) roomAnswers() []Room {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.rooms)
}

func (f *fakeExecutor) roomsHeard() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.heard
}

// lot is a stage whose processes may be parked.
type lot struct {
	*stage
	budget *parking.Budget

	mu       sync.Mutex
	recorded []events.Kind
}

func newLot(t *testing.T, after time.Duration, makeRoom func(int, RoomWish) Room, change ...func(*Parking)) *lot {
	l := &lot{budget: new(parking.Budget)}
	l.budget.SetLimit(100 * mib)
	l.stage = newStage(t, func(c *Config) {
		c.Parking = Parking{After: func() time.Duration { return after }, Budget: l.budget, MakeRoom: makeRoom}
		for _, f := range change {
			f(&c.Parking)
		}
		c.Record = func(e events.Event) {
			l.mu.Lock()
			defer l.mu.Unlock()
			l.recorded = append(l.recorded, e.Kind)
		}
	})
	return l
}

// parkings are the events of parking.
func (l *lot) parkings() []events.Kind {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(l.recorded), func(k events.Kind) bool {
		return k != events.ProcessParked && k != events.ProcessResumed
	})
}

func (l *lot) wantHost(when string, want uint64) {
	l.Helper()
	l.until(when, func() bool { used, _ := l.budget.Use(); return used == want })
}

func (l *lot) use(channel int, bytes uint64) {
	l.Helper()
	if err := l.account.Reserve(channel, bytes); err != nil {
		l.Fatal(err)
	}
}

func TestIdleProcessIsParkedAndResumes(t *testing.T) {
	l := newLot(t, 1200*time.Millisecond, nil)
	idle, busy := l.running(0, 1), l.running(1, 1)
	l.use(0, 40*mib)
	l.use(1, 40*mib)
	l.until("the wish", func() bool {
		s := l.account.Statistics(1)
		s.Calls++
		l.account.SetStatistics(1, s)
		return len(idle.parkAsked()) == 1
	})
	if limit := idle.parkAsked()[0]; limit != 40*mib || len(busy.parkAsked()) != 0 {
		t.Errorf("asked for %d; the busy one was asked %v", limit, busy.parkAsked())
	}
	l.wantHost("the reservation", 40*mib)
	idle.sink(supervisor.Event{Kind: supervisor.Parking, Parked: 30 * mib, Host: 30 * mib, Answer: true})
	l.until("parked status", func() bool { s := l.loop.Status(); return s[0].Parked == 30*mib && s[0].ParkedHost == 30*mib })
	l.wantHost("what is used", 30*mib)
	idle.sink(supervisor.Event{Kind: supervisor.Parking, Host: 30 * mib})
	l.until("resumed status", func() bool { s := l.loop.Status(); return s[0].Parked == 0 && s[0].ParkedHost == 30*mib })
	idle.sink(supervisor.Event{Kind: supervisor.Parking})
	l.wantHost("all given back", 0)
	if got := l.parkings(); !slices.Equal(got, []events.Kind{events.ProcessParked, events.ProcessResumed}) {
		t.Errorf("events %v", got)
	}
}

func TestHostMemoryForParkingIsBounded(t *testing.T) {
	l := newLot(t, 0, nil)
	first, second := l.running(0, 1), l.running(1, 1)
	l.use(0, 60*mib)
	l.use(1, 60*mib)
	done := make(chan error, 1)
	go func() { done <- l.loop.Park(t.Context(), 0, false) }()
	l.until("the wish", func() bool { return len(first.parkAsked()) == 1 })
	first.sink(supervisor.Event{Kind: supervisor.Parking, Parked: 60 * mib, Host: 1 << 60, Answer: true}) // a lie counts as far as it was allowed
	if err := <-done; err != nil {
		t.Errorf("the first: %v", err)
	}
	l.wantHost("the first's", 60*mib)
	err := l.loop.Park(t.Context(), 1, false)
	if !errors.Is(err, ErrNotParked) || !strings.Contains(err.Error(), "60MiB") || !strings.Contains(err.Error(), "40MiB") || !strings.Contains(err.Error(), "parking.host_memory") {
		t.Errorf("the second: %v", err)
	}
	if len(second.parkAsked()) != 0 {
		t.Error("it was asked all the same")
	}
	first.end(719, "killed") // while it is parked
	l.wantHost("the dead one's", 0)
	go func() { done <- l.loop.Park(t.Context(), 1, false) }()
	l.until("the wish", func() bool { return len(second.parkAsked()) == 1 })
	second.sink(supervisor.Event{Kind: supervisor.Parking, Text: "it has work", Answer: true})
	if err := <-done; !errors.Is(err, ErrNotParked) || !strings.Contains(err.Error(), "it has work") {
		t.Errorf("the second: %v", err)
	}
	l.wantHost("nothing", 0)
	go func() { done <- l.loop.Park(t.Context(), 1, false) }()
	l.until("the wish", func() bool { return len(second.parkAsked()) == 2 })
	second.end(719, "killed") // while it is asked
	if err := <-done; !errors.Is(err, ErrNotParked) {
		t.Errorf("one that ended: %v", err)
	}
	l.wantHost("nothing again", 0)
	if err := l.loop.Park(t.Context(), 99, false); !errors.Is(err, ErrNotParked) {
		t.Errorf("no such channel: %v", err)
	}
}

// What an executor says unasked, before it can know of the wish, is no answer.
func TestLateWordIsNoAnswer(t *testing.T) {
	l := newLot(t, 0, nil)
	e := l.running(0, 1)
	l.use(0, 10*mib)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- l.loop.Park(ctx, 0, false) }()
	l.until("the wish", func() bool { return len(e.parkAsked()) == 1 })
	e.sink(supervisor.Event{Kind: supervisor.Parking})
	l.settled()
	l.wantHost("the reservation stays", 10*mib)
	e.sink(supervisor.Event{Kind: supervisor.Parking, Parked: 10 * mib, Host: 10 * mib, Answer: true})
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func TestRoomIsMadeOneWishAtATime(t *testing.T) {
	asked, goOn := make(chan uint64, 10), make(chan bool)
	l := newLot(t, 0, func(_ int, w RoomWish) Room {
		asked <- w.Bytes
		return Room{Made: <-goOn}
	})
	e := l.running(2, 1)
	e.sink(supervisor.Event{Kind: supervisor.Room, Bytes: 5 * mib})
	if bytes := <-asked; bytes != 5*mib {
		t.Errorf("room for %d", bytes)
	}
	e.sink(supervisor.Event{Kind: supervisor.Room, Bytes: 7 * mib})
	l.settled() // the loop does not wait
	if len(asked) != 0 {
		t.Error("two wishes of one process at once")
	}
	goOn <- true
	l.until("the answer", func() bool { return slices.Equal(e.roomAnswers(), []Room{{Made: true}}) })
	l.until("the next wish", func() bool {
		e.sink(supervisor.Event{Kind: supervisor.Room, Bytes: 9 * mib})
		return len(asked) == 1
	})
	e.end(719, "killed") // while room is made for it
	goOn <- false
	l.until("the late answer", func() bool { return len(e.roomAnswers()) == 2 })
	if e.roomsHeard() != 0 {
		t.Error("wishes for more were heard")
	}
}

// Contexts need what the driver had for them beside what the account counts, and never as
// much as an executor may say.
func TestReturnNeedsWhatWasNotCounted(t *testing.T) {
	asked, goOn := make(chan RoomWish, 10), make(chan Room)
	held, known := uint64(70*mib), true
	l := newLot(t, 0, func(_ int, w RoomWish) Room {
		asked <- w
		return <-goOn
	}, func(p *Parking) { p.Held = func(int) (uint64, bool) { return held, known } })
	e := l.running(0, 1)
	l.use(0, 60*mib)
	for _, test := range []struct {
		says, held uint64
		known      bool
		want       uint64
	}{
		{20 * mib, 70 * mib, true, 30 * mib}, {20 * mib, 60 * mib, true, 20 * mib}, {20 * mib, 10 * mib, true, 20 * mib},
		{20 * mib, 70 * mib, false, 20*mib + unmeasuredContext}, {1 << 40, 70 * mib, true, 130 * mib},
	} {
		held, known = test.held, test.known
		done := make(chan error, 1)
		before := len(e.parkAsked())
		go func() { done <- l.loop.Park(t.Context(), 0, true) }()
		l.until("the wish to leave", func() bool { return len(e.parkAsked()) > before })
		e.sink(supervisor.Event{Kind: supervisor.Parking, Parked: 40 * mib, Host: 60 * mib, Context: true, Answer: true})
		if err := <-done; err != nil {
			t.Fatal(err)
		}
		l.until("the wish to return", func() bool {
			e.sink(supervisor.Event{Kind: supervisor.Room, Bytes: test.says, Context: true})
			return len(asked) == 1
		})
		if w := <-asked; w.Bytes != test.want {
			t.Errorf("it says %d, the driver %d, known %v: room for %d, want %d", test.says, test.held, test.known, w.Bytes, test.want)
		}
		l.settled() // no wish is on its way
		goOn <- Room{Made: true}
		e.sink(supervisor.Event{Kind: supervisor.Parking})
		l.until("the return", func() bool { return !l.loop.Status()[0].ContextParked })
	}
	l.account.SetFacts(window.Facts{Context: 5 * mib})
	held, known = 70*mib, false
	if bytes := l.loop.uncounted(0); bytes != 0 {
		t.Errorf("%d bytes beside a context that was measured", bytes)
	}
}

// Who wants to return hears at once that it is listened to, and at last what was seen.
func TestWhoReturnsIsHeard(t *testing.T) {
	asked, goOn := make(chan RoomWish, 10), make(chan Room)
	l := newLot(t, 0, func(_ int, w RoomWish) Room {
		asked <- w
		return <-goOn
	})
	e := l.running(0, 1)
	l.use(0, 5*mib)
	for n, room := range []Room{{Seen: true}, {Made: true, Seen: true}, {Made: true}} {
		l.until("the wish", func() bool {
			e.sink(supervisor.Event{Kind: supervisor.Room, Bytes: 5 * mib, Context: true})
			return len(asked) == 1
		})
		if w := <-asked; w != (RoomWish{Bytes: 5 * mib, Return: true}) || e.roomsHeard() <= n || len(e.roomAnswers()) != n {
			t.Errorf("asked for %+v, heard %d times, answered %v", w, e.roomsHeard(), e.roomAnswers())
		}
		l.settled() // no wish is on its way
		goOn <- room
		l.until("the answer", func() bool { all := e.roomAnswers(); return len(all) == n+1 && all[n] == room })
	}
	nobody := newLot(t, 0, nil)
	e = nobody.running(0, 1)
	e.sink(supervisor.Event{Kind: supervisor.Room, Bytes: 5 * mib, Context: true})
	nobody.until("leave to try", func() bool { return slices.Equal(e.roomAnswers(), []Room{{Made: true}}) })
}

// What the driver had beside the account of contexts that left under another mediatord
// nobody knows any more: they return to ample room only.
func TestAdoptedContextsReturnToAmpleRoom(t *testing.T) {
	asked := make(chan RoomWish, 10)
	l := newLot(t, 0, func(_ int, w RoomWish) Room {
		asked <- w
		return Room{Made: true, Seen: true}
	}, func(p *Parking) { p.Held = func(int) (uint64, bool) { return 0, true } })
	e := l.running(0, 1) // as an adopted one that resumes
	l.use(0, 50*mib)
	e.sink(supervisor.Event{Kind: supervisor.Resumed, Parked: 20 * mib, Host: 50 * mib, Context: true})
	e.sink(supervisor.Event{Kind: supervisor.Room, Bytes: 30 * mib, Context: true})
	l.until("the wish", func() bool { return len(asked) == 1 })
	if w := <-asked; w != (RoomWish{Bytes: 30*mib + unmeasuredContext, Return: true}) {
		t.Errorf("asked for %+v", w)
	}
}

func TestAdoptedExecutorStaysParked(t *testing.T) {
	l := newLot(t, 0, nil)
	e := l.running(0, 1) // as an adopted one that resumes
	l.use(0, 50*mib)
	e.sink(supervisor.Event{Kind: supervisor.Resumed, Parked: 50 * mib, Host: 50 * mib})
	l.wantHost("what it has", 50*mib)
	l.until("status", func() bool { return l.loop.Status()[0].Parked == 50*mib })
	if err := l.loop.Park(t.Context(), 0, false); err != nil || len(e.parkAsked()) != 0 {
		t.Errorf("parking what is parked: %v, asked %v", err, e.parkAsked())
	}
	e.sink(supervisor.Event{Kind: supervisor.Parking})
	l.wantHost("nothing", 0)
}

func (f *fakeExecutor) lastWish() (bytes uint64, whole bool, count int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if count = len(f.parks); count == 0 {
		return 0, false, 0
	}
	return f.parks[count-1], f.wholes[count-1], count
}

// Memory goes first and the contexts follow, within the budget that has both.
func TestContextsFollowMemory(t *testing.T) {
	var contextAfter atomic.Int64 // never, at first
	l := newLot(t, time.Second, nil, func(p *Parking) { p.ContextAfter = func() time.Duration { return time.Duration(contextAfter.Load()) } })
	e := l.running(0, 1)
	l.use(0, 60*mib)
	l.until("the wish for memory", func() bool { bytes, whole, count := e.lastWish(); return count == 1 && bytes == 60*mib && !whole })
	e.sink(supervisor.Event{Kind: supervisor.Parking, Parked: 40 * mib, Host: 40 * mib, Answer: true})
	l.wantHost("the memory", 40*mib)
	contextAfter.Store(int64(time.Second))
	l.until("the wish for contexts", func() bool { bytes, whole, count := e.lastWish(); return count == 2 && bytes == 60*mib && whole })
	l.wantHost("the reservation", 60*mib)
	e.sink(supervisor.Event{Kind: supervisor.Parking, Parked: 40 * mib, Host: 60 * mib, Context: true, Answer: true})
	l.until("status", func() bool {
		s := l.loop.Status()[0]
		return s.ContextParked && s.Parked == 40*mib && s.ParkedHost == 60*mib
	})
	for _, whole := range []bool{false, true} {
		if err := l.loop.Park(t.Context(), 0, whole); err != nil {
			t.Errorf("parking what is parked: %v", err)
		}
	}
	e.sink(supervisor.Event{Kind: supervisor.Parking, Parked: 40 * mib, Host: 40 * mib})
	l.until("status", func() bool { s := l.loop.Status()[0]; return !s.ContextParked && s.Parked == 40*mib })
	l.wantHost("the memory", 40*mib)
	e.sink(supervisor.Event{Kind: supervisor.Parking})
	l.wantHost("nothing", 0)
	if got := l.parkings(); !slices.Equal(got, []events.Kind{events.ProcessParked, events.ProcessParked, events.ProcessResumed}) {
		t.Errorf("events %v", got)
	}
}

// A driver that cannot is not asked again, but for those who ask by hand.
func TestContextsStayWhereTheDriverCannot(t *testing.T) {
	l := newLot(t, 0, nil, func(p *Parking) { p.ContextAfter = func() time.Duration { return time.Second } })
	e := l.running(0, 1)
	l.use(0, 60*mib)
	l.until("the wish", func() bool { _, whole, count := e.lastWish(); return count == 1 && whole })
	e.sink(supervisor.Event{Kind: supervisor.Parking, Parked: 40 * mib, Host: 40 * mib, Answer: true, Never: true, Text: "its driver cannot"})
	l.wantHost("the memory", 40*mib)
	done := make(chan error, 1)
	go func() { done <- l.loop.Park(t.Context(), 0, true) }()
	l.until("the wish by hand", func() bool { _, whole, count := e.lastWish(); return count == 2 && whole })
	e.sink(supervisor.Event{Kind: supervisor.Parking, Parked: 40 * mib, Host: 40 * mib, Answer: true, Never: true, Text: "its driver cannot"})
	if err := <-done; !errors.Is(err, ErrNotParked) || !strings.Contains(err.Error(), "its driver cannot") {
		t.Errorf("by hand: %v", err)
	}
	l.wantHost("the memory", 40*mib)
	if !l.loop.channels[0].parking.stays {
		t.Error("it will be asked again")
	}
}

func TestContextsBeyondTheBudget(t *testing.T) {
	l := newLot(t, 0, nil)
	e := l.running(0, 1)
	l.use(0, 90*mib)
	l.budget.SetLimit(70 * mib)
	done := make(chan error, 1)
	go func() { done <- l.loop.Park(t.Context(), 0, true) }()
	if err := <-done; !errors.Is(err, ErrNotParked) || !strings.Contains(err.Error(), "parking.host_memory") {
		t.Errorf("too much: %v", err)
	}
	if _, _, count := e.lastWish(); count != 0 {
		t.Error("it was asked all the same")
	}
	e.sink(supervisor.Event{Kind: supervisor.Resumed, Parked: 20 * mib, Host: 60 * mib, Context: true})
	l.wantHost("what it has", 60*mib)
	l.until("status", func() bool { return l.loop.Status()[0].ContextParked })
	e.end(719, "killed")
	l.wantHost("nothing", 0)
}
