package process

import (
	"sync/atomic"
	"time"

	"libvirt-vgpu/mediatord/executor/channel"
	"libvirt-vgpu/mediatord/executor/driver"
	"libvirt-vgpu/mediatord/executor/handle"
	"libvirt-vgpu/mediatord/executor/lease"
	"libvirt-vgpu/mediatord/executor/wire"
)

var _ channel.Burster = (*Process)(nil)

// Bursts implements channel.Burster: launches and fences are plain while nothing
// is captured, nothing is parked and the lease is unlimited or can be lent; copies
// between device and pinned memory while it is unlimited.
func (p *Process) Bursts(opcode uint16) bool {
	copies := false
	switch opcode {
	case wire.OpCopyHtoD, wire.OpCopyDtoH:
		copies = true
	case wire.OpLaunch, wire.OpLaunchKernel, wire.OpFence, 0:
	default:
		return false
	}
	if p.burster == nil || len(p.captures) != 0 || p.Parked() || p.Away() {
		return false
	}
	m := p.turn.meter
	return m == nil || m.Free() || !copies && !p.turn.lost.Load() && m.Lends()
}

// Burst implements channel.Burster.
func (p *Process) Burst(b *driver.Burst, woken *atomic.Uint32, spin time.Duration) {
	b.Spin, b.Context, b.Stream, b.AnyStream = uint64(spin), p.current, driver.NoStream, 0
	b.Launch, b.LaunchKernel, b.Fence = wire.OpLaunch, wire.OpLaunchKernel, wire.OpFence
	b.CopyIn, b.CopyOut = wire.OpCopyHtoD, wire.OpCopyDtoH
	b.EntrySize, b.EntryUsed, b.EntryParameters = uint32(handle.EntrySize), uint32(handle.EntryUsed), uint32(handle.EntryParameters)
	h := &p.handles
	h.Functions, h.FunctionCount = p.tables.View(driver.KindFunction)
	h.Kernels, h.KernelCount = p.tables.View(driver.KindKernel)
	h.Streams, h.StreamCount = p.tables.View(driver.KindStream)
	h.Host = p.Pinned.Extents()
	var changes *atomic.Uint32
	var metered *driver.Metered
	m, t := p.turn.meter, &p.turn
	switch {
	case m == nil:
		b.AnyStream = 1
	case !m.Free():
		metered = &p.metered
		metered.Clock = p.Clock.Address()
		h.Durations = m.Lend(metered, p.current, uintptr(t.marks.address()))
	case t.known && t.context == p.current && m.Goes():
		b.Stream = t.stream
	}
	if m != nil {
		changes, b.Seen = p.Lease.Changes()
	}
	p.burster.Burst(b, h, metered, woken, changes)
	p.took(b, metered)
}

// took notes what a burst has done.
func (p *Process) took(b *driver.Burst, metered *driver.Metered) {
	for _, f := range b.Written[:b.Fenced] {
		p.fences.add(f.Slot, f.Value, f.Stream, p.current)
	}
	p.statistics.burst(b)
	switch {
	case metered != nil:
		if b.Launches > 0 {
			p.turn.stream, p.turn.context, p.turn.known = b.Noted, p.current, true
		}
		p.turn.meter.TakeBack(metered, b.Stop == driver.BurstMark)
	case p.turn.meter == nil:
	case b.Stop == driver.BurstNote && b.Submitted > 1:
		p.turn.meter.Again(int(b.Submitted) - 1)
	case b.Stop != driver.BurstNote && b.Submitted > 0:
		p.turn.meter.Again(int(b.Submitted))
	}
	switch b.Stop {
	case driver.BurstNote:
		s := lease.Submission{Key: b.NotedKey, Stream: b.Noted}
		if s.Key == 0 {
			s = lease.HostCopy(b.NotedSize, b.Noted)
		}
		p.noteStream(s)
	case driver.BurstFailed:
		opcode := uint16(b.Failed)
		if opcode == wire.OpFence {
			f := b.Written[b.Fenced]
			p.release(opcode, f.Slot, f.Value, b.Result)
			return
		}
		p.Channel.SetAsync(opcode, b.Result)
		p.lost(b.Result, opcode)
	}
}
