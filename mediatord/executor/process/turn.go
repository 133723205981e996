package process

import (
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"libvirt-vgpu/mediatord/executor/channel"
	"libvirt-vgpu/mediatord/executor/driver"
	"libvirt-vgpu/mediatord/executor/lease"
	"libvirt-vgpu/mediatord/executor/wire"
)

// turn keeps the process within its lease.
type turn struct {
	meter      *lease.Meter // nil: there is no lease
	marks      marks
	submission lease.Submission // of the record that was admitted last
	parsed     bool             // submission is that
	lost       atomic.Bool      // the context is; the meter is to be told
	// The stream of the last submission, by number and context.
	stream, context uint32
	known           bool
	// waitsInGraphs: a graph may wait for something else than the GPU.
	waitsInGraphs bool
	// What Look saw last of the marks. Look alone uses it.
	seen []uint32
}

// newTurn begins under the lease that there is.
func (p *Process) newTurn() {
	if p.Lease == nil {
		return
	}
	memory, err := unix.Mmap(-1, 0, 2*lease.MarkWords*4, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS)
	if err != nil {
		p.Log.WithError(err).Error("no memory for marks: the GPU time of this process is not limited")
		return
	}
	p.turn.marks = memory
	p.turn.meter = lease.New(p.Lease, p, p.Clock.Now)
	p.follow()
}

// Mark implements lease.Marker.
func (p *Process) Mark(s lease.Stream, word int, value uint32) bool {
	if p.Away() || s.Context != p.current && p.enter(s.Context) != driver.Success {
		return false
	}
	stream := driver.Stream(s.Native)
	if p.refuseCapture(stream) != driver.Success {
		return false
	}
	return p.Driver.WriteFence(stream, p.turn.marks.address()+uint64(word)*4, value) == driver.Success
}

// Touch implements lease.Marker: a fill is work for the GPU's engine, which a mark need not be. One in
// a default stream would break captures of others.
func (p *Process) Touch(s lease.Stream) {
	if p.Parked() || p.Away() || len(p.captures) > 0 || s.Context != p.current && p.enter(s.Context) != driver.Success {
		return
	}
	const element = 4
	behindMarks := p.turn.marks.address() + lease.MarkWords*element
	if r := p.Driver.Fill(behindMarks, element, 0, element, 1, 1, driver.Stream(s.Native)); r != driver.Success {
		p.Log.WithField("result", r).Debug("the GPU is not changed to this process before its step")
	}
}

// Reached implements lease.Marker.
func (p *Process) Reached(word int) uint32 { return p.turn.marks.word(word).Load() }

// Admit implements channel.Executor: what gives the GPU work waits for the lease.
func (p *Process) Admit(r *channel.Record) bool {
	m := p.turn.meter
	p.turn.parsed = false
	if p.Away() && (rests(r.Opcode) || p.restore() != driver.Success) {
		return true // Execute says so
	}
	if m == nil || m.Free() {
		return true
	}
	p.follow()
	if !lease.Submits(r.Opcode) {
		if lease.WaitsOutside(r.Opcode) && m.Watched() {
			p.beforeWait(r)
		}
		return true
	}
	if p.turn.lost.Load() {
		m.Lost()
	}
	var ok bool
	if p.turn.submission, ok = lease.Parse(r.Opcode, r.Payload); !ok {
		return true
	}
	native, ok := p.stream(p.turn.submission.Stream)
	if !ok || p.refuseCapture(native) != driver.Success {
		return true // it reaches no GPU now
	}
	p.turn.parsed = true
	if m.Watched() {
		of := lease.Stream{Context: p.contextOfRecord(r), Native: uint64(native)}
		m.Turn(of)
		if p.turn.waitsInGraphs && r.Opcode == wire.OpGraphLaunch {
			m.Outside(of)
		}
	}
	return m.Admit(p.turn.submission)
}

// Pause implements channel.Executor.
func (p *Process) Pause() { p.turn.meter.Wait() }

// Nudge ends a Pause that has begun. Any goroutine may call it.
func (p *Process) Nudge() {
	if p.turn.meter != nil {
		p.turn.meter.Nudge()
	}
}

// submitted notes what a record that was executed has given the GPU.
func (p *Process) submitted(r *channel.Record) {
	m := p.turn.meter
	if m == nil {
		return
	}
	if !lease.Submits(r.Opcode) {
		if lease.WaitsOutside(r.Opcode) {
			p.afterWait(r)
		}
		return
	}
	t := &p.turn
	if !t.parsed && t.known && t.context == p.current && len(p.captures) == 0 && m.Free() &&
		lease.StreamOf(r.Opcode, r.Payload) == t.stream && m.Again(1) {
		return
	}
	s := t.submission
	switch {
	case t.parsed:
	case m.Free():
		s = lease.Submission{Stream: lease.StreamOf(r.Opcode, r.Payload)}
	default: // limited since it was admitted
		s, _ = lease.Parse(r.Opcode, r.Payload)
	}
	of, ok := p.noteStream(s)
	if ok && t.waitsInGraphs && r.Opcode == wire.OpGraphLaunch && m.Watched() {
		m.MayWait(of)
	}
}

// noteStream notes a submission in its stream; false: it reached no GPU.
func (p *Process) noteStream(s lease.Submission) (lease.Stream, bool) {
	native, ok := p.stream(s.Stream)
	if !ok || p.refuseCapture(native) != driver.Success {
		return lease.Stream{}, false
	}
	p.turn.stream, p.turn.context, p.turn.known = s.Stream, p.current, true
	of := lease.Stream{Context: p.current, Native: uint64(native)}
	p.turn.meter.Submitted(s, of)
	return of, true
}

// Quiet implements channel.Executor.
func (p *Process) Quiet() {
	if m := p.turn.meter; m != nil {
		if p.turn.lost.Load() {
			m.Lost()
		}
		m.Quiet()
		p.follow()
	}
}

// Due implements channel.Executor.
func (p *Process) Due() time.Duration {
	if p.turn.meter == nil {
		return 0
	}
	return p.turn.meter.Due()
}

func (p *Process) streamEnds(s driver.Stream) {
	if p.turn.meter != nil {
		p.turn.known = false
		p.turn.meter.StreamEnds(lease.Stream{Context: p.current, Native: uint64(s)})
	}
}

func (p *Process) contextEnds(number uint32) {
	if p.turn.meter != nil {
		p.turn.known = false
		p.turn.meter.ContextEnds(number)
	}
}
