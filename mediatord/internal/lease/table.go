package lease

import (
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"libvirt-vgpu/plugin/window"
)

// Table is mediatord's end: the pages of a domain's channels.
type Table struct {
	file   *os.File
	memory []byte
}

// Create makes the table of a domain. All leases are unlimited.
func Create(name string) (*Table, error) {
	if len(name) > 200 {
		name = name[:200]
	}
	fd, err := unix.MemfdCreate("vgpu-leases-"+name, unix.MFD_CLOEXEC|unix.MFD_ALLOW_SEALING)
	if err != nil {
		return nil, fmt.Errorf("creating leases: memfd_create: %w", err)
	}
	file := os.NewFile(uintptr(fd), "leases "+name)
	err = file.Truncate(tableSize)
	if err == nil {
		_, err = unix.FcntlInt(file.Fd(), unix.F_ADD_SEALS, unix.F_SEAL_GROW|unix.F_SEAL_SHRINK|unix.F_SEAL_SEAL)
	}
	var t *Table
	if err == nil {
		t, err = Map(file)
	}
	if err != nil {
		_ = file.Close()
		return nil, fmt.Errorf("creating leases: %w", err)
	}
	for channel := range window.MaxChannels {
		t.Clear(channel)
	}
	return t, nil
}

// Map maps a table that an earlier mediatord created. On success the Table owns
// file.
func Map(file *os.File) (*Table, error) {
	info, err := file.Stat()
	if err != nil {
		return nil, fmt.Errorf("mapping leases: %w", err)
	}
	if info.Size() != tableSize {
		return nil, fmt.Errorf("mapping leases: size is %d, should be %d", info.Size(), tableSize)
	}
	memory, err := unix.Mmap(int(file.Fd()), 0, tableSize, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		return nil, fmt.Errorf("mapping leases: %w", err)
	}
	return &Table{file: file, memory: memory}, nil
}

// File is the memfd; the table keeps owning it.
func (t *Table) File() *os.File { return t.file }

// Close unmaps the table and closes the memfd. No Holder of it may be used
// afterwards.
func (t *Table) Close() error {
	err := unix.Munmap(t.memory)
	if cerr := t.file.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		return fmt.Errorf("closing leases: %w", err)
	}
	return nil
}

// Clear makes a channel's page as new: its executor is gone, or none has been
// there. It panics beyond MaxChannels.
func (t *Table) Clear(channel int) {
	w := t.page(channel)
	clear(w)
	words(w).double(atBudget).Store(uint64(Unlimited))
	words(w).double(atClearBy).Store(uint64(Never))
	words(w).double(atExpiry).Store(uint64(Never))
}

// Free makes all leases unlimited: nobody schedules any more.
func (t *Table) Free() {
	for channel := range window.MaxChannels {
		h := t.Holder(channel, 0)
		h.Set(Terms{Budget: Unlimited, ClearBy: Never, Expiry: Never})
		h.Listen(false)
	}
}

func (t *Table) page(channel int) []byte {
	if channel < 0 || channel >= window.MaxChannels {
		panic(fmt.Errorf("%w: channel %d", window.ErrRange, channel))
	}
	return t.memory[channel*pageSize : (channel+1)*pageSize]
}

// Holder is the page of one executor as mediatord sees it.
type Holder struct {
	page  words
	terms Terms
	spans uint32        // stretches read
	used  uint64        // USED when it was last read
	until time.Duration // what is charged goes to here
}

// Holder begins to watch the executor of a channel. What it did before counts
// for nobody.
func (t *Table) Holder(channel int, now time.Duration) *Holder {
	h := &Holder{page: words(t.page(channel)), until: now}
	h.spans = h.page.word(atSpans).Load()
	h.used = h.page.double(atUsed).Load()
	h.terms = Terms{
		Budget: time.Duration(h.page.double(atBudget).Load()), ClearBy: time.Duration(h.page.double(atClearBy).Load()),
		Expiry: time.Duration(h.page.double(atExpiry).Load()),
		Coarse: time.Duration(h.page.double(atCoarse).Load()), Grace: time.Duration(h.page.double(atGrace).Load()),
		Ready: time.Duration(h.page.double(atReady).Load()),
		Slice: h.page.microseconds(atSlice),
	}
	if s := h.page.word(atSequence); s.Load()&1 != 0 { // a mediatord died in between
		s.Add(1)
	}
	return h
}

// Set gives the executor its terms, and wakes it if they differ from the last.
func (h *Holder) Set(t Terms) {
	if t == h.terms {
		return
	}
	// A later expiry alone is no news for who sleeps.
	news := t.Budget != h.terms.Budget || t.ClearBy != h.terms.ClearBy || t.Grace != h.terms.Grace
	h.terms = t
	sequence := h.page.word(atSequence)
	sequence.Add(1)
	h.page.double(atBudget).Store(uint64(t.Budget))
	h.page.double(atClearBy).Store(uint64(t.ClearBy))
	h.page.double(atExpiry).Store(uint64(t.Expiry))
	h.page.double(atCoarse).Store(uint64(t.Coarse))
	h.page.double(atGrace).Store(uint64(t.Grace))
	h.page.double(atReady).Store(uint64(t.Ready))
	h.page.word(atSlice).Store(uint32(t.Slice / time.Microsecond))
	sequence.Add(1)
	if news && h.page.word(atState).Load()&Waiting != 0 {
		futexWake(sequence)
	}
}

// Listen says whether the executor is to report changes of its state.
func (h *Holder) Listen(listen bool) {
	value := uint32(0)
	if listen {
		value = 1
	}
	if w := h.page.word(atListen); w.Load() != value {
		w.Store(value)
	}
}

// Tell asks the executor to report, once, when it does something after Idle, or takes
// that back.
func (h *Holder) Tell(tell bool) {
	value := uint32(0)
	if tell {
		value = 1
	}
	h.page.word(atTell).Store(value)
}

// Told says that the executor has reported since Tell.
func (h *Holder) Told() bool { return h.page.word(atTell).Load() == 0 }

// Idle says that the executor has nothing to do, nor has the GPU for it, and that it
// knows of Tell: one of an earlier version never says so.
func (h *Holder) Idle() bool {
	return h.page.word(atIdle).Load() == 1 && h.page.word(atState).Load() == 0
}

// State is what the executor says it does.
type State struct {
	Active, Waiting, Flying bool
	Arrived                 time.Duration // at most now
	InFlight                time.Duration // predicted
	Running                 time.Duration // since when what runs now could have run; 0: nothing runs
	Held                    bool          // what is next on a stream waits for something else than the GPU
}

// State reads the executor's words.
func (h *Holder) State(now time.Duration) State {
	bits := h.page.word(atState).Load()
	past := func(at int) time.Duration { return time.Duration(min(h.page.double(at).Load(), uint64(now))) }
	return State{
		Active: bits&Active != 0, Waiting: bits&Waiting != 0, Flying: bits&Flying != 0,
		Arrived: past(atArrived), Running: h.running(past), Held: h.page.word(atHeld).Load() != 0,
		InFlight: time.Duration(min(h.page.double(atFlying).Load(), uint64(time.Hour))),
	}
}

// running is when what runs now could begin: with the stretch that goes on, or
// when something was last seen to end.
func (h *Holder) running(past func(at int) time.Duration) time.Duration {
	since := past(atSince)
	if since == 0 {
		return 0
	}
	return max(since, past(atRunning), past(atMoved))
}

// Watch says whether kernels that do not end are looked for.
func (h *Holder) Watch(watch bool) {
	value := uint32(0)
	if watch {
		value = 1
	}
	h.page.word(atWatched).Store(value)
}

// Span is a stretch of time with work on the GPU.
type Span struct{ Start, End time.Duration }

// Busy is when the executor had work on the GPU since Busy was last asked. The
// stretches lie between that moment and now, in order and without overlaps,
// whatever the executor wrote.
func (h *Holder) Busy(now time.Duration) []Span {
	var spans []Span
	from := h.until
	add := func(start, end uint64) {
		s := Span{time.Duration(min(start, uint64(now))), time.Duration(min(end, uint64(now)))}
		s.Start = max(s.Start, h.until)
		if s.End > s.Start {
			spans = append(spans, s)
			h.until = s.End
		}
	}
	written, used := h.page.word(atSpans).Load(), h.page.double(atUsed).Load()
	if written-h.spans > spanCount/2 { // too many, or being overwritten: their sum will do
		length := min(used-h.used, uint64(now-from))
		add(uint64(now)-length, uint64(now))
	} else {
		for ; h.spans != written; h.spans++ {
			at := atFirstSpan + int(h.spans%spanCount)*16
			add(h.page.double(at).Load(), h.page.double(at+8).Load())
		}
	}
	h.spans, h.used = written, used
	if since := h.page.double(atSince).Load(); since != 0 {
		add(since, uint64(now))
	}
	h.until = now
	return spans
}

// Charge adds to the GPU time that the channel's page shows.
func (h *Holder) Charge(used time.Duration) { h.page.double(atCharged).Add(uint64(used)) }

// Charged is the GPU time charged to a channel since its page was cleared.
func (t *Table) Charged(channel int) time.Duration {
	return time.Duration(words(t.page(channel)).double(atCharged).Load())
}
