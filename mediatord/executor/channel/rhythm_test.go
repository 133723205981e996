package channel

import (
	"testing"
	"time"
)

func TestRhythm(t *testing.T) {
	const ms = time.Millisecond
	for _, tc := range []struct {
		last, from, until time.Duration
		ok                bool
	}{
		{0, 0, 0, false},
		{spinTime, 0, 0, false}, // looked for anyhow
		{4 * ms, spinTime, 4500 * time.Microsecond, true}, // not worth a nap
		{8 * ms, 7 * ms, 9 * ms, true},
		{spinTime + 1, spinTime, spinTime + 1 + (spinTime+1)/8, true},
		{longestGap, longestGap - longestGap/8, longestGap + longestGap/8, true},
		{longestGap + 1, 0, 0, false},
		{time.Hour, 0, 0, false},
	} {
		r := rhythm{}
		r.note(tc.last)
		r.note(spinTime) // between two records of one step
		from, until, ok := r.expects()
		if from != tc.from || until != tc.until || ok != tc.ok {
			t.Errorf("after a gap of %v: %v to %v, %v", tc.last, from, until, ok)
		}
	}
}
