// Package lease keeps an executor within its lease: it holds records back that
// would give the GPU more work than mediatord allows, learns how long work takes,
// and accounts for the time in which there was some.
//
// While the lease is unlimited it asks nothing and measures only when the guest
// process pauses. Otherwise the GPU writes marks behind the work of each stream,
// as it writes fences, into memory that no guest sees. Nothing is ever put into a
// stream that is being captured, and the order of records never changes: what
// waits is the ring.
//
// Everything here belongs to the consumer's thread.
package lease

import (
	"time"

	"libvirt-vgpu/mediatord/internal/lease"
)

// Stream is a stream of a context, both as the driver names them; the default
// stream of a context is 0.
type Stream struct {
	Context uint32
	Native  uint64
}

// Marker puts marks into streams.
type Marker interface {
	// Mark has the GPU store value in word of the marks once the work of the
	// stream is done. false: it will not.
	Mark(s Stream, word int, value uint32) bool
	// Reached reads a word of the marks.
	Reached(word int) uint32
}

// MarkWords is how many words a Marker has.
const MarkWords = 1024

const (
	// settled is how long the ring is empty before the end of the work is looked
	// for: under an unlimited lease, and under one.
	settled        = 20 * time.Microsecond
	settledLimited = 4 * time.Microsecond
	// linger is how long the ring is empty before others may have the turn: a
	// program that waits for each of its kernels comes back sooner.
	linger = 50 * time.Microsecond
	// grains is how many marks fall on a budget; finest is their least distance.
	grains = 4
	finest = 40 * time.Microsecond
	// coarsest is their greatest distance, so that durations are learnt.
	coarsest = time.Millisecond
	// near is how long before the end of something is expected it is looked for;
	// longest is the longest sleep.
	near    = 100 * time.Microsecond
	longest = 2 * time.Millisecond
	// stuckAfter is when work that was expected to be done is taken to wait for
	// something, perhaps for what the lease holds back; it does not count then.
	stuckAfter = 2 * time.Millisecond
	stuckTimes = 3
	// longestSurprise bounds how many times as long as expected is believed of such work.
	longestSurprise = 16
	// longestGroup bounds what is learnt from one mark.
	longestGroup = 64
)

// lane is what is known of one stream's work.
type lane struct {
	stream  Stream
	word    int
	value   uint32 // of the last mark
	open    segment
	pending []segment // marked, in order
	listed  bool      // is in Meter.busy
}

// segment is the work up to a mark.
type segment struct {
	value     uint32
	predicted time.Duration
	begin     time.Duration // when the first of it was submitted
	count     int
	keys      []uint64
	unknown   bool // its one key has no duration yet
	outside   bool // a wait for something else than the GPU
	stuck     bool
}

// Meter is the state of one executor.
type Meter struct {
	page   *lease.Page
	now    func() time.Duration // of the monotonic clock
	marker Marker

	lanes map[Stream]*lane
	busy  []*lane // those with work
	free  []int   // words
	last  *lane   // of the last submission

	durations durations
	flying    time.Duration // predicted, without what is stuck
	stuck     int           // segments
	since     time.Duration // when the GPU got work; 0: it has none
	submitted time.Duration // last submission or empty ring
	looked    time.Duration // last look at the marks
	finished  time.Duration // when something was last found done
	quiet     bool          // the ring is empty
	wanted    bool          // the ring has, or had a moment ago, work under a limited lease
	state     uint32
	held      bool // shown
	lost      bool
}

// New makes the meter of an executor; now reads the monotonic clock.
func New(page *lease.Page, marker Marker, now func() time.Duration) *Meter {
	m := &Meter{page: page, now: now, marker: marker, lanes: map[Stream]*lane{}}
	for word := MarkWords - 1; word >= 0; word-- {
		m.free = append(m.free, word)
	}
	return m
}

// Admit says whether a submission may be executed now.
func (m *Meter) Admit(s Submission) bool {
	if m.page.Unlimited() || m.lost {
		if m.state&lease.Waiting != 0 {
			m.set(false)
		}
		return true
	}
	if !m.wanted && m.since == 0 {
		m.page.SetArrived(m.now())
	}
	m.wanted, m.quiet = true, false
	now := m.Look()
	work, _ := m.durations.predict(s)
	terms := m.page.Terms()
	ok := terms.Admit(now, m.flying, work)
	if ok && len(m.free) == 0 && len(m.busy) > 0 {
		ok = false // more streams than marks: some must finish first
	}
	m.set(!ok)
	return ok
}

// set shows what the executor does.
func (m *Meter) set(waiting bool) {
	state := uint32(0)
	if m.wanted {
		state = lease.Active
	}
	if m.since != 0 {
		state = lease.Flying | lease.Active
	}
	if waiting {
		state |= lease.Waiting | lease.Active
	}
	m.state = state
	m.page.SetState(state)
}

// Submitted notes that a submission went to the GPU; context is the one it ran in
// and native its stream.
func (m *Meter) Submitted(s Submission, stream Stream) {
	m.quiet = false
	if m.lost {
		return
	}
	l := m.last
	if l == nil || l.stream != stream {
		l = m.lane(stream)
		m.last = l
	}
	if l == nil {
		return
	}
	if m.page.Unlimited() {
		if m.since == 0 {
			m.begin(m.now())
		}
		l.open.count++
		if !l.listed {
			m.list(l)
		}
		return
	}
	now := m.now()
	m.begin(now)
	m.page.CountSubmission()
	work, known := m.durations.predict(s)
	if l.open.count == 0 || l.open.begin == 0 {
		l.open.begin = now
	}
	l.open.count++
	l.open.predicted += work
	m.flying += work
	if s.Key != 0 {
		l.open.keys = append(l.open.keys, s.Key)
	}
	m.list(l)
	grain := min(max(m.page.Terms().Budget/grains, finest), coarsest)
	l.open.unknown = !known
	if !known || l.open.predicted >= grain || len(l.open.keys) >= longestGroup {
		m.mark(l)
	}
	m.show()
}

func (m *Meter) begin(now time.Duration) {
	if m.since != 0 {
		return
	}
	m.since, m.finished = now, now
	m.page.Begin(now)
	if !m.wanted {
		m.page.SetArrived(now)
	}
	m.set(false)
}

func (m *Meter) list(l *lane) {
	if !l.listed {
		l.listed = true
		m.busy = append(m.busy, l)
	}
}

// lane finds or makes the lane of a stream; nil: there is no mark left for it.
func (m *Meter) lane(s Stream) *lane {
	if l := m.lanes[s]; l != nil {
		return l
	}
	if len(m.free) == 0 {
		m.reclaim()
	}
	if len(m.free) == 0 {
		return nil
	}
	word := m.free[len(m.free)-1]
	m.free = m.free[:len(m.free)-1]
	l := &lane{stream: s, word: word, value: m.marker.Reached(word)}
	m.lanes[s] = l
	return l
}

// reclaim takes the words of streams without work.
func (m *Meter) reclaim() {
	for s, l := range m.lanes {
		if !l.listed {
			delete(m.lanes, s)
			m.free = append(m.free, l.word)
			if m.last == l {
				m.last = nil
			}
		}
	}
}

// mark ends a lane's open segment.
func (m *Meter) mark(l *lane) bool {
	l.value++
	if !m.marker.Mark(l.stream, l.word, l.value) {
		l.value--
		return false
	}
	if l.open.begin == 0 {
		l.open.begin = m.since
	}
	l.open.value = l.value
	l.pending = append(l.pending, l.open)
	l.open = segment{}
	return true
}

// markLate is mark some time after the submission. In a default stream that would
// make other streams wait for one another that have got work since.
func (m *Meter) markLate(l *lane) bool {
	return (l.stream.Native != 0 || l == m.last) && m.mark(l)
}

// Look finds out what is done and returns the time.
func (m *Meter) Look() time.Duration {
	now := m.now()
	if len(m.busy) == 0 {
		m.looked = now
		return now
	}
	precise := now-m.looked < 10*time.Microsecond
	progress := false
	left := m.busy[:0]
	for _, l := range m.busy {
		if len(l.pending) > 0 {
			reached := m.marker.Reached(l.word)
			for len(l.pending) > 0 && int32(reached-l.pending[0].value) >= 0 {
				m.done(&l.pending[0], now, precise)
				l.pending = l.pending[1:]
				progress = true
			}
			if len(l.pending) == 0 {
				l.pending = nil
			}
		}
		if len(l.pending) == 0 && l.open.count == 0 {
			l.listed = false
			if m.lanes[l.stream] != l { // the stream has ended
				m.free = append(m.free, l.word)
			}
			continue
		}
		left = append(left, l)
	}
	m.busy = left
	m.looked = now
	switch {
	case len(m.busy) == 0:
		m.end(now)
	case progress:
		m.show()
	default:
		m.overdue(now)
	}
	return now
}

// done takes one segment off and learns from it.
func (m *Meter) done(s *segment, now time.Duration, precise bool) {
	took := now - max(s.begin, m.finished)
	m.finished = now
	if s.stuck {
		m.stuck--
		// It waited for something, or is longer than it was taken for.
		m.durations.learn(s.keys, s.predicted, min(took, longestSurprise*max(s.predicted, Unknown)))
	} else {
		m.flying -= s.predicted
		// Seen late it may have been done long before: it took no longer than that, so
		// only less than expected is news, and what is not known yet.
		if precise || s.unknown || now-m.looked < took/4 || took < s.predicted {
			m.durations.learn(s.keys, s.predicted, took)
		}
	}
}

// overdue takes out of the account what seems to wait for something else.
func (m *Meter) overdue(now time.Duration) {
	if m.flying == 0 || now-m.finished < stuckAfter {
		return
	}
	for _, l := range m.busy {
		if len(l.pending) == 0 {
			continue
		}
		s := &l.pending[0]
		if late := now - max(s.begin, m.finished); !s.stuck && late > stuckAfter && late > stuckTimes*s.predicted {
			s.stuck = true
			m.stuck++
			m.flying -= s.predicted
		}
	}
	m.show()
}

func (m *Meter) show() {
	m.page.SetFlying(m.flying, m.finished)
	m.showHeld()
}

// end notes that the GPU has no work of ours.
func (m *Meter) end(now time.Duration) {
	if m.since == 0 {
		return
	}
	m.page.End(m.since, now)
	m.since, m.flying, m.stuck = 0, 0, 0
	m.page.SetFlying(0, 0)
	m.showHeld()
	m.set(m.state&lease.Waiting != 0)
}

// Quiet is called while the ring is empty: when it has been for a while, it
// marks what is on the GPU, to see the end of it.
func (m *Meter) Quiet() {
	if m.since == 0 && !m.wanted || m.lost {
		return
	}
	now := m.Look()
	if !m.quiet {
		m.quiet, m.submitted = true, now
		return
	}
	if m.wanted && now-m.submitted >= linger {
		m.wanted = false
		m.set(false)
	}
	after := settled
	if !m.page.Alone() {
		after = settledLimited
	}
	if now-m.submitted < after {
		return
	}
	for _, l := range m.busy {
		if l.open.count > 0 && !m.markLate(l) {
			m.dropOpen(l) // being captured, or gone: there is nothing to wait for
		}
	}
}

// Free says that the lease is unlimited, so that Admit need not be asked.
func (m *Meter) Free() bool { return m.page.Unlimited() && m.state&lease.Waiting == 0 }

// Busy says that Quiet is to be called again.
func (m *Meter) Busy() bool { return (m.since != 0 || m.wanted) && !m.lost }

// Due is after which time Quiet is to be called again; 0: not at all. Under a limited
// lease others wait for the end of the work, so it is not to be seen late.
func (m *Meter) Due() time.Duration {
	switch {
	case !m.Busy():
		return 0
	case m.page.Alone():
		return lease.Never
	}
	return min(max(m.pause(m.left(m.now())), settled), longest)
}

// pause is how long to wait before the next look at what should end after left.
// Half of it each time: what was taken to be far longer than it is must be seen to end
// long before it was expected, or it will always be taken for that. What is late
// is looked at less and less often.
func (m *Meter) pause(left time.Duration) time.Duration {
	if left > 2*near {
		return left / 2
	}
	return max(left-near, -left/8)
}

// Goes says that there is a last submission, of work that goes on.
func (m *Meter) Goes() bool { return m.last != nil && m.last.listed && m.since != 0 && !m.lost }

// Again is Submitted, count times, for the stream of the last submission while the
// lease is unlimited; false: it does not apply.
func (m *Meter) Again(count int) bool {
	if !m.Goes() {
		return false
	}
	m.quiet = false
	m.last.open.count += count
	return true
}

// Wait returns when it is worth asking Admit again, or somewhat earlier. It spins
// while the end of something is near.
func (m *Meter) Wait() {
	if m.page.Stale() {
		return
	}
	now := m.now()
	for _, l := range m.busy { // what holds the next one back must be seen to end
		if l.open.count > 0 && !m.markLate(l) {
			m.dropOpen(l)
		}
	}
	sleep := longest
	terms := m.page.Last() // those that said no
	if terms.Expiry > now {
		sleep = min(sleep, terms.Expiry-now)
	}
	if len(m.busy) > 0 {
		if left := m.left(now); left <= 2*near && left > -near {
			for end := now + 20*time.Microsecond; now < end; now = m.now() {
				if m.anyDone() || m.page.Stale() {
					return
				}
				m.looked = now
			}
			return
		} else {
			sleep = min(sleep, max(m.pause(left), 20*time.Microsecond))
		}
	} else if terms.ClearBy != lease.Never && terms.ClearBy > now {
		sleep = min(sleep, max(terms.ClearBy-now, near))
	}
	m.page.Sleep(sleep)
}

// left is the time until the next mark should be reached.
func (m *Meter) left(now time.Duration) time.Duration {
	next := lease.Never
	for _, l := range m.busy {
		if len(l.pending) > 0 && !l.pending[0].stuck {
			s := &l.pending[0]
			next = min(next, max(s.begin, m.finished)+s.predicted)
		}
	}
	if next == lease.Never {
		return -time.Millisecond
	}
	return next - now
}

func (m *Meter) anyDone() bool {
	for _, l := range m.busy {
		if len(l.pending) > 0 && int32(m.marker.Reached(l.word)-l.pending[0].value) >= 0 {
			return true
		}
	}
	return false
}

func (m *Meter) dropOpen(l *lane) {
	m.flying -= l.open.predicted
	l.open = segment{}
}

// drop forgets a lane's work: it will not be seen to end.
func (m *Meter) drop(l *lane) {
	m.flying -= l.open.predicted
	for i := range l.pending {
		if l.pending[i].stuck {
			m.stuck--
		} else {
			m.flying -= l.pending[i].predicted
		}
	}
	l.open, l.pending = segment{}, nil
}

// StreamEnds notes that a stream is about to be destroyed: its work goes on, and
// its name may be given to another.
func (m *Meter) StreamEnds(s Stream) {
	l := m.lanes[s]
	if l == nil {
		return
	}
	if l.open.count > 0 && !m.mark(l) {
		m.drop(l)
	}
	delete(m.lanes, s)
	if m.last == l {
		m.last = nil
	}
	// The word of one with work comes back with the end of that.
	if !l.listed {
		m.free = append(m.free, l.word)
	}
}

// ContextEnds notes that a context and the work in it are gone.
func (m *Meter) ContextEnds(context uint32) {
	left := m.busy[:0]
	for _, l := range m.busy {
		if l.stream.Context != context {
			left = append(left, l)
			continue
		}
		m.drop(l)
		l.listed = false
		if m.lanes[l.stream] != l {
			m.free = append(m.free, l.word)
		}
	}
	m.busy = left
	for s, l := range m.lanes {
		if s.Context == context {
			delete(m.lanes, s)
			m.free = append(m.free, l.word)
		}
	}
	m.last = nil
	if len(m.busy) == 0 {
		m.end(m.now())
	}
}

// Lost notes that the context is lost: the GPU does nothing for this process any
// more, and whatever it posts may be executed.
func (m *Meter) Lost() {
	if m.lost {
		return
	}
	m.lost = true
	m.busy, m.last, m.wanted = nil, nil, false
	m.end(m.now())
	m.set(false)
}

// Nudge ends a Wait that has begun. Any goroutine may call it.
func (m *Meter) Nudge() { m.page.Nudge() }
