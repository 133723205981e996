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
		b.came(at, at-ended, 0)
		ended = at + ms
		b.worked(Span{at, ended})
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

// Steps that become others, longer or shorter, are known after a few of them.
func TestStepsThatChangeAreLearnt(t *testing.T) {
	var b beat
	at, ended := Time(0), Time(0)
	for i, length := range []time.Duration{100 * us, 1500 * us, 300 * us} {
		for range 10 {
			at += 20 * ms
			b.came(at, at-ended, 0)
			ended = at + length
			b.worked(Span{at, ended})
		}
		if earliest, latest, ok := b.within(); i > 0 && (!ok || earliest > ended || earliest < ended-length/4 || latest < ended || latest > ended+length/4) {
			t.Errorf("a step of %v is expected to end %v to %v after its end, %v", length, earliest-ended, latest-ended, ok)
		}
	}
}

// While a high domain pauses within its step, as a program does that computes between two
// of its launches, nobody else gets the GPU; when the step is usually done, others do.
func TestPausesWithinAStepAreKept(t *testing.T) {
	o := Defaults()
	o.Least = 0 // the low one is never served
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
			s.Report(at+ms, high, worked(at, at+ms))
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

// When a step that is as long as ever is done, others get the GPU at once; after one that is
// shorter they wait until nothing more comes.
func TestTheEndOfAStepIsKnown(t *testing.T) {
	o := Defaults()
	o.Least = 0 // the low one is never served
	s := New(o)
	high, low := add(s, High), add(s, Low)
	s.Report(ms/2, low, Report{Active: true, Waiting: true, Arrived: ms / 2})
	step := func(begin Time, length time.Duration) Lease {
		s.Report(begin, high, Report{Active: true, Flying: true, Arrived: begin})
		s.Decide(begin)
		s.Decide(begin + length - 20*us)
		if low.Lease().Budget != 0 {
			t.Fatalf("%v: within a step the low one has %+v", begin, low.Lease())
		}
		ended := worked(begin, begin+length)
		ended.Active, ended.Arrived = true, begin
		s.Report(begin+length, high, ended)
		s.Decide(begin + length)
		l := low.Lease()
		s.Report(begin+length+50*us, high, Report{})
		s.Decide(begin + length + 50*us)
		return l
	}
	for i := range 60 {
		begin := Time(i+1) * 3 * ms
		if l := step(begin, ms); i > 20 && (l.Budget != Defaults().ArmedBudget || l.ClearBy > begin+3*ms || l.ClearBy < begin+2500*us) {
			t.Fatalf("step %d: at its end the low one has %+v", i, l)
		}
	}
	if l := step(61*3*ms, ms/2); l.Budget != 0 {
		t.Errorf("after half of a step the low one has %+v", l)
	}
}

// Before its beat, and when others' work is over, the GPU changes to a high domain; not while
// another high one is at work.
func TestAHighDomainIsReadyBeforeItsBeat(t *testing.T) {
	s := New(Defaults())
	high, other, low := add(s, High), add(s, High), add(s, Low)
	s.Report(ms/2, low, Report{Active: true, Waiting: true, Arrived: ms / 2})
	begin := Time(0)
	for range 40 {
		begin += 3 * ms
		s.Report(begin, high, Report{Active: true, Flying: true, Arrived: begin})
		s.Decide(begin)
		if at := high.Lease().Ready; at != 0 {
			t.Fatalf("in its step it is to be ready at %v", at-begin)
		}
		s.Report(begin+ms, high, worked(begin, begin+ms))
		s.Report(begin+ms, low, Report{Active: true, Flying: true, Used: us, Arrived: ms / 2})
		s.Decide(begin + ms)
	}
	s.Decide(begin + 2*ms)
	next := begin + 3*ms
	if at := high.Lease().Ready; at > next-change || at < next-ms/2 || low.Lease().ClearBy != at || other.Lease().Ready != 0 {
		t.Errorf("it is to be ready %v before its beat, the low one has %+v, the other high one %+v", next-at, low.Lease(), other.Lease())
	}
	s.Report(begin+2100*us, other, Report{Active: true, Flying: true, Arrived: begin + 2100*us})
	s.Decide(begin + 2100*us)
	if at := high.Lease().Ready; at != 0 {
		t.Errorf("while another is at work it is to be ready at %v", at-begin)
	}
	o := Defaults()
	o.Ahead = false
	s.SetOptions(o)
	s.Report(begin+2200*us, other, worked(begin+2100*us, begin+2200*us))
	s.Decide(begin + 2200*us)
	if l := high.Lease(); l.Ready != 0 || low.Lease().ClearBy < next-ms/4 {
		t.Errorf("without ahead it has %+v, the low one %+v", l, low.Lease())
	}
}

// Beats that were missed at first, so that every second one is in between those of a grid that
// fits, are found all the same.
func TestBeatInBetween(t *testing.T) {
	var b beat
	at := Time(0)
	for range 10 {
		at += 6 * ms
		b.came(at, 5*ms, 0)
		b.worked(Span{at, at + ms})
	}
	for range 16 {
		at += 3 * ms
		b.came(at, 2*ms, 0)
		b.worked(Span{at, at + ms})
	}
	if early, late, ok := b.next(at + 2*ms); !ok || early > at+3*ms || early < at+2500*us || late < at+3*ms {
		t.Errorf("the next is foretold between %v and %v, %v; it comes at %v", early-at, late-at, ok, 3*ms)
	}
}

// A first interval that is a part of the others, as of a program that tries its kernel before it begins, is
// not taken for theirs.
func TestBeatOfAPart(t *testing.T) {
	b := beat{last: ms}
	b.came(2*ms, ms/2, 0)
	at := regular(&b, 2*ms, 14)
	if early, _, ok := b.next(at + 1100*us); !ok || early < at+2500*us {
		t.Errorf("the next is foretold from %v on, %v; it comes at 3ms", early-at, ok)
	}
}

// Steps that others make longer, so that little is left between them, are steps none the less.
func TestShortGapsBetweenLongSteps(t *testing.T) {
	var b beat
	at := Time(0)
	for i := range 60 {
		at += 3 * ms
		length, before, shared := ms, 2*ms, time.Duration(0)
		if i%4 == 1 {
			length = 2200 * us
		}
		if i%4 == 2 {
			before, shared = 800*us, 1200*us
		}
		b.came(at, before, shared)
		b.worked(Span{at, at + length})
	}
	early, _, ok := b.next(at + 2*ms)
	if !ok || early > at+3*ms || early < at+2500*us {
		t.Errorf("the next is foretold from %v on, %v; it comes at %v", early-at, ok, 3*ms)
	}
	if b.gaps > 0 || b.usual > 1100*us {
		t.Errorf("steps of 1 ms, of which some were disturbed, are taken to have gaps (%d) and to last %v", b.gaps, b.usual)
	}
}

// Foreknowledge only holds back: whatever is reported, what lower classes may put on the GPU
// is no more than without prediction.
func TestPredictionNeverAdds(t *testing.T) {
	var held time.Duration
	for seed := range uint64(200) {
		r := rand.New(rand.NewPCG(seed, 9))
		o := Defaults()
		o.Patience = time.Duration(5+r.IntN(200)) * ms
		o.Delay = float64(r.IntN(3)) / 2
		plain := o
		plain.Predict = false
		twins := []*Scheduler{New(o), New(plain)}
		var domains [2][]*Domain
		for i, s := range twins {
			domains[i] = append(domains[i], add(s, High))
			domains[i] = append(domains[i], add(s, Low))
		}
		every, length := time.Duration(1000+r.IntN(9000))*us, time.Duration(300+r.IntN(600))*us
		begin := Time(ms)
		var high Report
		var flew Time // since when the high one has been on the GPU; 0: it is not
		for now := Time(ms); now < 500*ms; now += time.Duration(10+r.IntN(200)) * us {
			switch { // steps with pauses within them, and late ones
			case now < begin:
				high = Report{}
			case now < begin+length:
				high = Report{Active: true, Flying: r.IntN(8) > 0, Arrived: begin}
			case now < begin+length+50*us:
				high = Report{Active: true, Arrived: begin}
			default:
				high = Report{}
				begin += every + time.Duration(r.Int64N(int64(50*us)))
				if r.IntN(20) == 0 {
					begin += time.Duration(r.Int64N(int64(every)))
				}
			}
			if flew != 0 {
				high.Busy = []Span{{flew, now}}
			}
			if flew = 0; high.Flying {
				flew = now
			}
			for i, s := range twins {
				said := high
				if i == 1 && said.Active && !said.Flying { // nothing is left of it: there is no harm in going on
					said = Report{Busy: high.Busy}
				}
				s.Report(now, domains[i][0], said)
			}
			report := Report{Active: true, Waiting: r.IntN(3) > 0, Flying: r.IntN(2) > 0, Arrived: ms}
			if r.IntN(4) == 0 {
				report.Used = time.Duration(r.Int64N(int64(100 * us)))
			}
			var leases [2]Lease
			for i, s := range twins {
				s.Report(now, domains[i][1], report)
				s.Decide(now)
				leases[i] = domains[i][1].Lease()
			}
			if with, without := leases[0], leases[1]; with.Budget > without.Budget || with.Budget > 0 && with.ClearBy > without.ClearBy {
				t.Fatalf("seed %d, %v: with prediction the low one has %+v, without %+v, while the high one is %+v", seed, now, with, without, high)
			}
			held += leases[1].Budget - leases[0].Budget
		}
	}
	if held == 0 {
		t.Error("prediction never held anything back")
	}
}

// regular feeds steps of 1 ms every 3 ms and returns when the last began.
func regular(b *beat, from Time, count int) Time {
	at := from
	for range count {
		at += 3 * ms
		b.came(at, 2*ms, 0)
		b.worked(Span{at, at + ms})
	}
	return at
}

// One step that is late loses nothing, whether the next ones are where they would have been or that much later.
func TestAStallLosesNoRhythm(t *testing.T) {
	for _, late := range []time.Duration{500 * us, 1500 * us, 2500 * us, 4 * ms} {
		for _, moves := range []bool{false, true} {
			var b beat
			at := regular(&b, 0, 40)
			b.came(at+3*ms+late, 2*ms+late, 0)
			b.worked(Span{at + 3*ms + late, at + 4*ms + late})
			next, beats := at+6*ms, 0
			if at = at + 3*ms; moves || late > 2*ms { // a program does not begin its next step before it has ended this one
				at += late
				next = at + 3*ms
			}
			for ; beats < 4; beats++ {
				if early, until, ok := b.next(next - ms); !ok || early > next || until < next {
					t.Errorf("%v late, moves %v: beat %d after it is foretold %v to %v from itself, %v", late, moves, beats, early-next, until-next, ok)
				}
				b.came(next, ms, 0)
				b.worked(Span{next, next + ms})
				next += 3 * ms
			}
			if early, _, ok := b.next(next - ms); !ok || early < next-ms/2 {
				t.Errorf("%v late, moves %v: four beats later the next is foretold %v from itself, %v", late, moves, early-next, ok)
			}
		}
	}
}

// Stalls now and then, which make pairs of intervals that do not fit and are alike, are no rhythm of their own.
func TestStallsAreNoRhythm(t *testing.T) {
	var b beat
	at := regular(&b, 0, 40)
	for range 20 {
		at += 4100 * us
		b.came(at, 3100*us, 0)
		b.worked(Span{at, at + ms})
		if _, _, ok := b.next(at); !ok || b.mean < 2900*us || b.mean > 3100*us {
			t.Fatalf("intervals of 3 ms are taken for %v, %v", b.mean, ok)
		}
		at = regular(&b, at, 12)
	}
}

// A step of 1 ms every 3 ms beside kernels of 5 ms that follow one another, as an H200 shares itself: of three
// steps the third begins as the second ends, which nobody sees, and hardly a gap is left.
func TestARhythmIsSeenBehindOthersWork(t *testing.T) {
	var b beat
	b.came(6200*us, 2*ms, 0) // the first one that is seen is a multiple
	at, ended := Time(6200*us), Time(0)
	for range 8 {
		b.came(at+3080*us, 950*us, 1100*us)
		ended = at + (3080+2640)*us
		b.worked(Span{at + 3080*us, ended})
		at += 6080 * us
		b.came(at, at-ended, 1600*us)
		ended = at + (3060+2120)*us // two of them
		b.worked(Span{at, ended})
		at += 3060 * us
		b.came(at+3080*us, at+3080*us-ended, 3200*us)
		b.worked(Span{at + 3080*us, at + 5200*us})
		at += 3080 * us
	}
	if early, late, ok := b.next(at + 2200*us); !ok || b.mean < 2900*us || b.mean > 3200*us || early > at+3080*us || late < at+3080*us {
		t.Errorf("the next is foretold between %v and %v, %v; it comes at 3.08ms; the mean is %v", early-at, late-at, ok, b.mean)
	}
}
