package window

import "fmt"

// Places of the statistics in the account: one entry per channel behind the shares.
const (
	accountStatistics = 65536
	statisticsEntry   = 256
)

// Statistics counts what one executor has done since its start. The executor
// writes its own channel's; whoever reads them believes nothing: an executor
// runs on a guest's orders.
type Statistics struct {
	Calls         uint64 // records executed
	Waits         uint64 // of them, those whose caller waited for the reply
	Launches      uint64 // kernels, those inside graphs not counted
	GraphLaunches uint64
	BytesIn       uint64 // copied to the device
	BytesOut      uint64 // copied from the device
	BytesWithin   uint64 // copied on the device, and filled
	GPUTime       uint64 // nanoseconds that the GPU worked for it; 0: not measured
}

// fields lists the counters in their order in memory, which is for ever.
func (s *Statistics) fields() [8]*uint64 {
	return [...]*uint64{&s.Calls, &s.Waits, &s.Launches, &s.GraphLaunches, &s.BytesIn, &s.BytesOut, &s.BytesWithin, &s.GPUTime}
}

// SetStatistics publishes what channel i's executor has counted. It panics
// beyond MaxChannels.
func (a *Account) SetStatistics(i int, s Statistics) {
	at := statisticsAt(i)
	for n, field := range s.fields() {
		a.double(at + uint64(n)*8).Store(*field)
	}
}

// Statistics reads what channel i's executor says that it has counted; the
// fields are not of one moment. It panics beyond MaxChannels.
func (a *Account) Statistics(i int) Statistics {
	var s Statistics
	at := statisticsAt(i)
	for n, field := range s.fields() {
		*field = a.double(at + uint64(n)*8).Load()
	}
	return s
}

func statisticsAt(i int) uint64 {
	if i < 0 || i >= MaxChannels {
		panic(fmt.Errorf("%w: channel %d", ErrRange, i))
	}
	return accountStatistics + uint64(i)*statisticsEntry
}

// Add sums field by field and stays at the largest number instead of wrapping.
func (s Statistics) Add(more Statistics) Statistics {
	others := more.fields()
	for n, field := range s.fields() {
		if *field += *others[n]; *field < *others[n] {
			*field = ^uint64(0)
		}
	}
	return s
}

// Since is what was counted after before; a field that went back counts as
// unchanged.
func (s Statistics) Since(before Statistics) Statistics {
	earlier := before.fields()
	for n, field := range s.fields() {
		*field -= min(*field, *earlier[n])
	}
	return s
}

// Queued is how many bytes of records wait in channel i's ring, as far as guest
// and executor can be believed: at most RingSize.
func (w *Window) Queued(i int) uint64 {
	at := w.ChannelOffset(i)
	head, tail := w.double(at+ChHead).Load(), w.double(at+ChTail).Load()
	if tail < head {
		return 0
	}
	return min(tail-head, RingSize)
}
