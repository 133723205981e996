package sched

import (
	"math/rand/v2"
	"testing"
	"time"
)

const us = time.Microsecond

// rhythm feeds steps of 1 ms to a beat and returns by how much the last hundred predictions
// were missed: how many came before their earliest time, how many after their latest.
func rhythm(t *testing.T, next func(i int, r *rand.Rand) Time) (b beat, tooEarly, tooLate, unknown int, margin time.Duration) {
	t.Helper()
	r := rand.New(rand.NewPCG(1, 2))
	var ended Time
	const beats = 400
	for i := range beats {
		at := next(i, r)
		if i >= beats-100 {
			early, late, ok := b.next(ended + 100*us)
			switch {
			case !ok:
				unknown++
			case at < early:
				tooEarly++
			case at > late:
				tooLate++
			}
			margin += (at - early) / 100
		}
		b.came(at, at-ended)
		ended = at + ms
		b.done(ended)
	}
	return b, tooEarly, tooLate, unknown, margin
}

// Programs that wait for points in time, as those of a clock: lateness of one step says
// nothing of the next. One in twenty is up to 300 us late.
func TestBeatOnAGrid(t *testing.T) {
	_, tooEarly, tooLate, unknown, margin := rhythm(t, func(i int, r *rand.Rand) Time {
		late := time.Duration(r.Int64N(int64(40 * us)))
		if r.IntN(20) == 0 {
			late += time.Duration(r.Int64N(int64(300 * us)))
		}
		return Time(i+1)*3*ms + late
	})
	if unknown > 0 || tooEarly > 2 || tooLate > 2 || margin > 150*us {
		t.Errorf("of 100 beats %d were unknown, %d too early, %d too late; they came %v after the earliest time", unknown, tooEarly, tooLate, margin)
	}
}

// Programs that sleep for a length of time: lateness adds up.
func TestBeatFromTheLast(t *testing.T) {
	at := Time(0)
	_, tooEarly, tooLate, unknown, margin := rhythm(t, func(_ int, r *rand.Rand) Time {
		at += 3*ms + time.Duration(r.Int64N(int64(60*us)))
		return at
	})
	if unknown > 0 || tooEarly > 2 || tooLate > 2 || margin > 150*us {
		t.Errorf("of 100 beats %d were unknown, %d too early, %d too late; they came %v after the earliest time", unknown, tooEarly, tooLate, margin)
	}
}

// No rhythm is no prediction.
func TestBeatOfChance(t *testing.T) {
	at := Time(0)
	_, tooEarly, _, unknown, _ := rhythm(t, func(_ int, r *rand.Rand) Time {
		at += 1500*us + time.Duration(r.Int64N(int64(20*ms)))
		return at
	})
	if unknown < 80 || tooEarly > 10 {
		t.Errorf("of 100 beats without a rhythm only %d were unknown, %d came too early", unknown, tooEarly)
	}
}

func TestStepsAreKnown(t *testing.T) {
	b, _, _, _, _ := rhythm(t, func(i int, _ *rand.Rand) Time { return Time(i+1) * 3 * ms })
	earliest, latest, ok := b.within()
	if begin := b.last; !ok || earliest < begin+900*us || earliest > begin+ms || latest < begin+ms || latest > begin+1100*us {
		t.Errorf("a step of 1 ms ends between %v and %v, %v", earliest-b.last, latest-b.last, ok)
	}
}

// While a high domain pauses within its step, as a program does that computes between two
// of its launches, nobody else gets the GPU; when the step is usually done, others do.
func TestPausesWithinAStepAreKept(t *testing.T) {
	o := Defaults()
	s := New(o)
	high, low := add(s, High), add(s, Low)
	decide := func(now Time) time.Duration {
		s.Decide(now)
		return low.Lease().Budget
	}
	s.Report(ms/2, low, Report{Active: true, Waiting: true, Arrived: ms / 2})
	var within, after time.Duration
	for i := range 60 {
		begin := Time(i+1) * 10 * ms
		for part := range 3 { // 1 ms of work, 200 us of pause
			at := begin + Time(part)*1200*us
			s.Report(at, high, Report{Active: true, Flying: true, Arrived: at})
			decide(at)
			s.Report(at+ms, high, Report{Used: ms})
			within = decide(at + ms)
			if part < 2 && i > 20 && within != 0 {
				t.Fatalf("step %d: in a pause the low one has %v", i, within)
			}
		}
		after = decide(begin + 5*ms)
		if i > 20 && after == 0 {
			t.Fatalf("step %d: the low one has nothing after it", i)
		}
	}
}

// Shortly before a steady step is done others are let in, with little.
func TestOthersAreLetInBeforeTheEnd(t *testing.T) {
	s := New(Defaults())
	high, low := add(s, High), add(s, Low)
	s.Report(ms/2, low, Report{Active: true, Waiting: true, Arrived: ms / 2})
	for i := range 60 {
		begin := Time(i+1) * 3 * ms
		s.Report(begin, high, Report{Active: true, Flying: true, Arrived: begin})
		s.Decide(begin)
		if low.Lease().Budget != 0 {
			t.Fatalf("step %d: the low one has %+v at its beginning", i, low.Lease())
		}
		s.Decide(begin + 950*us)
		if l := low.Lease(); i > 40 && (l.Budget != Defaults().ArmedBudget || l.ClearBy == Never || high.Lease().Budget == 0) {
			t.Fatalf("step %d: near its end the low one has %+v, the high one %+v", i, l, high.Lease())
		}
		s.Report(begin+ms, high, Report{Used: ms})
		s.Decide(begin + ms)
		if l := low.Lease(); i > 40 && (l.Budget != Defaults().Budget || l.ClearBy > begin+3*ms || l.ClearBy < begin+2500*us) {
			t.Fatalf("step %d: in the gap the low one has %+v", i, l)
		}
	}
	// Nobody is let in early into steps in which the GPU is idle for moments: the hardware would
	// take others' work then.
	for i := range 4 {
		begin := Time(61+i) * 3 * ms
		s.Report(begin, high, Report{Active: true, Flying: true, Arrived: begin})
		s.Report(begin+300*us, high, Report{Active: true, Arrived: begin})
		s.Report(begin+320*us, high, Report{Active: true, Flying: true, Arrived: begin})
		s.Decide(begin + 950*us)
		if l := low.Lease(); l.Budget != 0 {
			t.Fatalf("step %d has a gap, and near its end the low one has %+v", i, l)
		}
		s.Report(begin+ms, high, Report{Used: ms})
		s.Decide(begin + ms)
	}
	for i := range 20 { // without gaps again
		begin := Time(65+i) * 3 * ms
		s.Report(begin, high, Report{Active: true, Flying: true, Arrived: begin})
		s.Decide(begin + 950*us)
		s.Report(begin+ms, high, Report{Used: ms})
		s.Decide(begin + ms)
	}
	// One that takes longer than ever takes the GPU back.
	begin := Time(85) * 3 * ms
	s.Report(begin, high, Report{Active: true, Flying: true, Arrived: begin})
	s.Decide(begin + 950*us)
	if low.Lease().Budget == 0 {
		t.Error("the steps have no gaps any more, and the low one has nothing near their end")
	}
	s.Decide(begin + 1400*us)
	if low.Lease().Budget != 0 {
		t.Errorf("the step is longer than usual, and the low one has %+v", low.Lease())
	}
}
