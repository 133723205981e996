// Package watchdog finds executors whose kernel or graph runs longer than their
// pool allows, and makes sure that what they held on the GPU comes back.
//
// A Watchdog belongs to the reconcile loop of one domain; only what Ended starts
// runs beside it.
package watchdog

import (
	"time"

	"github.com/sirupsen/logrus"
)

// Work is what the executors of a domain have on their GPU: arbiter.Domain.
type Work interface {
	// Stalled is how much GPU time a channel's executor was charged since anything of
	// its work has ended; held: some of that work waits for something else than the
	// GPU, or may.
	Stalled(channel int) (spent time.Duration, held bool)
	// Halt takes the executor's lease for good.
	Halt(channel int)
}

// GPU is what a GPU's driver knows of the host's processes: gpu.NVML.
type GPU interface {
	// ProcessMemory is how many bytes of device memory a process holds; listed: the
	// driver knows it.
	ProcessMemory(pci string, pid int) (bytes uint64, listed bool, err error)
	// ProcessComputed says whether kernels of a process ran within a time before now.
	ProcessComputed(pci string, pid int, within time.Duration) (bool, error)
}

// Verdict is what there is to do about an executor.
type Verdict int

// The verdicts.
const (
	Fine    Verdict = iota
	Suspect         // ask it to look at its marks, and ask here again soon
	Overdue         // end it
)

// Config is what a Watchdog works with.
type Config struct {
	Limit time.Duration // the longest that a kernel or graph may run
	Work  Work
	GPU   GPU    // nil for the GPU in software
	PCI   string // of the GPU
	Log   logrus.FieldLogger
}

// Watchdog watches the executors of one domain.
type Watchdog struct {
	Config
	suspected map[int]bool // by channel
	fired     map[int]held // by the executor's process
	verifying func(pid int, h held)
}

type held struct {
	bytes uint64
	known bool
}

// New makes a watchdog that has seen nothing yet.
func New(c Config) *Watchdog {
	w := &Watchdog{Config: c, suspected: map[int]bool{}, fired: map[int]held{}}
	w.verifying = func(pid int, h held) { go w.verify(pid, h) }
	return w
}

// How long before the limit an executor is asked to look at its marks, as a part of
// the limit, and how far back the driver is asked whether a process computes.
const (
	suspectAfter = 4
	computedIn   = 3 * time.Second
)

// Look judges the executor of a channel. Overdue never comes first: the executor
// had a chance to see its work get on.
func (w *Watchdog) Look(channel, pid int) Verdict {
	spent, held := w.Work.Stalled(channel)
	if spent < w.Limit/suspectAfter {
		delete(w.suspected, channel)
		return Fine
	}
	again := w.suspected[channel]
	w.suspected[channel] = true
	if spent < w.Limit || !again || held && !w.computes(pid) {
		return Suspect
	}
	return Overdue
}

// computes says whether a process that waits for something else than the GPU has a
// kernel there all the same. Who cannot tell has no reason to end it.
func (w *Watchdog) computes(pid int) bool {
	if w.GPU == nil {
		return false
	}
	yes, err := w.GPU.ProcessComputed(w.PCI, pid, computedIn)
	if err != nil {
		w.Log.WithError(err).WithField("executor", pid).Debug("the driver does not tell who computes")
	}
	return yes && err == nil
}

// Fire stops the feeding of an executor that is about to be ended.
func (w *Watchdog) Fire(channel, pid int) {
	w.Work.Halt(channel)
	delete(w.suspected, channel)
	h := held{}
	if w.GPU != nil {
		var err error
		if h.bytes, h.known, err = w.GPU.ProcessMemory(w.PCI, pid); err != nil {
			w.Log.WithError(err).Debug("the driver does not tell what its processes hold")
		}
	}
	w.fired[pid] = h
}

// Ended makes sure that an executor that was fired at has left the GPU; it is reaped.
func (w *Watchdog) Ended(channel, pid int) {
	delete(w.suspected, channel)
	h, fired := w.fired[pid]
	if !fired {
		return
	}
	delete(w.fired, pid)
	w.verifying(pid, h)
}
