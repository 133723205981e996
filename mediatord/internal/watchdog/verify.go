package watchdog

import "time"

// How long the driver may take to give back what a process held, and how often it
// is asked.
const (
	backWithin = 10 * time.Second
	askEvery   = 50 * time.Millisecond
)

// verify asks the driver until it knows nothing more of a process, and says how
// that went. It is about a process that is gone: its number may be another's soon,
// but not the GPU's.
func (w *Watchdog) verify(pid int, h held) {
	log := w.Log.WithField("executor", pid)
	if w.GPU == nil {
		return // its memory was the process's own
	}
	if !h.known {
		log.Warn("the driver did not list the executor that was ended; whether its memory is back cannot be told")
		return
	}
	log = log.WithField("bytes", h.bytes)
	began := time.Now()
	for {
		bytes, listed, err := w.GPU.ProcessMemory(w.PCI, pid)
		took := time.Since(began)
		switch {
		case err != nil:
			log.WithError(err).Warn("whether the memory of an executor that was ended is back cannot be told")
			return
		case !listed:
			log.WithField("milliseconds", took.Milliseconds()).Info("the GPU memory of an executor that was ended is back")
			return
		case took > backWithin:
			log.WithField("held", bytes).Errorf("an executor that was ended still holds GPU memory after %v: the GPU may need a reset", backWithin)
			return
		}
		time.Sleep(askEvery)
	}
}
