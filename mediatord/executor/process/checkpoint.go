package process

import (
	"encoding/binary"
	"fmt"
	"sync/atomic"
	"time"

	"libvirt-vgpu/mediatord/executor/channel"
	"libvirt-vgpu/mediatord/executor/driver"
	"libvirt-vgpu/mediatord/executor/wire"
)

// checkpoint is the second stage of parking: contexts, code and whatever else the
// driver keeps on the GPU lie in this process's memory too. Until all of it is back
// nothing may call the driver, on any thread: it would block.
type checkpoint struct {
	driver driver.Checkpointer // nil: the driver is none
	away   atomic.Bool
	host   atomic.Uint64 // bytes that the domain's account has for what is away
	unable string        // why the driver did not; it is not asked again
	held   int           // times in a row that it did not then, but may later
	way    wayBack       // since they left
}

// mostHeld is how often in a row a driver may say that it cannot now: it may take five seconds
// for that, in which the process waits.
const mostHeld = 3

// mayLater says that a driver that did not take the contexts may do so another time: it found
// work, or no memory of the host's.
func (c *checkpoint) mayLater(r driver.Result, intact bool) bool {
	if !intact || r != driver.ErrorNotReady && r != driver.ErrorOutOfMemory {
		return false
	}
	c.held++
	return c.held < mostHeld
}

// Away says that the contexts are not on the GPU.
func (p *Process) Away() bool { return p.checkpoint.away.Load() }

// leave parks the whole process, memory first, in at most limit bytes of host memory.
// It returns why it has not, and whether there is no use in asking again.
func (p *Process) leave(limit uint64) (why string, never bool) {
	c := &p.checkpoint
	switch {
	case p.Away():
		return "", false
	case c.driver == nil:
		c.unable = "its driver cannot take contexts off the GPU"
	}
	if c.unable != "" {
		return c.unable, true
	}
	if why := p.busy(); why != "" {
		return why, false
	}
	if p.sharesMemory() {
		return "it shares memory with other processes", false
	}
	if _, size := p.movable(limit); size > 0 && !p.Parked() {
		if why := p.park(limit); why != "" {
			return why, false
		}
	}
	p.trimPools()
	used := p.Account.Used(p.Number)
	left := used - min(used, p.parking.bytes.Load())
	if held := p.parking.host.Load(); held > limit || left > limit-held {
		return fmt.Sprintf("it needs %d bytes of host memory for its context, and may have %d", left, limit-min(limit, held)), false
	}
	if !p.Channel.Empty() {
		return "it has work", false
	}
	began := time.Now()
	r, intact := c.driver.Checkpoint()
	if r != driver.Success {
		why := fmt.Sprintf("the driver does not take its context off the GPU: error %d", r)
		if c.mayLater(r, intact) {
			return why, false
		}
		c.unable = why
		p.Log.Warnf("parking: %s", c.unable)
		if !intact {
			p.violation = fmt.Errorf("contexts are lost: taking them off the GPU failed with error %d", r)
		}
		return c.unable, true
	}
	c.host.Store(left)
	c.way, c.held = wayBack{}, 0
	c.away.Store(true)
	p.Log.Debugf("parking: context taken off the GPU in %v, %d bytes", time.Since(began), left)
	return "", false
}

// sharesMemory says that memory of this process is another's too: no driver takes that
// off the GPU.
func (p *Process) sharesMemory() bool {
	for _, block := range p.memory.blocks {
		if block.share != unshared {
			return true
		}
	}
	for _, a := range p.memory.allocations {
		if a.share != unshared {
			return true
		}
	}
	for _, mapping := range p.memory.mappings {
		if mapping.of.share != unshared {
			return true
		}
	}
	return false
}

// restore brings the contexts back; device memory that is parked stays so. After
// CUDA_ERROR_OUT_OF_MEMORY they are still away, and a later record tries again. After
// another error they are lost, and so is the process.
func (p *Process) restore() driver.Result {
	switch {
	case !p.Away():
		return driver.Success
	case p.violation != nil:
		return driver.ErrorUnknown // they are lost
	}
	c := &p.checkpoint
	began := time.Now()
	if r := p.patiently(c.host.Load(), p.comeBack); r != driver.Success {
		return r
	}
	c.away.Store(false)
	c.host.Store(0)
	took := time.Since(began)
	p.endings.catchUp()
	r := p.rejoin()
	if p.parking.buffer != nil && !p.Parked() { // the process has freed all of it meanwhile
		p.unparked()
	}
	p.Log.Debugf("parking: context came back in %v, %v to look after what is registered", took, time.Since(began)-took)
	p.tellParking("", false)
	return r
}

// rejoin makes sure that this thread and the device know what they knew before.
// Registering once more what still is registered does nothing.
func (p *Process) rejoin() driver.Result {
	if r := p.enterRegistrar(); r != driver.Success || p.registrar == 0 {
		return r
	}
	r := driver.Success
	again := func(address, size uint64) {
		if r == driver.Success {
			r = p.hostRegister(address, size)
		}
	}
	again(p.Channel.FenceAddress(), channel.FenceBytes)
	if p.turn.marks != nil {
		again(p.turn.marks.address(), uint64(len(p.turn.marks)))
	}
	for _, m := range p.Pinned.All() {
		if m.Registered {
			again(m.VA, m.Size)
		}
	}
	for _, pin := range p.pins {
		if pin.registered {
			again(pin.va, pin.size)
		}
	}
	if p.parking.buffer != nil {
		for i := range p.parking.buffer.Pieces() {
			again(p.parking.buffer.Extent(i))
		}
	}
	if r != driver.Success {
		p.violation = fmt.Errorf("contexts are lost: host memory is not registered as it was: error %d", r)
	}
	return r
}

// cannotReturn answers a record of a process whose contexts found no room. Who waits
// for the fence of one comes back and finds the failure.
func (p *Process) cannotReturn(r *channel.Record, result driver.Result) {
	const slotAt, valueAt, size = 12, 16, 20 // event_record
	if r.Opcode != wire.OpEventRecord || len(r.Payload) < size {
		return
	}
	slot, value := binary.LittleEndian.Uint32(r.Payload[slotAt:]), binary.LittleEndian.Uint32(r.Payload[valueAt:])
	if slot != 0 {
		p.release(r.Opcode, slot, value, result)
	}
}
