package sched

import "time"

const (
	// longestSilence is how long others are kept from the GPU at most so that a rhythm shows, and enough how
	// many steps without them must have shown it.
	longestSilence = 100 * time.Millisecond
	enough         = 2 * confident
	// oftenSilent is the least time between two such silences, seldomSilent that after many that were of no use.
	oftenSilent  = time.Second
	seldomSilent = time.Minute
)

// silence lets the rhythm of a high domain show that others' work hides: pieces that are longer than its gaps
// make one step after another late, and as long as no beat is foretold there are always more of them.
type silence struct {
	until Time          // others wait
	next  Time          // not before
	pause time.Duration // before the next but one
	steps int           // without others since it began
}

// step notes that one has ended, together with others' work or not, and how many intervals fit a rhythm now.
func (q *silence) step(now Time, shared bool, fits int) {
	switch {
	case fits >= confident:
		q.until = 0
		if fits >= memory {
			q.pause = oftenSilent
		}
	case now < q.until:
		if !shared {
			q.steps++
		}
		if q.steps >= enough { // there is none
			q.until = 0
		}
	case shared && now >= q.next:
		q.pause = max(q.pause, oftenSilent)
		q.until, q.next, q.steps = now+longestSilence, now+q.pause, 0
		q.pause = min(2*q.pause, seldomSilent)
	}
}
