package sched

import "time"

const (
	// ahead is how long before the end of a high domain's step others are let in:
	// until a lease has reached its executor and that the GPU.
	ahead = 150 * time.Microsecond
	// oneSlice is what a context surely has of the GPU before the hardware gives it to
	// another one, on an H200 2 ms.
	oneSlice = 1500 * time.Microsecond
	// change is how long the hardware takes from one context to another, on an H200 165 us.
	change = 165 * time.Microsecond
	// coarse is the part of a gap from which on a piece of work is large.
	coarse = 4
)

// guard is what high domains leave to the others.
type guard struct {
	// armed says that a high domain has work or had some a short while ago.
	armed bool
	// atWork says that one has the GPU.
	atWork bool
	// clear is when the GPU should be clear for the next one; Never: nobody knows of one.
	clear Time
	// sure says that none comes before clear.
	sure bool
	// coarse is how long large pieces of work are at least, grace how late they may be.
	coarse, grace time.Duration
	// left is how much of a step is on the GPU still while others are let in.
	left time.Duration
}

// guard looks at the high domains.
func (s *Scheduler) guard(now Time) guard {
	g := guard{clear: Never, sure: true, grace: time.Hour}
	for _, d := range s.domains {
		if d.settings.Class != High {
			continue
		}
		until := d.seen + s.options.Armed
		if !d.report.Active && now >= until {
			continue
		}
		g.armed = true
		working := d.report.Active
		if s.options.Predict {
			working = s.working(now, d)
		}
		if working {
			g.atWork = true
			continue
		}
		if d.report.Flying {
			g.left = max(g.left, d.beat.last+d.beat.usual-now, 0)
		}
		s.wake(until)
		early, late, ok := Time(0), Time(0), false
		if s.options.Predict {
			early, late, ok = d.beat.next(now)
		}
		if !ok {
			g.sure = false
			continue
		}
		if begun := d.beat.ended + 2*change; d.report.Flying || now < begun {
			early -= change // it does not show yet in what the others do
			if now < begun {
				s.wake(begun)
			}
		}
		g.clear = min(g.clear, early)
		g.coarse = max(g.coarse, (d.beat.mean-d.beat.usual)/coarse)
		g.grace = min(g.grace, time.Duration(s.options.Delay*float64(d.beat.usual)))
		s.wake(late) // it may not come
	}
	return g
}

// working says whether a high domain needs the GPU. One whose steps are alike does
// until its step is usually done, pauses within it included; and shortly before that, others
// are let in: what they submit waits for the hardware to have no work of the step.
func (s *Scheduler) working(now Time, d *Domain) bool {
	earliest, latest, ok := d.beat.within()
	if !ok {
		return d.report.Active
	}
	if !d.report.Active {
		if d.beat.gaps > 0 && now < earliest {
			s.wake(earliest)
			return true
		}
		return false
	}
	in := earliest - ahead
	switch {
	case d.beat.gaps > 0 || d.delayed || latest-d.beat.last > oneSlice || now >= latest:
		return true
	case now < in:
		s.wake(in)
		return true
	}
	s.wake(latest)
	return false
}

// lease is that of the one domain of the lower classes that may work. Where it is known
// when the next high one comes, that bounds it.
func (g guard) lease(o Options) Lease {
	l := Lease{Budget: o.ArmedBudget, ClearBy: g.clear, Single: true}
	switch {
	case g.left > 0:
		if g.clear != Never {
			l.ClearBy -= g.left
		}
	case g.sure:
		l.Budget, l.Coarse, l.Grace = max(o.Budget, o.ArmedBudget), g.coarse, g.grace
	}
	return l
}
