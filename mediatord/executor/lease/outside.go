package lease

import (
	"libvirt-vgpu/mediatord/executor/wire"
)

// WaitsOutside says whether records of an opcode make a stream wait for something
// that does not happen on the GPU. The number of the stream comes first in all.
func WaitsOutside(opcode uint16) bool {
	switch opcode {
	case wire.OpLaunchHostFunc, wire.OpStreamAddCallback, wire.OpStreamWaitValue32, wire.OpStreamWaitValue64, wire.OpStreamBatchMemOp:
		return true
	}
	return false
}

// Watched says that waits must be told from kernels that do not end.
func (m *Meter) Watched() bool { return m.page.Watched() && !m.lost && !m.page.Unlimited() }

// Outside notes that a stream is about to wait for something else than the GPU:
// what it has to do before is work.
func (m *Meter) Outside(s Stream) {
	if l := m.lanes[s]; l != nil && l.open.count > 0 {
		m.mark(l)
	}
}

// Turn notes that the next submission is for this stream. The default stream of a
// context cannot be marked once others have got work behind its own.
func (m *Meter) Turn(s Stream) {
	if l := m.last; l != nil && l.stream != s && l.stream.Native == 0 && l.open.count > 0 {
		m.mark(l)
	}
}

// WaitsOutside notes that the stream waits now, when it gets there.
func (m *Meter) WaitsOutside(s Stream) {
	l := m.lane(s)
	if l == nil {
		return
	}
	m.quiet = false
	m.begin(m.now())
	l.open.count++
	l.open.outside = true
	if l.open.begin == 0 {
		l.open.begin = m.now()
	}
	m.list(l)
	m.last = l
	if !m.mark(l) {
		m.dropOpen(l)
	}
	m.show()
}

// MayWait notes that what was submitted last on a stream, with nothing else before
// the mark behind it, may wait for something else than the GPU.
func (m *Meter) MayWait(s Stream) {
	l := m.lanes[s]
	if l == nil || !l.listed {
		return
	}
	if l.open.count > 0 {
		l.open.outside = true
		m.mark(l)
	} else if n := len(l.pending); n > 0 {
		l.pending[n-1].outside = true
	}
	m.show()
}

// showHeld shows whether a stream waits for something else than the GPU, or may:
// with one that does, others may have to wait too.
func (m *Meter) showHeld() {
	held := false
	for _, l := range m.busy {
		held = held || len(l.pending) > 0 && l.pending[0].outside
	}
	if held != m.held {
		m.held = held
		m.page.SetHeld(held)
	}
}
