package channel

import "time"

const (
	// longestGap is up to which a gap is foreseen: beyond it, to be woken costs less
	// than a hundredth of it.
	longestGap = 20 * time.Millisecond
	// leastEarly is how much earlier than foreseen the consumer looks: timers are late.
	leastEarly = 200 * time.Microsecond
	// shortestNap is what it sleeps for at least before that: a step of 3.8 ms took 9 us longer than natively with
	// this bound, and on another H200's host 35 us longer without. What it is in a nap that costs that is not known.
	shortestNap = 2 * time.Millisecond
)

// rhythm foresees when the next record comes: a process that waits for the device and
// then gives it the next step, as decoders do with each token, leaves the ring empty as
// long as the last time. A consumer that looks at that moment, not before, is there as
// soon as one that has looked all the time; being woken takes 50 to 100 us.
type rhythm struct{ last time.Duration } // of the gaps beyond spinTime

func (r *rhythm) note(gap time.Duration) {
	if gap > spinTime {
		r.last = gap
	}
}

// expects says from when until when after the ring was empty a record may come, if
// that is after spinTime.
func (r *rhythm) expects() (from, until time.Duration, ok bool) {
	if r.last == 0 || r.last > longestGap {
		return 0, 0, false
	}
	early := max(r.last/8, leastEarly)
	from, until = r.last-early, r.last+early
	if from < spinTime+shortestNap {
		from = spinTime
	}
	return from, until, true
}
