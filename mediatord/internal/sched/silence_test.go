package sched

import (
	"math/rand/v2"
	"testing"
	"time"
)

// crowded lets a high domain do steps of 2 ms after gaps, which a low one shares if it might submit before; it says after
// which it might, and when that was.
func crowded(steps int, gap func() time.Duration) (given []bool, at []Time, high *Domain) {
	s := New(Defaults())
	high, low := add(s, High), add(s, Low)
	begin, shares := Time(ms), true
	for range steps {
		begin += gap()
		s.Report(begin, high, Report{Active: true, Flying: true, Arrived: begin})
		s.Report(begin, low, Report{Active: true, Waiting: true, Arrived: ms / 2})
		s.Decide(begin)
		ended := begin + 2*ms
		r, rest := worked(begin, ended), Report{Active: true, Waiting: true, Arrived: ms / 2}
		if shares {
			r.Shared, rest.Used = ms, ms
		}
		s.Report(ended, high, r)
		s.Report(ended, low, rest)
		s.Decide(ended)
		shares = low.Lease().Budget > 0
		given, at = append(given, shares), append(at, ended)
		begin = ended
	}
	return given, at, high
}

// The first steps that others disturb are followed by some without them, from which the rhythm is known.
func TestSilenceShowsARhythm(t *testing.T) {
	given, _, high := crowded(30, func() time.Duration { return ms })
	silent := 0
	for _, yes := range given {
		if !yes {
			silent++
		}
	}
	if silent < confident || silent > 2*enough || !given[len(given)-1] || high.beat.count < confident {
		t.Errorf("the low one is kept away %d times of %d; %d intervals fit", silent, len(given), high.beat.count)
	}
}

// Without a rhythm there is silence ever more seldom, and no longer than it takes to see that there is none.
func TestSilenceWithoutARhythmIsRare(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for _, tc := range []struct {
		longest time.Duration // gap
		most    float64
	}{{20 * ms, .02}, {6 * ms, .015}} {
		given, at, _ := crowded(6000, func() time.Duration { return ms + time.Duration(r.Int64N(int64(tc.longest))) })
		var silent, last time.Duration
		for i := range given {
			if !given[i] {
				silent += at[i] - last
			}
			last = at[i]
		}
		if part := float64(silent) / float64(last); part == 0 || part > tc.most {
			t.Errorf("gaps up to %v: the low one is kept away for %.4f of %v", tc.longest, part, last)
		}
	}
}
