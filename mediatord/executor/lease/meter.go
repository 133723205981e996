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

const (
	// grains is how many marks fall on a budget; finest is their least distance.
	grains = 2
	finest = 40 * time.Microsecond
	// coarsest is their greatest distance, so that durations are learnt.
	coarsest = time.Millisecond
	// longestGroup bounds what is learnt from one mark.
	longestGroup = 64
)

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
	held      bool          // shown
	ready     time.Duration // the last Ready of the lease that was seen to
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
	m.page.CountSubmissions(1)
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
	l.open.unknown = !known
	if terms := m.page.Terms(); !known || l.full(terms) {
		m.mark(l)
	}
	m.show()
}

// grain is the length from which on a segment gets its mark.
func grain(terms lease.Terms) time.Duration { return min(max(terms.Budget/grains, finest), coarsest) }

// full says that a lane's open segment is to get its mark.
func (l *lane) full(terms lease.Terms) bool {
	return l.open.predicted >= grain(terms) || len(l.open.keys) >= longestGroup
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

// Free says that the lease is unlimited, so that Admit need not be asked.
func (m *Meter) Free() bool { return m.page.Unlimited() && m.state&lease.Waiting == 0 }

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
