package arbiter

import (
	"testing"
	"time"

	"libvirt-vgpu/mediatord/internal/lease"
	"libvirt-vgpu/mediatord/internal/sched"
)

func wantSlices(t *testing.T, when string, short time.Duration, pages map[*lease.Page]bool) {
	t.Helper()
	for p, isShort := range pages {
		want := time.Duration(0)
		if isShort {
			want = short
		}
		if got := p.Terms().Slice; got != want {
			t.Errorf("%s: a slice of %v, want %v", when, got, want)
		}
	}
}

// Short slices are those of every executor of a domain below another one that has executors, from the moment on that it has some, or
// that a class changes.
func TestSlicesBesideAHigherClass(t *testing.T) {
	for name, unlimited := range map[string]bool{"under leases": false, "without leases": true} {
		t.Run(name, func(t *testing.T) {
			a := testArbiter(t)
			options := sched.Defaults()
			options.Unlimited = unlimited
			a.SetOptions(options)
			short := options.Slice
			low, normal, high := join(t, a, sched.Low, 100), join(t, a, sched.Normal, 100), join(t, a, sched.High, 100)
			l, second := low.page(t, 0), low.page(t, 1)
			wantSlices(t, "alone", short, map[*lease.Page]bool{l: false, second: false})
			n := normal.page(t, 0)
			wantSlices(t, "below normal", short, map[*lease.Page]bool{l: true, second: true, n: false})
			h := high.page(t, 7)
			wantSlices(t, "below high", short, map[*lease.Page]bool{l: true, second: true, n: true, h: false})
			low.Stop(1)
			third := low.page(t, 2)
			wantSlices(t, "a new executor", short, map[*lease.Page]bool{third: true})
			settings := sched.Settings{Pool: "gold", PoolWeight: 100, Weight: 100}
			settings.Class = sched.High
			normal.Set(settings)
			wantSlices(t, "raised", short, map[*lease.Page]bool{l: true, n: false, h: false})
			high.Stop(7)
			wantSlices(t, "one high gone", short, map[*lease.Page]bool{l: true, n: false})
			settings.Class = sched.Low
			normal.Set(settings)
			wantSlices(t, "equal again", short, map[*lease.Page]bool{l: false, third: false, n: false})
			settings.Class = sched.Normal
			normal.Set(settings)
			options.Slice = 0
			a.SetOptions(options)
			wantSlices(t, "the pool has none", short, map[*lease.Page]bool{l: false, n: false})
			options.Slice = time.Millisecond
			a.SetOptions(options)
			wantSlices(t, "the pool has others", time.Millisecond, map[*lease.Page]bool{l: true, n: false})
			normal.Stop(0)
			wantSlices(t, "alone again", short, map[*lease.Page]bool{l: false, third: false})
			if l.Terms().Budget != lease.Unlimited {
				t.Errorf("alone it has a budget of %v", l.Terms().Budget)
			}
		})
	}
}

// With short slices one executor of a domain has the lease at a time, also while no high domain is armed: each change between
// them takes as long as ever.
func TestShortSlicesAreOneExecutorsAtATime(t *testing.T) {
	a := testArbiter(t)
	low, high := join(t, a, sched.Low, 100), join(t, a, sched.High, 100)
	high.page(t, 0)
	pages := []*lease.Page{low.page(t, 0), low.page(t, 1), low.page(t, 2)}
	leased := func() (count int) {
		for _, p := range pages {
			if p.Terms().Budget > 0 {
				count++
			}
		}
		return count
	}
	for _, p := range pages {
		begin(p, lease.NewClock().Now())
	}
	low.Used(0) // looks at all of them
	a.mu.Lock()
	a.decide()
	a.mu.Unlock()
	if got := leased(); got != 1 {
		t.Errorf("%d of them may submit", got)
	}
	options := sched.Defaults()
	options.Slice = 0
	a.SetOptions(options)
	if got := leased(); got != len(pages) {
		t.Errorf("with usual slices %d of them may submit", got)
	}
}

// Without leases nobody waits, reports or wakes the arbiter, whatever the others do.
func TestWithoutLeasesNobodyWaits(t *testing.T) {
	a := testArbiter(t)
	options := sched.Defaults()
	options.Unlimited = true
	a.SetOptions(options)
	low, high := join(t, a, sched.Low, 100), join(t, a, sched.High, 100)
	l, h := low.page(t, 0), high.page(t, 0)
	now := lease.NewClock().Now()
	begin(l, now)
	begin(h, now)
	low.Used(0) // looks at all of them
	a.mu.Lock()
	a.decide()
	a.mu.Unlock()
	if terms := l.Terms(); terms.Budget != lease.Unlimited || terms.Expiry != lease.Never || terms.Slice == 0 {
		t.Errorf("terms %+v", terms)
	}
	h.End(now, lease.NewClock().Now())
	h.SetState(0)
	if used := high.Used(0); used <= 0 {
		t.Errorf("what it used is not charged: %v", used)
	}
	// with leases again, without any of their doing
	a.SetOptions(sched.Defaults())
	if l.Terms().Budget == lease.Unlimited {
		t.Error("still unlimited")
	}
}
