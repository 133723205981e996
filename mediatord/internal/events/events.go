// Package events is mediatord's memory of what happened: a bounded log of the
// lives of slots and executors and of the scheduler's decisions.
//
// Lock order: Log.mu is the only lock; nothing is called with it held.
package events

import (
	"maps"
	"slices"
	"sort"
	"sync"
	"time"
)

// Kind is what happened. The texts are part of the interface of vgpuctl and D-Bus.
type Kind string

// The kinds. A slot's events come in pairs, and so do an executor's: the second
// one ends what the first began, and so does the end of the slot.
const (
	SlotReserved Kind = "slot-reserved"
	SlotRefused  Kind = "slot-refused" // Text says why
	SlotReleased Kind = "slot-released"

	DomainStarted Kind = "domain-started"
	DomainStopped Kind = "domain-stopped"

	ExecutorStarted Kind = "executor-started"
	ExecutorReady   Kind = "executor-ready"
	ExecutorEnded   Kind = "executor-ended"
	// ChannelFailed: the guest process has no executor (any more); Result, Text.
	ChannelFailed Kind = "channel-failed"
	Fault         Kind = "fault" // a context is dead; Result, Text

	// The scheduler's. An executor may use the GPU from LeaseGranted to LeaseEnded, for what is
	// done within Span if there is one;
	// GPUUsed is a stretch, Time to Time + Span, in which it had work there.
	LeaseGranted   Kind = "lease-granted"
	LeaseEnded     Kind = "lease-ended"
	GPUUsed        Kind = "gpu-used"
	ProcessParked  Kind = "process-parked"
	ProcessResumed Kind = "process-resumed"
	WatchdogFired  Kind = "watchdog-fired"

	// XidReported: the driver reports an error of the GPU; Text says which. With a
	// Channel, the process there lost its context by it.
	XidReported Kind = "xid"
)

// Kinds lists every kind.
func Kinds() []Kind {
	return []Kind{
		SlotReserved, SlotRefused, SlotReleased, DomainStarted, DomainStopped,
		ExecutorStarted, ExecutorReady, ExecutorEnded, ChannelFailed, Fault,
		LeaseGranted, LeaseEnded, GPUUsed, ProcessParked, ProcessResumed, WatchdogFired, XidReported,
	}
}

// scheduling says that a kind comes so often that it would drive the others out.
func (k Kind) scheduling() bool { return k == LeaseGranted || k == LeaseEnded || k == GPUUsed }

// NoChannel is the Channel of events that are about a whole slot.
const NoChannel = -1

// Event is one thing that happened. What does not apply is zero.
type Event struct {
	Sequence   uint64 // from 1; given by the log
	Time       time.Time
	Kind       Kind
	Domain     string // name of the domain or session
	DomainUUID string
	Pool       string
	GPU        string // as the pool file names it
	Channel    int    // NoChannel: the whole slot
	Executor   int    // PID on the host
	Process    uint32 // PID in the guest
	Command    string // of the guest process, in the guest's own words
	Result     uint32 // CUresult
	Text       string
	Span       time.Duration // of GPUUsed and LeaseGranted
}

// How many events are kept: the newest of each sort.
const (
	keptLives     = 4096
	keptDecisions = 65536
	maxText       = 1024 // bytes of each text of an event
)

// Log is a bounded log. The zero value and a nil *Log take events and keep none;
// use New. Methods may be called from several goroutines.
type Log struct {
	now func() time.Time

	mu        sync.Mutex // guards the rest
	sequence  uint64
	lives     ring
	decisions ring
	counts    map[Kind]uint64
}

// New makes an empty log that reads the time from now.
func New(now func() time.Time) *Log {
	return &Log{now: now, lives: ring{limit: keptLives}, decisions: ring{limit: keptDecisions}, counts: map[Kind]uint64{}}
}

// Record adds an event. Time may be given; it is now otherwise.
func (l *Log) Record(e Event) {
	if l == nil || l.now == nil {
		return
	}
	if e.Time.IsZero() {
		e.Time = l.now()
	}
	for _, text := range []*string{&e.Domain, &e.Pool, &e.GPU, &e.Command, &e.Text} {
		*text = (*text)[:min(len(*text), maxText)]
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.sequence++
	e.Sequence = l.sequence
	l.counts[e.Kind]++
	if e.Kind.scheduling() {
		l.decisions.add(e)
	} else {
		l.lives.add(e)
	}
}

// Counts tells how many events of each kind there were, those dropped included.
func (l *Log) Counts() map[Kind]uint64 {
	if l == nil {
		return nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return maps.Clone(l.counts)
}

// Lives returns the events since a moment, those of the scheduler aside, the oldest
// first.
func (l *Log) Lives(since time.Time) []Event {
	if l == nil {
		return nil
	}
	l.mu.Lock()
	lives := l.lives.since(0, l.lives.limit)
	l.mu.Unlock()
	return slices.DeleteFunc(lives, func(e Event) bool { return e.Time.Before(since) })
}

// Since returns at most limit events that came after number sequence, the oldest
// first, in the order of their numbers. A gap between numbers is events that the
// log has dropped.
func (l *Log) Since(sequence uint64, limit int) []Event {
	if l == nil || limit <= 0 {
		return nil
	}
	l.mu.Lock()
	lives, decisions := l.lives.since(sequence, limit), l.decisions.since(sequence, limit)
	l.mu.Unlock()
	all := append(lives, decisions...)
	slices.SortFunc(all, func(a, b Event) int {
		if a.Sequence < b.Sequence {
			return -1
		}
		return 1 // numbers differ
	})
	return all[:min(limit, len(all))]
}

// ring keeps the last limit events; it grows as it is used.
type ring struct {
	limit int
	kept  []Event
	next  int // the oldest, once full
}

func (r *ring) add(e Event) {
	if len(r.kept) < r.limit {
		r.kept = append(r.kept, e)
		return
	}
	r.kept[r.next] = e
	r.next = (r.next + 1) % r.limit
}

// since copies at most limit events after a number, the oldest first.
func (r *ring) since(sequence uint64, limit int) []Event {
	at := func(i int) *Event { return &r.kept[(r.next+i)%len(r.kept)] }
	first := sort.Search(len(r.kept), func(i int) bool { return at(i).Sequence > sequence })
	var found []Event
	for i := first; i < len(r.kept) && len(found) < limit; i++ {
		found = append(found, *at(i))
	}
	return found
}
