package process

import (
	"fmt"
	"time"

	"libvirt-vgpu/mediatord/executor/driver"
)

// How long a process waits for room to wake, since on its own GPU no launch would
// fail for want of it; how often it tries; and how long after a wait in vain it does
// not wait again, so that a program which goes on all the same is told quickly.
const (
	wakeWithin  = 20 * time.Second
	wakeAgain   = 100 * time.Millisecond
	impatiently = time.Minute
)

// patience is how a process waits for room to wake.
type patience struct {
	within time.Duration
	tried  time.Time // when it last found no room
	waited time.Time // when it last waited in vain
}

// wake brings device memory back. After an error the process is still parked, and
// a later record tries again. CUDA_ERROR_OUT_OF_MEMORY: nobody made room in time.
func (p *Process) wake() driver.Result {
	if r := p.restore(); r != driver.Success || !p.Parked() {
		return r
	}
	began := time.Now()
	giveUp, r := p.borrow()
	if r != driver.Success {
		return r
	}
	defer giveUp()
	list, size := p.parking.moved, p.parking.bytes.Load()
	waking := func() driver.Result { return p.inRoom(size, func() driver.Result { return p.bringIn(list) }) }
	if r := p.patiently(size, waking); r != driver.Success {
		return r
	}
	mapped := time.Now()
	r = p.copyIn(list)
	if r != driver.Success && !r.Sticky() && p.violation == nil { // the bytes are safe in the buffer still
		return p.takeOutAgain(list, r)
	}
	copied := time.Now()
	p.unparked()
	p.Log.Debugf("parking: %d bytes woke: %v to have memory, %v to copy, %v to unlock pages", size, mapped.Sub(began), copied.Sub(mapped), time.Since(copied))
	p.tellParking("", false)
	return r
}

// patiently tries what takes size bytes of the GPU's memory until there is room, within
// its patience.
func (p *Process) patiently(size uint64, try func() driver.Result) driver.Result {
	began := time.Now()
	wait := &p.parking.patience
	if began.Sub(wait.tried) < wakeAgain {
		return driver.ErrorOutOfMemory
	}
	deadline := began
	if began.Sub(wait.waited) >= impatiently {
		deadline = began.Add(wait.within)
	}
	for {
		r := try()
		if r != driver.ErrorOutOfMemory || p.violation != nil {
			return r
		}
		now := time.Now()
		if !now.Before(deadline) {
			wait.tried = now
			if deadline != began {
				wait.waited = now
				p.Log.Warnf("parking: no room on the GPU for %d bytes within %v", size, now.Sub(began))
			}
			return r
		}
		time.Sleep(wakeAgain)
	}
}

// bringIn makes memory at the addresses that were left; all of it or nothing.
func (p *Process) bringIn(list []*moved) driver.Result {
	for i, m := range list {
		r := p.putBack(m)
		if r == driver.Success {
			continue
		}
		for _, m := range list[:i] {
			if again := p.takeOut(m); again != driver.Success {
				p.violation = fmt.Errorf("memory of a parked process is half back: errors %d and %d", r, again)
			}
		}
		return r
	}
	return driver.Success
}

// takeOutAgain parks what was brought in and could not be filled, because of r.
func (p *Process) takeOutAgain(list []*moved, r driver.Result) driver.Result {
	waited := p.Driver.StreamSynchronize(0) // some of it may be on its way
	for _, m := range list {
		if again := p.takeOut(m); again != driver.Success && p.violation == nil {
			p.violation = fmt.Errorf("memory of a parked process is half back: errors %d, %d and %d", r, waited, again)
		}
	}
	p.Log.WithField("result", r).Warn("parking: copying memory back to the GPU failed; it is tried again")
	return r
}

// copyIn fills memory from the buffer and then gives it the access it had. After an error
// that is not sticky all of it is there, and may be filled again.
func (p *Process) copyIn(list []*moved) driver.Result {
	for _, m := range list {
		for _, run := range p.parking.buffer.Runs(m.va, m.size, m.offset) {
			if r := p.Driver.CopyHtoD(run.At, run.Host, run.Size, 0); r != driver.Success {
				return r
			}
		}
	}
	if r := p.Driver.StreamSynchronize(0); r != driver.Success {
		return r
	}
	for _, m := range list {
		r := p.accessible(m, false)
		if r == driver.Success {
			r = p.unmapGone(m)
		}
		if r != driver.Success {
			p.violation = fmt.Errorf("memory of a parked process is not mapped as it was: error %d", r)
			return r
		}
	}
	return driver.Success
}
