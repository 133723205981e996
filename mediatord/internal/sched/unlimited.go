package sched

import "time"

// unlimited lets all domains do what they like.
func (s *Scheduler) unlimited() {
	for _, d := range s.domains {
		d.running, d.came, d.lease = d.report.Active, false, Lease{Budget: Unlimited, ClearBy: Never}
		s.virtual[d.settings.Class] = max(s.virtual[d.settings.Class], d.virtual)
	}
}

// Slice is how long the hardware is to let a domain's work have the GPU at a time while others
// have some too; 0: as its driver does, by which work of 5 ms keeps a step of a higher class waiting for 2 ms.
// It is short while a domain of a higher class is there, at work or not: by the time that
// one comes it is too late to change it.
func (s *Scheduler) Slice(d *Domain) time.Duration {
	for _, o := range s.domains {
		if o.settings.Class > d.settings.Class {
			return s.options.Slice
		}
	}
	return 0
}
