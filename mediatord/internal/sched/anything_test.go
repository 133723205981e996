package sched

import (
	"math/rand/v2"
	"testing"
	"time"
)

// anything is a scheduler with domains that come, go and change as nobody would have them, under a clock that may stand
// still or leap.
type anything struct {
	*rand.Rand
	s       *Scheduler
	now     Time
	domains []*Domain
}

func (a *anything) settings() Settings {
	weights := []int{50, 100, 200} // with 1 and 10000 it takes hours until all have had their part
	return Settings{Pool: []string{"gold", "silver"}[a.IntN(2)], PoolWeight: weights[a.IntN(3)], Weight: weights[a.IntN(3)], Class: Class(a.IntN(3))}
}

func (a *anything) options() Options {
	o := Defaults()
	pick := func(of ...time.Duration) time.Duration { return of[a.IntN(len(of))] }
	o.RunSet = a.IntN(5)
	o.Turn, o.Budget = pick(100*time.Microsecond, 5*time.Millisecond, time.Second), pick(100*time.Microsecond, 4*time.Millisecond, time.Second)
	o.ArmedBudget, o.Armed = pick(10*time.Microsecond, time.Millisecond), pick(0, 200*time.Millisecond, time.Minute)
	o.Patience, o.Least, o.Delay = pick(0, time.Second, time.Minute), []float64{0, .1, 1}[a.IntN(3)], []float64{0, .5}[a.IntN(2)]
	o.Predict, o.Ahead, o.Unlimited = a.IntN(4) > 0, a.IntN(2) > 0, a.IntN(20) == 0
	return o
}

// report is what a domain says: now and then of times that cannot be.
func (a *anything) report() Report {
	r := Report{Active: a.IntN(3) > 0, Waiting: a.IntN(3) == 0, Flying: a.IntN(3) == 0}
	if r.Active {
		r.Arrived = a.now - Time(a.IntN(3e6))
	}
	if a.IntN(2) == 0 {
		end := a.now - Time(a.IntN(1e6))
		r.Busy = []Span{{end - Time(a.IntN(3e6)), end}}
		r.Used = r.Busy[0].End - r.Busy[0].Start
		r.Shared = Time(a.IntN(int(r.Used) + 1))
	}
	return r
}

func (a *anything) step() {
	switch leap := a.IntN(40); {
	case leap < 8: // stands still
	case leap < 39:
		a.now += Time(a.IntN(3e6))
	default:
		a.now += Time(a.Int64N(int64(2 * time.Minute)))
	}
	switch what := a.IntN(60); {
	case what == 0 && len(a.domains) < 12:
		a.domains = append(a.domains, a.s.Add(a.settings()))
	case what == 1 && len(a.domains) > 0:
		i := a.IntN(len(a.domains))
		a.s.Remove(a.domains[i])
		a.domains = append(a.domains[:i], a.domains[i+1:]...)
	case what == 2 && len(a.domains) > 0:
		a.s.Set(a.domains[a.IntN(len(a.domains))], a.settings())
	case what == 3:
		a.s.SetOptions(a.options())
	}
	for _, d := range a.domains {
		if a.IntN(2) == 0 {
			a.s.Report(a.now, d, a.report())
		}
	}
}

// Whatever happens in whatever order: the next decision lies ahead, nobody's terms are beyond the options, no more domains run than may,
// and somebody who wants the GPU has it sooner or later.
func TestAnythingInAnyOrder(t *testing.T) {
	for seed := range uint64(100) {
		a := &anything{Rand: rand.New(rand.NewPCG(seed, 1)), s: New(Defaults())}
		for range 600 {
			a.step()
			a.s.Decide(a.now)
			if next := a.s.Next(); next <= a.now {
				t.Fatalf("seed %d: at %v the next decision is at %v", seed, a.now, next)
			}
			o, running := a.s.options, 0
			for _, d := range a.domains {
				l := d.Lease()
				if l.Budget != Unlimited && l.Budget > max(o.Budget, o.ArmedBudget) || l.Budget < 0 || l.Grace < 0 || l.Coarse < 0 {
					t.Fatalf("seed %d: at %v lease %+v under %+v", seed, a.now, l, o)
				}
				if d.Running() {
					running++
				}
			}
			if most := max(o.RunSet, together); running > most && len(a.domains) > 1 && !o.Unlimited {
				t.Fatalf("seed %d: at %v %d domains run, at most %d may", seed, a.now, running, most)
			}
		}
		a.served(t, seed)
	}
}

// served is the end: everybody always has work, of which a piece is done whenever the terms let it in, until all have had some.
func (a *anything) served(t *testing.T, seed uint64) {
	t.Helper()
	const piece, most = time.Millisecond, 10 * time.Minute
	served := map[*Domain]bool{}
	for _, d := range a.domains {
		a.s.Report(a.now, d, Report{Active: true, Waiting: true, Arrived: a.now})
	}
	for end := a.now + most; len(served) < len(a.domains); {
		a.s.Decide(a.now)
		worked := false
		for _, i := range a.Perm(len(a.domains)) {
			d := a.domains[i]
			l := d.Lease()
			if fits := l.ClearBy == Never || a.now+piece <= l.ClearBy; l.Budget == 0 || !fits || worked {
				continue
			}
			begin := a.now
			a.now += piece
			a.s.Report(a.now, d, Report{Active: true, Waiting: true, Used: piece, Busy: []Span{{begin, a.now}}, Arrived: begin})
			served[d], worked = true, true
		}
		if !worked {
			a.now = min(a.s.Next(), end)
		}
		if a.now >= end {
			for _, d := range a.domains {
				t.Logf("%+v served %v lease %+v unfit %v served %v", d.settings, served[d], d.lease, d.unfit, d.served)
			}
			t.Fatalf("seed %d: %d of %d domains got the GPU within %v: options %+v", seed, len(served), len(a.domains), most, a.s.options)
		}
	}
}
