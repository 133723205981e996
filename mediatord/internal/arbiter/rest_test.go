package arbiter

import (
	"testing"
	"time"

	"libvirt-vgpu/mediatord/internal/sched"
)

// told says that something is told within patience.
func told(woken <-chan struct{}) bool {
	select {
	case <-woken:
		return true
	case <-time.After(patience):
		return false
	}
}

func TestRestEndsWithTheFirstWork(t *testing.T) {
	a := testArbiter(t)
	m := join(t, a, sched.Normal, 100) // alone: its executors report nothing else
	woken := make(chan struct{}, 10)
	rest := func() bool { return m.Rest(func() { woken <- struct{}{} }) }
	if rest() {
		t.Error("a domain without executors, which nobody listens to, rests")
	}
	p, q := m.page(t, 0), m.page(t, 4)
	p.Idle()
	if rest() {
		t.Error("an executor that has never been idle rests")
	}
	q.Idle()
	for range 3 {
		if !rest() {
			t.Fatal("idle executors do not rest")
		}
		q.Awake()
		if !told(woken) {
			t.Fatal("the work is not told")
		}
		if rest() {
			t.Error("an executor at work rests")
		}
		q.Idle()
	}
	if !rest() {
		t.Fatal("idle executors do not rest")
	}
	m.Attend()
	p.Awake()
	a.mu.Lock()
	a.decide() // as if it had reported
	a.mu.Unlock()
	if len(woken) > 0 {
		t.Error("it is told after the end of the rest")
	}
	p.Idle()
	a.Close()
	if rest() {
		t.Error("a closed arbiter says that it will tell")
	}
}
