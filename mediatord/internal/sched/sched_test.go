package sched

import (
	"fmt"
	"testing"
	"time"
)

const ms = time.Millisecond

func add(s *Scheduler, class Class) *Domain {
	return s.Add(Settings{Pool: "gold", PoolWeight: 100, Weight: 100, Class: class})
}

// worked is what a domain says that has done work of its own and has none left.
func worked(from, to Time) Report { return Report{Used: to - from, Busy: []Span{{from, to}}} }

func TestAloneIsUnlimited(t *testing.T) {
	s := New(Defaults())
	d := add(s, Low)
	s.Report(ms, d, Report{Active: true, Arrived: ms})
	s.Decide(ms)
	if d.Lease() != (Lease{Budget: Unlimited, ClearBy: Never}) || s.Next() != Never {
		t.Errorf("lease %+v, next %v", d.Lease(), s.Next())
	}
}

func TestNobodyActiveWakesNobody(t *testing.T) {
	s := New(Defaults())
	for range 100 {
		add(s, Normal)
	}
	s.Decide(ms)
	if s.Next() != Never {
		t.Errorf("decides again at %v", s.Next())
	}
	for _, d := range s.domains {
		if d.Lease().Budget != Defaults().Budget {
			t.Fatalf("idle domain has %+v", d.Lease())
		}
	}
}

func TestHighStopsLow(t *testing.T) {
	o := Defaults()
	s := New(o)
	high, low, normal := add(s, High), add(s, Low), add(s, Normal)
	s.Report(ms, low, Report{Active: true, Arrived: ms})
	s.Decide(ms)
	if low.Lease().Budget != o.Budget || high.Lease().Budget != o.Budget {
		t.Fatalf("low %+v, high %+v", low.Lease(), high.Lease())
	}
	s.Report(2*ms, high, Report{Active: true, Arrived: 2 * ms})
	s.Decide(2 * ms)
	if low.Lease().Budget != 0 || normal.Lease().Budget != 0 || high.Lease().Budget != o.Budget {
		t.Fatalf("low %+v, normal %+v, high %+v", low.Lease(), normal.Lease(), high.Lease())
	}
	s.Report(3*ms, high, worked(2*ms, 3*ms))
	s.Decide(3 * ms)
	if low.Lease().Budget != o.ArmedBudget {
		t.Fatalf("in the gap low has %+v", low.Lease())
	}
	s.Report(4*ms+o.Armed, low, Report{Active: true, Used: ms})
	s.Decide(4*ms + o.Armed)
	if low.Lease().Budget != o.Budget {
		t.Errorf("long after, low has %+v", low.Lease())
	}
}

func TestRhythm(t *testing.T) {
	var b beat
	at := Time(0)
	for i := range 20 {
		at += 10 * ms
		late := time.Duration(i%3) * 20 * time.Microsecond
		b.came(at+late, 7*ms, 0)
		b.came(at+late+ms, 100*time.Microsecond, 0) // within the step
	}
	early, late, ok := b.next(at + 2*ms)
	if !ok || early > at+10*ms || late < at+10*ms || late-early > 3*ms {
		t.Errorf("next is %v to %v, %v; it comes at %v", early, late, ok, at+10*ms)
	}
	if early, _, ok = b.next(at + 14*ms); !ok || early < at+19*ms {
		t.Errorf("after one that did not come: %v, %v", early, ok)
	}
	b.came(at+3*time.Second, 3*time.Second, 0)
	if _, _, ok = b.next(at + 3*time.Second); ok {
		t.Error("still confident after a long pause")
	}
}

func TestMergeSharesOverlaps(t *testing.T) {
	reports, used := Merge([][]Sample{
		{{Busy: []Span{{0, 4 * ms}}, Active: true, Arrived: 3 * ms}, {Busy: []Span{{2 * ms, 4 * ms}}, Active: true, Arrived: 2 * ms}},
		{{Busy: []Span{{0, ms}, {2 * ms, 6 * ms}}, Waiting: true, Flying: true}},
		{},
	})
	third := time.Duration(2*ms) / 3
	if len(used[0]) != 2 || len(used[2]) != 0 || (used[0][1]-third).Abs() > 10 {
		t.Errorf("executors used %v", used)
	}
	want := []time.Duration{ms/2 + ms + 2*third, ms/2 + third + 2*ms, 0}
	for i, r := range reports {
		if off := r.Used - want[i]; off > 10 || off < -10 {
			t.Errorf("domain %d used %v, want %v", i, r.Used, want[i])
		}
	}
	if reports[0].Shared != 3*ms || reports[1].Shared != 3*ms || reports[2].Shared != 0 {
		t.Errorf("domains shared %v, %v and %v", reports[0].Shared, reports[1].Shared, reports[2].Shared)
	}
	if got := fmt.Sprint(reports[0].Busy, reports[1].Busy); got != "[{0s 4ms}] [{0s 1ms} {2ms 6ms}]" {
		t.Errorf("domains were busy %s", got)
	}
	if !reports[0].Active || reports[0].Arrived != 2*ms || reports[1].Active || !reports[1].Waiting || !reports[1].Flying {
		t.Errorf("reports %+v", reports)
	}
}

// Who has shorter slices has had less of the GPU beside others, and all of it alone.
func TestMergeKnowsSlices(t *testing.T) {
	const us = time.Microsecond
	reports, _ := Merge([][]Sample{
		{{Busy: []Span{{0, 4 * ms}}, Slice: 200 * us}},
		{{Busy: []Span{{0, 2248 * us}}}},
	})
	if low, high := reports[0].Used, reports[1].Used; (low-200*us-(4*ms-2248*us)).Abs() > 10 || (high-2048*us).Abs() > 10 {
		t.Errorf("they used %v and %v", low, high)
	}
}

func TestChangedClassStartsLevel(t *testing.T) {
	s := New(Defaults())
	a, b := add(s, Normal), add(s, Low)
	s.Report(ms, a, Report{Active: true, Arrived: ms})
	s.Decide(ms)
	s.Report(500*ms, a, Report{Active: true, Used: 499 * ms})
	s.Decide(500 * ms)
	settings := b.Settings()
	settings.Class = Normal
	s.Set(b, settings)
	s.Report(501*ms, b, Report{Active: true, Waiting: true, Arrived: 501 * ms})
	s.Decide(501 * ms)
	if behind := a.virtual - b.virtual; behind > float64(2*Defaults().Turn) {
		t.Errorf("it came back %v behind", time.Duration(behind))
	}
}

// Domains that have had work for long take longer turns, until somebody comes who has not: that
// one waits for a short turn at most.
func TestLongTurnsGiveWayToNewcomers(t *testing.T) {
	o := Defaults()
	s := New(o)
	a, b := add(s, Normal), add(s, Normal)
	busy := Report{Active: true, Waiting: true, Arrived: ms}
	s.Report(ms, a, busy)
	s.Report(ms, b, busy)
	now := Time(ms)
	longest, begun := time.Duration(0), now
	var running *Domain
	step := func() {
		s.Decide(now)
		for _, d := range []*Domain{a, b} {
			if d.Running() && d != running {
				longest, begun, running = max(longest, now-begun), now, d
			}
		}
		now += ms / 2
		if running != nil {
			s.Report(now, running, Report{Active: true, Waiting: true, Used: ms / 2})
		}
	}
	for now < 90*ms {
		step()
	}
	if longest > o.Turn+o.Turn/2+ms {
		t.Errorf("domains that have just come take turns of %v", longest)
	}
	longest = 0
	for now < 400*ms {
		step()
	}
	if longest < 2*o.Turn-ms || longest > 3*o.Turn+ms {
		t.Errorf("domains that have long had work take turns of %v", longest)
	}
	c := add(s, Normal)
	came := now
	s.Report(now, c, Report{Active: true, Waiting: true, Arrived: now})
	for step(); !c.Running() && now < came+time.Second; {
		step()
	}
	if now > came+o.Turn+ms {
		t.Errorf("a newcomer waits for %v", now-came)
	}
}

// What a domain's work was too long for in one class says nothing in another: who becomes high while it waits for a gap
// has its part beside the high ones that are there.
func TestAPromotedDomainWaitsForNoGap(t *testing.T) {
	s := New(Defaults())
	now := Time(10 * time.Second)
	paced, busy, late := add(s, High), add(s, High), add(s, Low)
	late.unfit = true
	s.Set(late, busy.Settings())
	s.Report(now, late, Report{Active: true, Waiting: true, Arrived: now})
	for range 1000 {
		last := now - 2*time.Millisecond // a step of it has ended a moment ago, the next one is foreseen
		paced.beat = beat{last: last, grid: last, mean: 20 * time.Millisecond, number: 8, count: 8, usual: time.Millisecond, ended: last + time.Millisecond}
		paced.seen = last + time.Millisecond
		s.Report(now, busy, Report{Active: true, Flying: true, Waiting: true, Used: 100 * time.Microsecond, Arrived: now - 100*time.Microsecond})
		s.Decide(now)
		if late.Running() {
			return
		}
		now += 100 * time.Microsecond
	}
	t.Error("it never runs")
}
