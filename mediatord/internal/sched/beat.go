package sched

import "time"

// beat learns when a domain comes, if it comes at regular times, as something
// that is paced does. Gaps within a step are much shorter than those between
// steps and do not count.
type beat struct {
	last      Time
	pause     time.Duration // the longest recent gap
	mean, dev time.Duration // of the intervals
	count     int           // of intervals that fitted
	misfits   int           // in a row
}

const (
	// confident is how many intervals in a row must fit.
	confident = 4
	// mostMisfits in a row end the confidence.
	mostMisfits = 2
	// mostLeftOut is how many beats in a row may be left out.
	mostLeftOut = 8
	// shortest is the shortest interval that is worth keeping clear for.
	shortest = 500 * time.Microsecond
	// longest is the longest gap within a rhythm.
	longest = time.Second
	// slack is what a prediction is always wrong by: waking up takes that long.
	slack = 30 * time.Microsecond
)

// came notes that the domain became active at now after gap without work.
func (b *beat) came(now Time, gap time.Duration) {
	if gap > longest {
		*b = beat{last: now}
		return
	}
	b.pause -= b.pause / 16
	if 2*gap < b.pause {
		return // still the same step
	}
	b.pause = max(b.pause, gap)
	interval := now - b.last
	b.last = now
	if b.mean == 0 {
		b.restart(interval)
		return
	}
	beats := max((interval+b.mean/2)/b.mean, 1) // some may have been left out
	off := interval/beats - b.mean
	if beats > mostLeftOut || max(off, -off) > b.mean/8 {
		// A step that was late moves those after it, or does not.
		if b.misfits++; b.misfits > mostMisfits {
			b.restart(interval)
		}
		return
	}
	b.misfits = 0
	b.mean += off / 8
	b.dev += (max(off, -off) - b.dev) / 8
	b.count++
}

func (b *beat) restart(interval time.Duration) {
	b.count, b.misfits, b.mean, b.dev = 0, 0, interval, interval/32
	if interval < shortest {
		b.mean = 0
	}
}

// next predicts when the domain comes next: between early and late. false: it
// does not come regularly.
func (b *beat) next(now Time) (early, late Time, ok bool) {
	if b.count < confident {
		return 0, 0, false
	}
	margin := 3*b.dev + slack
	if margin > b.mean/4 {
		return 0, 0, false
	}
	beats := max((now-margin-b.last)/b.mean+1, 1)
	if beats > mostLeftOut {
		return 0, 0, false
	}
	at := b.last + beats*b.mean
	return at - margin, at + margin, true
}

// armed says whether a high domain has work or had some a short while ago, and by
// when the GPU should be clear for the next one.
func (s *Scheduler) armed(now Time, top Class) (armed bool, clear Time) {
	clear = Never
	for _, d := range s.domains {
		if d.settings.Class != High {
			continue
		}
		until := d.seen + s.options.Armed
		if !d.report.Active && now >= until {
			continue
		}
		armed = true
		if d.report.Active {
			continue
		}
		s.wake(until)
		if !s.options.Predict {
			continue
		}
		if early, late, ok := d.beat.next(now); ok {
			clear = min(clear, early)
			s.wake(late) // it may not come
		}
	}
	return armed, clear
}
