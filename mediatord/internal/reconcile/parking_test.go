package reconcile

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"libvirt-vgpu/mediatord/internal/events"
	"libvirt-vgpu/mediatord/internal/parking"
	"libvirt-vgpu/mediatord/internal/supervisor"
)

const mib = 1 << 20

func (f *fakeExecutor) parkAsked() []uint64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.parks)
}

func (f *fakeExecutor) roomAnswers() []bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.rooms)
}

// lot is a stage whose processes may be parked.
type lot struct {
	*stage
	budget *parking.Budget

	mu       sync.Mutex
	recorded []events.Kind
}

func newLot(t *testing.T, after time.Duration, makeRoom func(int, uint64) bool) *lot {
	l := &lot{budget: new(parking.Budget)}
	l.budget.SetLimit(100 * mib)
	l.stage = newStage(t, func(c *Config) {
		c.Parking = Parking{After: func() time.Duration { return after }, Budget: l.budget, MakeRoom: makeRoom}
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
	go func() { done <- l.loop.Park(t.Context(), 0) }()
	l.until("the wish", func() bool { return len(first.parkAsked()) == 1 })
	first.sink(supervisor.Event{Kind: supervisor.Parking, Parked: 60 * mib, Host: 1 << 60, Answer: true}) // a lie counts as far as it was allowed
	if err := <-done; err != nil {
		t.Errorf("the first: %v", err)
	}
	l.wantHost("the first's", 60*mib)
	err := l.loop.Park(t.Context(), 1)
	if !errors.Is(err, ErrNotParked) || !strings.Contains(err.Error(), "60MiB") || !strings.Contains(err.Error(), "40MiB") || !strings.Contains(err.Error(), "parking.host_memory") {
		t.Errorf("the second: %v", err)
	}
	if len(second.parkAsked()) != 0 {
		t.Error("it was asked all the same")
	}
	first.end(719, "killed") // while it is parked
	l.wantHost("the dead one's", 0)
	go func() { done <- l.loop.Park(t.Context(), 1) }()
	l.until("the wish", func() bool { return len(second.parkAsked()) == 1 })
	second.sink(supervisor.Event{Kind: supervisor.Parking, Text: "it has work", Answer: true})
	if err := <-done; !errors.Is(err, ErrNotParked) || !strings.Contains(err.Error(), "it has work") {
		t.Errorf("the second: %v", err)
	}
	l.wantHost("nothing", 0)
	go func() { done <- l.loop.Park(t.Context(), 1) }()
	l.until("the wish", func() bool { return len(second.parkAsked()) == 2 })
	second.end(719, "killed") // while it is asked
	if err := <-done; !errors.Is(err, ErrNotParked) {
		t.Errorf("one that ended: %v", err)
	}
	l.wantHost("nothing again", 0)
	if err := l.loop.Park(t.Context(), 99); !errors.Is(err, ErrNotParked) {
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
	go func() { done <- l.loop.Park(ctx, 0) }()
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
	l := newLot(t, 0, func(_ int, bytes uint64) bool {
		asked <- bytes
		return <-goOn
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
	l.until("the answer", func() bool { return slices.Equal(e.roomAnswers(), []bool{true}) })
	l.until("the next wish", func() bool {
		e.sink(supervisor.Event{Kind: supervisor.Room, Bytes: 9 * mib})
		return len(asked) == 1
	})
	e.end(719, "killed") // while room is made for it
	goOn <- false
	l.until("the late answer", func() bool { return len(e.roomAnswers()) == 2 })
}

func TestAdoptedExecutorStaysParked(t *testing.T) {
	l := newLot(t, 0, nil)
	e := l.running(0, 1) // as an adopted one that resumes
	l.use(0, 50*mib)
	e.sink(supervisor.Event{Kind: supervisor.Resumed, Parked: 50 * mib, Host: 50 * mib})
	l.wantHost("what it has", 50*mib)
	l.until("status", func() bool { return l.loop.Status()[0].Parked == 50*mib })
	if err := l.loop.Park(t.Context(), 0); err != nil || len(e.parkAsked()) != 0 {
		t.Errorf("parking what is parked: %v, asked %v", err, e.parkAsked())
	}
	e.sink(supervisor.Event{Kind: supervisor.Parking})
	l.wantHost("nothing", 0)
}
