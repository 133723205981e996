package process

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/sirupsen/logrus"

	"libvirt-vgpu/mediatord/executor/driver"
)

// gpuSlice keeps the hardware's time slice as the lease says. The driver is asked on a goroutine of
// its own: nothing waits for it.
type gpuSlice struct {
	driver driver.Slicer // nil: the driver is none
	log    logrus.FieldLogger
	seen   time.Duration // what the lease said last; the consumer's
	wanted atomic.Int64

	mu      sync.Mutex // guards the rest, held over calls of the driver
	set     time.Duration
	refused bool // and said so
}

// follow looks at the lease. The consumer calls it when there may be other terms, before work
// and beside an empty ring.
func (p *Process) follow() {
	s := &p.slice
	wanted := p.Lease.Terms().Slice
	if wanted == s.seen || s.driver == nil {
		return
	}
	s.seen = wanted
	s.wanted.Store(int64(wanted))
	go s.apply()
}

// apply asks the driver for what is wanted now.
func (s *gpuSlice) apply() {
	s.mu.Lock()
	defer s.mu.Unlock()
	wanted := time.Duration(s.wanted.Load())
	if wanted == s.set {
		return
	}
	s.set = wanted
	began := time.Now()
	queues, err := s.driver.SetSlice(wanted)
	s.log.Debugf("time slice of %v (0: the driver's own) for %d queues, in %v", wanted, queues, time.Since(began))
	if err != nil && !s.refused {
		s.refused = true
		s.log.WithError(err).Warnf("the hardware's time slice cannot be made %v: work of higher classes waits for longer", wanted)
	}
}
