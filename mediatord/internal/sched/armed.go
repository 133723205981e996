package sched

import "time"

const (
	// change is how long the hardware takes from one context to another, on an H200 165 us.
	change = 165 * time.Microsecond
	// notice is how long before the change an executor wakes up that is to bring it about, at most.
	notice = 60 * time.Microsecond
	// fresh is how long after a step its gap has just begun.
	fresh = 2 * change
	// hearing is how long it takes until who was let in has something on the GPU, if it fits.
	hearing = 150 * time.Microsecond
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
	// fresh says that the gap has just begun.
	fresh bool
	// coarse is how long large pieces of work are at least, grace how late they may be.
	coarse, grace time.Duration
}

// guard looks at the high domains.
func (s *Scheduler) guard(now Time) guard {
	g := guard{clear: Never, fresh: true, grace: time.Hour}
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
			if now < d.silence.until {
				working = true
				s.wake(d.silence.until)
			}
		}
		if working {
			g.atWork = true
			continue
		}
		s.wake(until)
		early, late, ok := Time(0), Time(0), false
		if s.options.Predict {
			early, late, ok = d.beat.next(now)
		}
		if d.ready = 0; !ok {
			continue
		}
		grace := time.Duration(s.options.Delay * float64(d.beat.usual)) // for the beat itself
		if s.options.Ahead {
			early -= change + notice
			d.ready = early
			if grace > 0 {
				grace += change + notice
			}
		}
		if begun := d.beat.ended + fresh; now < begun {
			early -= change // it does not show yet in what the others do
			s.wake(begun)
		} else {
			g.fresh = false
		}
		g.clear = min(g.clear, early)
		g.coarse = max(g.coarse, (d.beat.mean-d.beat.usual)/coarse)
		g.grace = min(g.grace, grace)
		s.wake(late) // it may not come
	}
	return g
}

// working says whether a high domain needs the GPU. One whose steps are alike does
// until its step is usually done, pauses within it included. If it never pauses there it has
// no more need of the GPU when nothing is on it then.
func (s *Scheduler) working(now Time, d *Domain) bool {
	earliest, _, ok := d.beat.within()
	switch {
	case !ok:
		return d.report.Active
	case d.report.Active:
		return d.report.Flying || d.report.Waiting || d.beat.gaps > 0 || now < earliest
	case d.beat.gaps > 0 && now < earliest:
		s.wake(earliest)
		return true
	}
	return false
}

// fit finds out whose next piece of work is too long for a whole gap: it was let in when two gaps in a row began, and
// still waits; once may be that it woke late. Others have the gaps then, but for those in which such work may go.
func (s *Scheduler) fit(now Time, g guard) {
	for _, d := range s.domains {
		switch {
		case !g.armed:
			d.unfit = false
		case d.running && d.report.Waiting && !d.report.Flying && g.clear != Never && g.fresh && d.lease.ClearBy != Never && now >= d.letIn+hearing && d.served < d.letIn:
			d.unfit = d.unfit || d.missed > d.served && d.missed < d.letIn
			d.missed = d.letIn
		}
	}
}

// lease is that of the one domain of the lower classes that may work: little at a time,
// and where it is known when the next high one comes, only what is done by then. So what is known
// takes from what domains of lower classes may do and never adds to it: a beat that is
// foretold wrongly finds no more of their work on the GPU than one that was not foretold.
func (g guard) lease(o Options) Lease {
	return Lease{Budget: o.ArmedBudget, ClearBy: g.clear, Coarse: g.coarse, Grace: g.grace, Single: true}
}
