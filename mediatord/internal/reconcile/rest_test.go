package reconcile

import (
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"libvirt-vgpu/mediatord/internal/parking"
	"libvirt-vgpu/mediatord/internal/supervisor"
	"libvirt-vgpu/plugin/window"
)

// waker is executors that have nothing to do, or have.
type waker struct {
	mu     sync.Mutex
	busy   bool
	asked  func() // called by each Rest that agrees
	woken  func()
	rested int
}

func (w *waker) Rest(woken func()) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.busy {
		return false
	}
	w.rested++
	w.woken = woken
	if w.asked != nil {
		w.asked()
	}
	return true
}

func (w *waker) Attend() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.woken = nil
}

// work has an executor do something.
func (w *waker) work() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.woken != nil {
		w.woken()
	}
}

func (w *waker) rests() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.rested
}

// bed is a stage whose loop may rest, with a GPU that warms up with each look at it.
type bed struct {
	*stage
	waker waker
	read  atomic.Uint32 // how often sensors were
}

func newBed(t *testing.T, change ...func(*Config)) *bed {
	b := &bed{}
	b.stage = newStage(t, append([]func(*Config){func(c *Config) {
		c.Waker = &b.waker
		c.Sensors = func() (uint32, uint32, uint32) { return 0, b.read.Add(1), 0 }
	}}, change...)...)
	if err := b.window.SetDescription(&window.Description{DeviceCount: 1}); err != nil {
		t.Fatal(err)
	}
	return b
}

func (b *bed) resting() bool {
	_, resting := b.window.Looks()
	return resting
}

func (b *bed) temperature() uint32 {
	b.Helper()
	d, err := b.window.Description()
	if err != nil {
		b.Fatal(err)
	}
	return d.Temperature
}

// calls counts one more call of a channel's process.
func (b *bed) calls(channel int) {
	s := b.account.Statistics(channel)
	s.Calls++
	b.account.SetStatistics(channel, s)
}

func TestLoopRestsUntilSomethingHappens(t *testing.T) {
	t.Parallel()
	b := newBed(t)
	first, second := b.running(0, 1), b.running(1, 1)
	for _, wakeUp := range []struct {
		by string
		do func()
	}{
		{"a doorbell", b.ring},
		{"work", func() { b.waker.work() }},
		{"an executor's word", func() { first.sink(supervisor.Event{Kind: supervisor.Log, Level: "info", Text: "hello"}) }},
		{"another terms", b.loop.Attend},
		{"an executor's end", func() { second.end(719, "died") }},
	} {
		b.until("rest before "+wakeUp.by, b.resting)
		looks, _ := b.window.Looks()
		read := b.read.Load()
		time.Sleep(1500 * time.Millisecond) // one look at least, if there were some
		if b.read.Load() != read {
			t.Fatalf("before %s: the GPU is looked at while the loop rests", wakeUp.by)
		}
		wakeUp.do()
		b.until("look after "+wakeUp.by, func() bool {
			now, _ := b.window.Looks()
			return now != looks && b.temperature() > read
		})
	}
	b.until("another rest", b.resting)
	first.end(719, "died")
	b.until("no executor", func() bool { return !b.resting() && b.temperature() == 0 })
}

func TestBusyExecutorsAreLookedAt(t *testing.T) {
	t.Parallel()
	b := newBed(t)
	b.waker.busy = true
	b.running(0, 1)
	b.until("looks", func() bool { return b.read.Load() > calmLooks+2 })
	if b.resting() {
		t.Error("the loop rests while executors are at work")
	}
}

func TestWorkBetweenLookAndRestIsSeen(t *testing.T) {
	t.Parallel()
	b := newBed(t)
	b.waker.asked = func() {
		if b.waker.rested == 1 {
			b.calls(0)
		}
	}
	b.running(0, 1)
	b.until("the second try", func() bool {
		if b.waker.rests() == 1 && b.resting() {
			t.Fatal("the loop rests though there was a call")
		}
		return b.waker.rests() == 2
	})
}

// Who works is not idle any more; who only wakes, since mediatord wants something of it, is.
func TestWorkEndsIdleness(t *testing.T) {
	t.Parallel()
	b := newBed(t)
	b.running(0, 1)
	const long = 5 * time.Second
	b.until("idleness", func() bool { return b.resting() && b.loop.Status()[0].Idle >= long })
	b.waker.work()
	b.until("another rest", func() bool { return b.waker.rests() == 2 && b.resting() })
	if idle := b.loop.Status()[0].Idle; idle < long {
		t.Errorf("a process that has called nothing is idle for %v", idle)
	}
	b.waker.work()
	b.calls(0)
	b.until("its end", func() bool { return b.loop.Status()[0].Idle < long })
}

func TestRestEndsWhenSomebodyIsToBeParked(t *testing.T) {
	t.Parallel()
	var after atomic.Int64
	after.Store(int64(7 * time.Second))
	budget := new(parking.Budget)
	budget.SetLimit(100 * mib)
	b := newBed(t, func(c *Config) {
		c.Parking = Parking{After: func() time.Duration { return time.Duration(after.Load()) }, Budget: budget}
	})
	e := b.running(0, 1)
	b.use(0)
	b.until("rest", b.resting)
	if len(e.parkAsked()) != 0 {
		t.Fatal("it is parked at once")
	}
	b.until("the wish", func() bool { return len(e.parkAsked()) == 1 })
	e.sink(supervisor.Event{Kind: supervisor.Parking, Parked: 40 * mib, Host: 40 * mib, Answer: true})
	b.until("rest of a parked one", func() bool { return b.resting() && b.loop.Status()[0].Parked > 0 })

	after.Store(0)
	other := b.running(1, 1)
	b.use(1)
	b.until("rest of two", b.resting)
	after.Store(1)
	b.loop.Attend()
	b.until("the wish by other terms", func() bool { return len(other.parkAsked()) == 1 })
	if got := e.parkAsked(); !slices.Equal(got, []uint64{40 * mib}) {
		t.Errorf("the parked one was asked %v", got)
	}
}

func (b *bed) use(channel int) {
	b.Helper()
	if err := b.account.Reserve(channel, 40*mib); err != nil {
		b.Fatal(err)
	}
}
