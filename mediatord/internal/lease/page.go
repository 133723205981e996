package lease

import (
	"fmt"
	"os"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// Page is an executor's end of its lease. It belongs to the consumer's thread,
// Nudge excepted.
type Page struct {
	words  words
	report int // eventfd
	seen   uint32
	terms  Terms
	used   uint64
	spans  uint32
	state  uint32
}

// Open maps the page of a channel. report is the eventfd that mediatord reads; the
// caller keeps owning both.
func Open(leases *os.File, channel, report int) (*Page, error) {
	memory, err := unix.Mmap(int(leases.Fd()), int64(channel)*pageSize, pageSize, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		return nil, fmt.Errorf("mapping lease of channel %d: %w", channel, err)
	}
	p := &Page{words: words(memory), report: report, seen: 1} // no even sequence
	p.Terms()
	return p, nil
}

// Unlimited is the only look at the lease that an executor without neighbours
// takes: nothing has changed, and it may do what it likes.
func (p *Page) Unlimited() bool {
	return p.words.word(atSequence).Load() == p.seen && p.terms.Budget == Unlimited
}

// Alone says that nobody waits for the end of what the executor does.
func (p *Page) Alone() bool { return p.Terms().Budget >= Measured }

// Changes is a word that differs from seen once there may be other terms than
// Last, and lies outside Go's heap.
func (p *Page) Changes() (word *atomic.Uint32, seen uint32) { return p.words.word(atSequence), p.seen }

// Last is what Terms returned last; Stale says that it may return something else.
func (p *Page) Last() Terms { return p.terms }

// Stale says that mediatord has written since Terms was called, or is writing.
func (p *Page) Stale() bool { return p.words.word(atSequence).Load() != p.seen }

// Terms reads the lease. While mediatord writes it, or has died doing so, the
// last terms hold.
func (p *Page) Terms() Terms {
	sequence := p.words.word(atSequence)
	now := sequence.Load()
	if now == p.seen || now&1 != 0 {
		return p.terms
	}
	t := Terms{
		Budget: time.Duration(p.words.double(atBudget).Load()), ClearBy: time.Duration(p.words.double(atClearBy).Load()),
		Expiry: time.Duration(p.words.double(atExpiry).Load()),
		Coarse: time.Duration(p.words.double(atCoarse).Load()), Grace: time.Duration(p.words.double(atGrace).Load()),
		Ready: time.Duration(p.words.double(atReady).Load()),
		Slice: p.words.microseconds(atSlice),
	}
	if sequence.Load() == now {
		p.terms, p.seen = t, now
		p.words.word(atSeen).Store(now)
	}
	return p.terms
}

// Sleep returns when Stale, when Nudge was called, or after d.
func (p *Page) Sleep(d time.Duration) { futexWait(p.words.word(atSequence), p.seen, d) }

// Nudge ends a Sleep that has begun. Any goroutine may call it.
func (p *Page) Nudge() { futexWake(p.words.word(atSequence)) }

// SetState says what the executor does, and reports what changed if mediatord
// wants to know. That work has got onto the GPU is no news, nor that more waits, or no more,
// while there is some: who keeps its budget full would ring for each of its kernels.
func (p *Page) SetState(state uint32) {
	news := state ^ p.state
	if news == 0 {
		return
	}
	p.state = state
	p.words.word(atState).Store(state)
	if news&^(Flying|Waiting) == 0 && state&Flying != 0 || p.words.word(atListen).Load() == 0 {
		return
	}
	p.writeReport()
}

// Idle notes that the executor is about to sleep, because it has nothing to do.
func (p *Page) Idle() { p.words.word(atIdle).Store(1) }

// Awake notes that it does something again, and reports that if mediatord sleeps too.
// Both sides store, then load, so one at least notices the other.
func (p *Page) Awake() {
	p.words.word(atIdle).Store(0)
	if tell := p.words.word(atTell); tell.Load() != 0 && tell.Swap(0) != 0 {
		p.writeReport()
	}
}

// writeReport wakes who reads the eventfd; a full counter has been reported.
func (p *Page) writeReport() { _, _ = unix.Write(p.report, []byte{1, 0, 0, 0, 0, 0, 0, 0}) }

// SetArrived notes when there was something to do again.
func (p *Page) SetArrived(at time.Duration) { p.words.double(atArrived).Store(uint64(at)) }

// SetFlying notes what is predicted of the work on the GPU, and since when the
// first of it may run.
func (p *Page) SetFlying(predicted, since time.Duration) {
	p.words.double(atFlying).Store(uint64(max(predicted, 0)))
	p.words.double(atRunning).Store(uint64(since))
}

// Watched says that mediatord looks for kernels that do not end.
func (p *Page) Watched() bool { return p.words.word(atWatched).Load() != 0 }

// SetHeld notes whether what is next on a stream waits for something else than the
// GPU, such as the guest process.
func (p *Page) SetHeld(held bool) {
	value := uint32(0)
	if held {
		value = 1
	}
	p.words.word(atHeld).Store(value)
}

// Moved notes that the GPU has got on. Any goroutine may call it.
func (p *Page) Moved(now time.Duration) { p.words.double(atMoved).Store(uint64(now)) }

// FlyingAddress is where SetFlying notes what is predicted, for C.
func (p *Page) FlyingAddress() uintptr { return p.words.address(atFlying) }

// CountSubmissions counts.
func (p *Page) CountSubmissions(count uint64) { p.words.double(atSubmitted).Add(count) }

// Begin notes that work is on the GPU from now on.
func (p *Page) Begin(now time.Duration) { p.words.double(atSince).Store(uint64(now)) }

// End notes that the work that began at since is done.
func (p *Page) End(since, now time.Duration) {
	at := atFirstSpan + int(p.spans%spanCount)*16
	p.words.double(at).Store(uint64(since))
	p.words.double(at + 8).Store(uint64(now))
	p.spans++
	p.used += uint64(now - since)
	p.words.double(atUsed).Store(p.used)
	p.words.word(atSpans).Store(p.spans)
	p.words.double(atSince).Store(0)
}
