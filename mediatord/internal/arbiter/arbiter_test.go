package arbiter

import (
	"os"
	"testing"
	"time"

	"github.com/sirupsen/logrus"
	"golang.org/x/sys/unix"

	"libvirt-vgpu/mediatord/internal/lease"
	"libvirt-vgpu/mediatord/internal/sched"
)

const patience = 5 * time.Second

func testArbiter(t *testing.T) *Arbiter {
	t.Helper()
	a := New(sched.Defaults(), logrus.New())
	t.Cleanup(a.Close)
	return a
}

// member is a domain with the executors' ends of its pages.
type member struct {
	*Domain
	table  *lease.Table
	report *os.File
}

func join(t *testing.T, a *Arbiter, class sched.Class, weight int) *member {
	t.Helper()
	table, err := lease.Create("test")
	if err != nil {
		t.Fatal(err)
	}
	fd, err := unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
	if err != nil {
		t.Fatal(err)
	}
	m := &member{table: table, report: os.NewFile(uintptr(fd), "report")}
	m.Domain = a.Join(table, m.report, sched.Settings{Pool: "gold", PoolWeight: 100, Weight: weight, Class: class})
	t.Cleanup(func() {
		m.Leave()
		_, _ = table.Close(), m.report.Close()
	})
	return m
}

func (m *member) page(t *testing.T, channel int) *lease.Page {
	t.Helper()
	m.Start(channel, false)
	p, err := lease.Open(m.table.File(), channel, int(m.report.Fd()))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func await(t *testing.T, what string, is func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !is(); time.Sleep(20 * time.Microsecond) {
		if time.Now().After(end) {
			t.Fatalf("%s: it does not come", what)
		}
	}
}

// begin and end act as an executor does.
func begin(p *lease.Page, now time.Duration) {
	p.SetArrived(now)
	p.Begin(now)
	p.SetState(lease.Active | lease.Flying)
}

func TestAloneIsLeftAlone(t *testing.T) {
	a := testArbiter(t)
	p := join(t, a, sched.Low, 100).page(t, 0)
	if !p.Unlimited() {
		t.Fatal("limited without neighbours")
	}
	begin(p, lease.NewClock().Now())
	if !p.Unlimited() {
		t.Error("limited without neighbours")
	}
}

func TestHighStopsLowAndGivesBack(t *testing.T) {
	a := testArbiter(t)
	clock := lease.NewClock()
	low, high := join(t, a, sched.Low, 100), join(t, a, sched.High, 100)
	l := low.page(t, 0)
	h := high.page(t, 5)
	begin(l, clock.Now())
	await(t, "budget", func() bool { return l.Terms().Budget == sched.Defaults().Budget })
	start := clock.Now()
	begin(h, start)
	await(t, "revocation", func() bool { return l.Terms().Budget == 0 })
	t.Logf("revoked after %v", clock.Now()-start)
	h.End(start, clock.Now())
	h.SetState(0)
	await(t, "gap", func() bool { return l.Terms().Budget == sched.Defaults().ArmedBudget })
	if high.Used(5) <= 0 {
		t.Error("high was charged nothing")
	}
	high.Stop(5)
	await(t, "unlimited again", func() bool { return l.Terms().Budget == lease.Unlimited && l.Unlimited() })
}

func TestOneOfADomainWhileArmed(t *testing.T) {
	a := testArbiter(t)
	clock := lease.NewClock()
	low, high := join(t, a, sched.Low, 100), join(t, a, sched.High, 100)
	pages := []*lease.Page{low.page(t, 0), low.page(t, 1), low.page(t, 2)}
	h := high.page(t, 0)
	now := clock.Now()
	begin(h, now)
	h.End(now, clock.Now())
	h.SetState(0)
	for _, p := range pages {
		p.SetArrived(clock.Now())
		p.SetState(lease.Active | lease.Waiting)
	}
	await(t, "exactly one with a lease", func() bool {
		count := 0
		for _, p := range pages {
			if p.Terms().Budget > 0 {
				count++
			}
		}
		return count == 1
	})
}

// Of a domain's executors the one that came last is expected.
func TestWhoCameLastIsExpected(t *testing.T) {
	a := testArbiter(t)
	m := join(t, a, sched.High, 100)
	pages := []*lease.Page{m.page(t, 0), m.page(t, 1), m.page(t, 2)}
	now := lease.NewClock().Now() - time.Minute // before whatever instant the loop looks from, however late it is let in
	for _, last := range []int{1, 0, 2} {
		now += time.Microsecond
		pages[last].SetArrived(now)
		m.Used(last) // looks at all of them
		a.mu.Lock()
		if e := m.expected(); e.channel != last {
			t.Errorf("channel %d is expected, %d came last", e.channel, last)
		}
		a.mu.Unlock()
	}
}

// Beside an armed high domain one executor of another may work at a time. When several want to, the arbiter comes
// back by itself: the one that works has nothing to report.
func TestExecutorsOfADomainTakeTurns(t *testing.T) {
	a := testArbiter(t)
	options := sched.Defaults()
	options.Armed = time.Hour
	a.SetOptions(options)
	clock := lease.NewClock()
	high, low := join(t, a, sched.High, 100), join(t, a, sched.Low, 100)
	armed := high.page(t, 0)
	pages := []*lease.Page{low.page(t, 0), low.page(t, 1)}
	begin(armed, clock.Now())
	high.Used(0) // looks at all of them
	armed.End(clock.Now(), clock.Now())
	armed.SetState(0)
	for i, p := range pages {
		p.SetArrived(clock.Now())
		p.SetState(lease.Active | lease.Waiting)
		low.Used(i)
		a.mu.Lock()
		a.decide()
		if contended := low.give(clock.Now(), true); contended != (i == 1) {
			t.Errorf("%d executors want to work: %v", i+1, contended)
		}
		a.mu.Unlock()
	}
	if p, q := pages[0].Terms().Budget, pages[1].Terms().Budget; (p > 0) == (q > 0) {
		t.Errorf("they have %v and %v", p, q)
	}
}

// Whose turn it is waits until the last one's work is off the GPU, but for no longer than a turn.
func TestTurnsDoNotOverlap(t *testing.T) {
	for name, flies := range map[string]bool{"done": false, "too long": true} {
		t.Run(name, func(t *testing.T) {
			a := testArbiter(t)
			clock := lease.NewClock()
			high, low := join(t, a, sched.High, 100), join(t, a, sched.Low, 100)
			high.page(t, 0) // so that the low domain's slices are short
			pages := []*lease.Page{low.page(t, 0), low.page(t, 1)}
			begin(pages[0], clock.Now())
			low.Used(0) // looks at all of them
			look := func(passed time.Duration) (budgets [2]time.Duration) {
				low.Used(0)
				a.mu.Lock()
				defer a.mu.Unlock()
				a.decide()
				low.give(clock.Now()+passed, true)
				return [2]time.Duration{pages[0].Terms().Budget, pages[1].Terms().Budget}
			}
			if got := look(0); got[0] == 0 || got[1] != 0 {
				t.Fatalf("they have %v", got)
			}
			pages[1].SetArrived(clock.Now())
			pages[1].SetState(lease.Active | lease.Waiting)
			a.mu.Lock()
			low.executors[0].used += time.Hour
			a.mu.Unlock()
			if got := look(0); got[0] != 0 || got[1] != 0 {
				t.Errorf("while there still is work of the one they have %v", got)
			}
			passed := a.turn
			if !flies {
				pages[0].SetState(lease.Active | lease.Waiting)
				passed = 0
			}
			if got := look(passed); got[0] != 0 || got[1] == 0 {
				t.Errorf("then they have %v", got)
			}
		})
	}
}

func TestSettingsChange(t *testing.T) {
	a := testArbiter(t)
	clock := lease.NewClock()
	one, other := join(t, a, sched.Normal, 100), join(t, a, sched.Normal, 100)
	p, q := one.page(t, 0), other.page(t, 0)
	begin(p, clock.Now())
	begin(q, clock.Now())
	other.Set(sched.Settings{Pool: "gold", PoolWeight: 100, Weight: 100, Class: sched.High})
	await(t, "stop", func() bool { return p.Terms().Budget == 0 && q.Terms().Budget > 0 })
	other.Set(sched.Settings{Pool: "gold", PoolWeight: 100, Weight: 100, Class: sched.Low})
	await(t, "turn", func() bool { return p.Terms().Budget > 0 && q.Terms().Budget == 0 })
}

// An arbiter that ends leaves leases that expire, and the next one goes on with
// the same pages.
func TestSuccessor(t *testing.T) {
	a := testArbiter(t)
	clock := lease.NewClock()
	one, other := join(t, a, sched.Normal, 100), join(t, a, sched.Normal, 100)
	p, q := one.page(t, 0), other.page(t, 0)
	start := clock.Now()
	begin(p, start)
	begin(q, start)
	await(t, "limits", func() bool { return p.Terms().Budget != lease.Unlimited && q.Terms().Budget != lease.Unlimited })
	a.Close()
	if terms := q.Terms(); terms.Expiry > clock.Now()+lifetime {
		t.Fatalf("the lease lasts %v", terms.Expiry-clock.Now())
	}
	next := testArbiter(t)
	for _, m := range []*member{one, other} {
		next.Join(m.table, m.report, m.settings).Start(0, true)
	}
	await(t, "renewal", func() bool {
		return p.Terms().Expiry > clock.Now()+lifetime/3 || q.Terms().Expiry > clock.Now()+lifetime/3
	})
}

// Nobody active: nothing wakes up.
func TestIdleWakesNobody(t *testing.T) {
	a := testArbiter(t)
	for range 10 {
		join(t, a, sched.Normal, 100).page(t, 0)
	}
	var spec unix.ItimerSpec
	if err := unix.TimerfdGettime(a.loop.timer, &spec); err != nil || spec.Value.Nano() != 0 {
		t.Errorf("the timer runs: %+v, %v", spec, err)
	}
	for len(a.domains) > 0 {
		a.domains[0].Stop(0)
	}
	if a.loop != nil {
		t.Error("a thread waits although there are no executors")
	}
}
