package process

import (
	"encoding/binary"

	"libvirt-vgpu/mediatord/executor/channel"
	"libvirt-vgpu/mediatord/executor/driver"
	"libvirt-vgpu/mediatord/executor/lease"
)

// What a process under a watchdog does so that mediatord can tell a kernel that
// does not end from a stream that waits for the guest.

// contextOfRecord is the context that a record runs in.
func (p *Process) contextOfRecord(r *channel.Record) uint32 {
	if r.Call.Context != 0 {
		return r.Call.Context
	}
	return p.current
}

// waiting is the stream that a record which waits names; false: none, or one that
// is being captured.
func (p *Process) waiting(r *channel.Record) (lease.Stream, bool) {
	if len(r.Payload) < 4 {
		return lease.Stream{}, false
	}
	native, ok := p.stream(binary.LittleEndian.Uint32(r.Payload))
	if !ok {
		return lease.Stream{}, false
	}
	if p.refuseCapture(native) != driver.Success {
		return lease.Stream{}, false
	}
	return lease.Stream{Context: p.contextOfRecord(r), Native: uint64(native)}, true
}

func (p *Process) beforeWait(r *channel.Record) {
	if s, ok := p.waiting(r); ok {
		p.turn.meter.Outside(s)
	}
}

func (p *Process) afterWait(r *channel.Record) {
	s, ok := p.waiting(r)
	if !ok { // captured: graphs will wait
		p.turn.waitsInGraphs = true
		return
	}
	if p.turn.meter.Watched() {
		p.turn.meter.WaitsOutside(s)
	}
}

// Look tells mediatord whether the GPU has got on since it was asked last. The
// consumer may be held up in the driver meanwhile, so this looks at nothing of the
// consumer's. Only the reader of the control socket calls it.
func (p *Process) Look() {
	if p.turn.marks == nil || p.Lease == nil {
		return
	}
	moved := p.turn.seen == nil
	if moved {
		p.turn.seen = make([]uint32, lease.MarkWords)
	}
	for i := range p.turn.seen {
		if now := p.turn.marks.word(i).Load(); now != p.turn.seen[i] {
			p.turn.seen[i], moved = now, true
		}
	}
	if moved {
		p.Lease.Moved(p.Clock.Now())
	}
}
