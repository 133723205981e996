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
// is captured, nothing is parked and the lease is unlimited or can be lent.
func (p *Process) Bursts(opcode uint16) bool {
	switch opcode {
	case wire.OpLaunch, wire.OpLaunchKernel, wire.OpFence, 0:
		if p.burster == nil || len(p.captures) != 0 || p.Parked() || p.Away() {
			return false
		}
		m := p.turn.meter
		return m == nil || m.Free() || !p.turn.lost.Load() && m.Lends()
	}
	return false
}

// Burst implements channel.Burster.
func (p *Process) Burst(b *driver.Burst, woken *atomic.Uint32, spin time.Duration) {
	b.Spin, b.Context, b.Stream, b.AnyStream = uint64(spin), p.current, driver.NoStream, 0
	b.Launch, b.LaunchKernel, b.Fence = wire.OpLaunch, wire.OpLaunchKernel, wire.OpFence
	b.EntrySize, b.EntryUsed, b.EntryParameters = uint32(handle.EntrySize), uint32(handle.EntryUsed), uint32(handle.EntryParameters)
	h := &p.handles
	h.Functions, h.FunctionCount = p.tables.View(driver.KindFunction)
	h.Kernels, h.KernelCount = p.tables.View(driver.KindKernel)
	h.Streams, h.StreamCount = p.tables.View(driver.KindStream)
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
	case b.Stop == driver.BurstNote && b.Launches > 1:
		p.turn.meter.Again(int(b.Launches) - 1)
	case b.Stop != driver.BurstNote && b.Launches > 0:
		p.turn.meter.Again(int(b.Launches))
	}
	switch b.Stop {
	case driver.BurstNote:
		p.noteStream(lease.Submission{Key: b.NotedKey, Stream: b.Noted})
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
