package sched

import "time"

// beat learns when a domain comes, if it comes at regular times, as something
// that is paced does, and how long it is then at work: a step. Gaps within a step
// are much shorter than those between steps and do not count.
//
// There are two predictions of the next beat: that of a grid, which lateness of one
// beat does not move, as of a program that waits for points in time; and that
// from the last beat on, as of a program that waits for a length of time. The one that has
// been wrong by less is believed.
type beat struct {
	last   Time          // the last beat
	grid   Time          // where the grid has it
	mean   time.Duration // of the intervals
	number int           // of beats that the grid is made of, at most memory
	dev    time.Duration // mean distance of beats from the grid

	onGrid, onLast spread

	pause   time.Duration // the longest recent gap
	count   int           // of intervals that fitted, at most memory, less unfitting for each that did not
	strayed bool          // the last one did not
	other   time.Duration // the last one that did not
	alike   int           // twice those that did not and were like it, less those that fitted since
	sparse  int           // intervals in a row that others would have fitted into

	step   spread        // of the steps' lengths around
	usual  time.Duration // their mean; 0: unknown
	ended  Time          // when work was last done
	others int           // steps in a row that were far longer, or, below 0, far shorter
	gaps   int           // recent steps with gaps within them
	paused bool          // this one had one
}

const (
	// confident is how many intervals in a row must fit.
	confident = 4
	// unfitting is how many that fit one that does not takes back.
	unfitting = 4
	// novel is when intervals that are alike and do not fit are a new rhythm: three in a row, or some more of which
	// every second one fits.
	novel = 6
	// mostLeftOut is how many beats in a row may be left out.
	mostLeftOut = 8
	// mostAwaited is how long one that is late is waited for at least, if that is less than
	// half of the interval: a stall of a processor takes some milliseconds.
	mostAwaited = 2 * time.Millisecond
	// memory is how many beats the grid is made of.
	memory = 32
	// shortest is the shortest interval that is worth keeping clear for.
	shortest = 500 * time.Microsecond
	// longest is the longest gap within a rhythm.
	longest = time.Second
	// slack is what a prediction is always wrong by: waking up takes that long.
	slack = 30 * time.Microsecond
)

// spread is how far off the recent ones have been, to both sides.
type spread struct {
	early, late time.Duration
}

func (s *spread) note(off time.Duration) {
	s.early = max(s.early-s.early/memory, -off)
	s.late = max(s.late-s.late/memory, off)
}

// came notes that the domain became active at now after gap without work, and says whether a
// step begins with that. shared is for how long others had work on the GPU together with the last step, which was
// longer and left a shorter gap by up to that: its length says nothing.
func (b *beat) came(now Time, gap, shared time.Duration) bool {
	if gap > longest {
		*b = beat{last: now}
		return true
	}
	interval := now - b.last
	b.pause -= b.pause / 16
	if 2*(gap+shared) < b.pause && (b.count < confident || interval < b.mean*3/4) {
		return false // still the same step
	}
	b.pause = max(b.pause, gap)
	if b.mean > 0 { // it may be late
		b.pause = min(b.pause, b.mean)
	}
	disturbed := shared > slack
	pushed := disturbed && b.ended-b.last >= b.mean
	b.stepEnded(disturbed)
	b.beats(now, interval, pushed)
	b.last = now
	return true
}

// beats takes a beat at now, interval after the last one. pushed: others have made the last step so long that this
// beat may be late.
func (b *beat) beats(now Time, interval time.Duration, pushed bool) {
	if b.mean == 0 {
		b.restart(now, interval)
		return
	}
	beats := max((interval+b.mean/2)/b.mean, 1) // some may have been left out
	off := interval - beats*b.mean
	place := b.grid + max((now-b.grid+b.mean/2)/b.mean, 1)*b.mean
	onGrid := now - place
	limit := b.mean / 8
	if beats > mostLeftOut || min(off.Abs(), onGrid.Abs()) > limit {
		if pushed { // it says nothing
			b.grid = now
			return
		}
		b.stray(now, interval)
		return
	}
	if beats > 1 {
		b.sparse++
	} else {
		b.sparse = 0
	}
	if b.sparse > confident { // all of them: the rhythm has been taken for a part of itself
		b.restart(now, interval)
		return
	}
	b.count, b.strayed = min(b.count+1, memory), false
	if off.Abs() <= limit {
		b.alike = max(b.alike-1, 0)
	}
	b.onLast.note(min(max(off, -limit), limit))
	b.onGrid.note(min(max(onGrid, -limit), limit))
	if onGrid.Abs() > limit { // what went by points in time has moved them
		place, onGrid = now, 0
	}
	b.follow(place, onGrid, beats)
}

// follow moves the grid: least squares over the recent beats, of which single late
// ones count little.
func (b *beat) follow(place Time, off, beats time.Duration) {
	b.number = min(b.number+1, memory)
	if most := 3*b.dev + slack; b.number > confident {
		b.dev += (off.Abs() - b.dev) / 16
		off = min(max(off, -most), most)
	} else {
		b.dev = max(b.dev, off.Abs()/2)
	}
	n := time.Duration(b.number)
	b.grid = place + off*2*(2*n-1)/(n*(n+1))
	b.mean += off * 6 / (n * (n + 1) * beats)
}

// stray takes a beat where none should be, which moves those after it, or does not. Single ones say little, and so do several in a row that
// a stall of a processor has made. Several that are alike mean that the rhythm is
// another now, or that it has been taken for a multiple of itself.
func (b *beat) stray(now Time, interval time.Duration) {
	b.count, b.strayed = max(b.count-unfitting, 0), true
	if (interval - b.other).Abs() > b.other/8 {
		b.alike = 0
	}
	b.other = interval
	if b.alike += 2; b.alike >= novel {
		b.restart(now, interval)
	}
}

func (b *beat) restart(now Time, interval time.Duration) {
	*b = beat{last: now, grid: now, mean: interval, pause: b.pause, number: 2, gaps: b.gaps, ended: b.ended}
	b.onGrid = spread{interval / 32, interval / 32}
	b.onLast = b.onGrid
	if interval < shortest {
		b.mean = 0
	}
}

// worked notes that the domain had work on the GPU, the first such after what is known: if some of
// the step was done before, there was a gap within it.
func (b *beat) worked(s Span) {
	if s.Start > b.ended && b.ended > b.last && !b.paused {
		b.paused = true
		b.gaps = min(b.gaps+2, memory)
	}
	b.ended = max(b.ended, s.End)
}

// stepEnded takes the length of the step that began with the last beat.
func (b *beat) stepEnded(disturbed bool) {
	b.paused = false
	if b.gaps > 0 {
		b.gaps--
	}
	length := b.ended - b.last
	if length <= 0 || disturbed {
		return
	}
	if b.usual == 0 {
		b.usual, b.step = length, spread{length / 8, length / 8}
		return
	}
	off := length - b.usual
	switch { // single ones say little; several mean that steps are others now
	case off > b.usual/4:
		b.others = max(b.others, 0) + 1
	case off < -b.usual/4:
		b.others = min(b.others, 0) - 1
	default:
		b.others = 0
	}
	if b.others == confident || b.others == -confident {
		b.usual, b.step, b.others = length, spread{length / 8, length / 8}, 0
		return
	}
	b.step.note(off)
	b.usual += min(max(off, -b.usual/4), b.usual/4) / 8
}

// next predicts when the domain comes next: between early and late. false: it
// does not come regularly.
func (b *beat) next(now Time) (early, late Time, ok bool) {
	if b.count < confident {
		return 0, 0, false
	}
	early, late, ok = b.after(now, b.grid, b.onGrid)
	e, l, fromLast := b.after(now, b.last, b.onLast)
	switch {
	case ok && fromLast && b.strayed: // either may hold
		return min(early, e), max(late, l), true
	case !ok || fromLast && b.onLast.early+b.onLast.late < b.onGrid.early+b.onGrid.late:
		return e, l, fromLast
	}
	return early, late, ok
}

// after predicts from a point in time on, and from how far off such predictions have been.
func (b *beat) after(now, from Time, off spread) (early, late Time, ok bool) {
	before := off.early + slack
	if before > b.mean/4 {
		return 0, 0, false
	}
	// Waiting for one that is late costs others little, and one that meets them
	// costs it much.
	after := max(4*off.late, min(b.mean/2, mostAwaited)) + slack
	beats := max((now-after-from)/b.mean+1, 1)
	at := from + beats*b.mean
	if beats > mostLeftOut {
		return 0, 0, false
	}
	return at - before, at + after, true
}

// within says when the step that began with the last beat will be done: earliest and
// latest. false: steps are not alike.
func (b *beat) within() (earliest, latest Time, ok bool) {
	if b.count < confident || b.usual == 0 || b.step.early > b.usual/2 {
		return 0, 0, false
	}
	return b.last + b.usual - b.step.early, b.last + b.usual + b.step.late + slack, true
}
