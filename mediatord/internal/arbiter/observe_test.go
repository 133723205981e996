package arbiter

import (
	"slices"
	"sync"
	"testing"
	"time"

	"libvirt-vgpu/mediatord/internal/sched"
)

// notes is an Observer that remembers.
type notes struct {
	mu      sync.Mutex
	allowed []bool
	used    []stretch
}

type stretch struct {
	since  time.Time
	length time.Duration
}

func (n *notes) Allowed(_ int, yes bool, _ time.Duration) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.allowed = append(n.allowed, yes)
}

func (n *notes) Used(_ int, since time.Time, length time.Duration) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.used = append(n.used, stretch{since, length})
}

func (n *notes) read() ([]bool, []stretch) {
	n.mu.Lock()
	defer n.mu.Unlock()
	return slices.Clone(n.allowed), slices.Clone(n.used)
}

func TestObserverHearsOfStretches(t *testing.T) {
	a := testArbiter(t)
	m := join(t, a, sched.Normal, 100)
	heard := &notes{}
	m.Observe(heard)
	p := m.page(t, 3)
	if allowed, _ := heard.read(); !slices.Equal(allowed, []bool{true}) {
		t.Errorf("an executor alone was allowed %v", allowed)
	}
	m.Used(3) // looks from here on
	wall := time.Now()
	start := a.clock.Now()
	ms := time.Millisecond
	time.Sleep(12 * ms)
	// two that belong together, and one that does not
	for _, s := range [][2]time.Duration{{1 * ms, 2 * ms}, {2*ms + 20*time.Microsecond, 4 * ms}, {6 * ms, 7 * ms}} {
		p.Begin(start + s[0])
		p.End(start+s[0], start+s[1])
	}
	if used := m.Used(3); used < 3900*time.Microsecond || used > 4100*time.Microsecond {
		t.Errorf("%v were charged", used)
	}
	m.Stop(3)
	_, used := heard.read()
	if len(used) != 2 || used[0].length != 3*ms || used[1].length != ms {
		t.Fatalf("heard of %+v", used)
	}
	for i, at := range []time.Duration{1 * ms, 6 * ms} {
		// later by what passed between readings of the two clocks, which a busy machine makes longer
		if late := used[i].since.Sub(wall.Add(at)); late < -ms || late > time.Minute {
			t.Errorf("stretch %d is told %v beside its time", i, late)
		}
	}
}

func TestObserverHearsWhoMayNot(t *testing.T) {
	a := testArbiter(t)
	low, high := join(t, a, sched.Low, 100), join(t, a, sched.High, 100)
	heard := &notes{}
	low.Observe(heard)
	l, h := low.page(t, 0), high.page(t, 1)
	begin(l, a.clock.Now())
	begin(h, a.clock.Now())
	for _, p := range []*member{low, high} {
		p.Set(p.settings) // decides
	}
	await(t, "the low one's wait", func() bool {
		allowed, _ := heard.read()
		return len(allowed) > 1 && !allowed[len(allowed)-1]
	})
}
