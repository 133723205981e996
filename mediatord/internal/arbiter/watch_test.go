package arbiter

import (
	"testing"
	"time"

	"libvirt-vgpu/mediatord/internal/lease"
	"libvirt-vgpu/mediatord/internal/sched"
)

func TestStalledCountsFromTheLastEnd(t *testing.T) {
	a := testArbiter(t)
	clock := lease.NewClock()
	m := join(t, a, sched.Normal, 100)
	m.Watch()
	p := m.page(t, 2)
	if !p.Watched() || p.Unlimited() || !p.Alone() {
		t.Fatalf("alone and watched, the terms are %+v", p.Terms())
	}
	stalled := func() time.Duration { spent, _ := m.Stalled(2); return spent }
	if stalled() != 0 {
		t.Fatal("nothing runs")
	}
	begin(p, clock.Now())
	await(t, "a stall", func() bool { return stalled() > 20*time.Millisecond })
	p.SetFlying(0, clock.Now()) // something has ended
	if spent := stalled(); spent > 20*time.Millisecond {
		t.Errorf("stalled for %v after something has ended", spent)
	}
	await(t, "a stall", func() bool { return stalled() > 20*time.Millisecond })
	p.Moved(clock.Now())
	if spent := stalled(); spent > 20*time.Millisecond {
		t.Errorf("stalled for %v after the GPU has got on", spent)
	}
	p.SetHeld(true)
	if _, held := m.Stalled(2); !held {
		t.Error("a wait for the guest is not told")
	}
	if spent, held := m.Stalled(7); spent != 0 || held {
		t.Error("a channel without an executor stalls")
	}
}

// Time is charged, not counted: beside another's work a kernel has half of it.
func TestStalledIsChargedTime(t *testing.T) {
	a := testArbiter(t)
	clock := lease.NewClock()
	one, other := join(t, a, sched.Normal, 100), join(t, a, sched.Normal, 100)
	one.Watch()
	p, q := one.page(t, 0), other.page(t, 0)
	start := clock.Now()
	begin(p, start)
	begin(q, start)
	one.Stalled(0) // first sight
	await(t, "a stall", func() bool { spent, _ := one.Stalled(0); return spent > 20*time.Millisecond })
	spent, _ := one.Stalled(0)
	if past := clock.Now() - start; spent > past*6/10 {
		t.Errorf("charged %v of %v beside another", spent, past)
	}
}

func TestHaltedGetsNothing(t *testing.T) {
	a := testArbiter(t)
	m := join(t, a, sched.Normal, 100)
	m.Watch()
	p := m.page(t, 0)
	begin(p, lease.NewClock().Now())
	m.Halt(0)
	if terms := p.Terms(); terms.Budget != 0 || terms.Admit(lease.NewClock().Now()+time.Hour, 0, 0) {
		t.Errorf("the terms are %+v", terms)
	}
	if p = m.page(t, 0); p.Terms().Budget == 0 {
		t.Error("the next executor of the channel is halted too")
	}
}
