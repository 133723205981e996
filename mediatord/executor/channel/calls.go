package channel

import (
	"sync"
	"sync/atomic"
	"time"

	"libvirt-vgpu/mediatord/executor/driver"
	"libvirt-vgpu/plugin/window"
)

// How a stream waits for a function of the process: it looks for callSpin, then
// sleeps an eighth of the time it has waited, within these bounds.
const (
	callSpin     = 30 * time.Microsecond
	callSleep    = 20 * time.Microsecond
	callLongest  = 500 * time.Microsecond
	callFraction = 8
)

// calls announces functions that the process is to run, one at a time.
type calls struct {
	mu       sync.Mutex
	count    uint32
	called   *atomic.Uint32
	number   *atomic.Uint32
	status   *atomic.Uint32
	returned *atomic.Uint32
}

func (c *calls) open(channel *Channel) {
	c.called = channel.word32(window.ChCalled)
	c.number = channel.word32(window.ChCall)
	c.status = channel.word32(window.ChCallStatus)
	c.returned = channel.word32(window.ChReturned)
}

// Call has the process run one of its functions and returns when it says that the
// function has returned; that may be never, and then only this process suffers.
// It may be called on any thread beside the consumer, never on the consumer's:
// callers take turns.
func (c *Channel) Call(number uint32, status driver.Result) {
	c.calls.mu.Lock()
	defer c.calls.mu.Unlock()
	c.calls.count++
	c.calls.number.Store(number)
	c.calls.status.Store(uint32(status))
	c.calls.called.Store(c.calls.count)
	c.Interrupt()
	for start := time.Now(); c.calls.returned.Load() != c.calls.count; {
		if waited := time.Since(start); waited > callSpin {
			time.Sleep(min(max(waited/callFraction, callSleep), callLongest))
		}
	}
}
