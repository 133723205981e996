package process

import (
	"libvirt-vgpu/mediatord/executor/driver"
	"libvirt-vgpu/mediatord/executor/wire"
	"libvirt-vgpu/plugin/window"
)

// fences are the fence words that the device has not reached yet, as far as
// known. They only decide whether faults must be looked for.
type fences struct {
	slots  [window.FenceCount]fence
	active []uint32
}

type fence struct {
	stream  driver.Stream
	context uint32
	value   uint32
	listed  bool
}

func (f *fences) add(slot, value uint32, s driver.Stream, context uint32) {
	e := &f.slots[slot]
	if !e.listed {
		f.active = append(f.active, slot)
	}
	*e = fence{stream: s, context: context, value: value, listed: true}
}

// sweep drops the fences that word says are reached; values count up.
func (f *fences) sweep(word func(slot uint32) uint32) {
	left := f.active[:0]
	for _, slot := range f.active {
		if int32(word(slot)-f.slots[slot].value) >= 0 {
			f.slots[slot].listed = false
			continue
		}
		left = append(left, slot)
	}
	f.active = left
}

// forget makes the fences of a stream that ends the default stream's, which
// notices faults of the context as well.
func (f *fences) forget(s driver.Stream) {
	for _, slot := range f.active {
		if f.slots[slot].stream == s {
			f.slots[slot].stream = 0
		}
	}
}

// end drops the fences of a context that ends.
func (f *fences) end(context uint32) {
	left := f.active[:0]
	for _, slot := range f.active {
		if f.slots[slot].context == context {
			f.slots[slot].listed = false
			continue
		}
		left = append(left, slot)
	}
	f.active = left
}

func (f *fences) clear() {
	for _, slot := range f.active {
		f.slots[slot].listed = false
	}
	f.active = f.active[:0]
}

// Fence implements wire.Handler.
func (p *Process) Fence(_ wire.Call, in wire.Fence) driver.Result {
	s, ok := p.stream(in.S)
	if !ok {
		return p.release(wire.OpFence, in.Slot, in.Value, driver.ErrorInvalidHandle)
	}
	return p.fence(wire.OpFence, s, in.Slot, in.Value)
}

// fence lets the device write a fence, or releases those who wait for it.
func (p *Process) fence(opcode uint16, s driver.Stream, slot, value uint32) driver.Result {
	r := p.writeFence(s, slot, value)
	if r != driver.Success {
		return p.release(opcode, slot, value, r)
	}
	return r
}

// release reports a failure and then writes the fence in the device's stead:
// whoever waits for it comes back and finds the failure.
func (p *Process) release(opcode uint16, slot, value uint32, r driver.Result) driver.Result {
	p.Channel.SetAsync(opcode, r)
	p.lost(r, opcode)
	if slot < window.FenceCount {
		p.Channel.SetFence(slot, value)
	}
	return r
}

// EventRecord implements wire.Handler.
func (p *Process) EventRecord(_ wire.Call, in wire.EventRecord) driver.Result {
	e, ok := p.tables.Get(driver.KindEvent, in.E)
	s, found := p.stream(in.S)
	r := driver.ErrorInvalidHandle
	if ok && found {
		r = p.Driver.EventRecord(driver.Event(e), s, in.Flags)
	}
	if in.Slot == 0 {
		return r
	}
	if r != driver.Success && !found {
		return p.release(wire.OpEventRecord, in.Slot, in.Value, r)
	}
	if r != driver.Success {
		p.Channel.SetAsync(wire.OpEventRecord, r)
	}
	// the fence stands for the stream's work too, whatever became of the event
	if fenced := p.fence(wire.OpEventRecord, s, in.Slot, in.Value); r == driver.Success {
		return fenced
	}
	return r
}

// writeFence refuses a capturing stream: the fence would become a node of the
// graph and nobody would ever see it.
func (p *Process) writeFence(s driver.Stream, slot, value uint32) driver.Result {
	if slot >= window.FenceCount {
		return p.violate("fence slot %d, there are %d", slot, window.FenceCount)
	}
	if p.Away() { // there is no work before it
		p.Channel.SetFence(slot, value)
		return driver.Success
	}
	if r := p.refuseCapture(s); r != driver.Success {
		return r
	}
	r := p.Driver.WriteFence(s, p.Channel.FenceAddress()+uint64(slot)*4, value)
	if r == driver.Success {
		p.fences.add(slot, value, s, p.current)
	}
	return r
}

// Notify implements wire.Handler.
func (p *Process) Notify(_ wire.Call, in wire.Notify) driver.Result {
	s, ok := p.stream(in.S)
	if !ok {
		return driver.ErrorInvalidHandle
	}
	if p.Away() {
		p.Channel.Interrupt()
		return driver.Success
	}
	if r := p.refuseCapture(s); r != driver.Success {
		return r
	}
	return p.Driver.Notify(s, p.Interrupt)
}

func (p *Process) stream(number uint32) (driver.Stream, bool) {
	native, ok := p.tables.Get(driver.KindStream, number)
	return driver.Stream(native), ok
}

// refuseCapture fails with ErrorCaptureUnsupported while s is being captured.
// The default stream never is.
func (p *Process) refuseCapture(s driver.Stream) driver.Result {
	if len(p.captures) == 0 || s == 0 {
		return driver.Success
	}
	status, r := p.Driver.Capturing(s)
	if r == driver.Success && status != 0 {
		return driver.ErrorCaptureUnsupported
	}
	return r
}

// Waiting implements channel.Executor.
func (p *Process) Waiting() bool {
	p.fences.sweep(p.Channel.Fence)
	return len(p.fences.active) > 0
}

// Poll implements channel.Executor: a kernel that faults reaches no fence, so
// somebody must ask. During a capture asking would break the capture.
func (p *Process) Poll() {
	if len(p.captures) > 0 || p.Away() {
		return
	}
	asked := map[driver.Stream]bool{}
	for _, slot := range p.fences.active {
		f := p.fences.slots[slot]
		if asked[f.stream] {
			continue
		}
		asked[f.stream] = true
		if f.context != p.current && p.enter(f.context) != driver.Success {
			continue
		}
		if r := p.Driver.StreamQuery(f.stream); r.Sticky() {
			p.lost(r, wire.OpFence)
			p.fences.clear()
			return
		}
	}
}
