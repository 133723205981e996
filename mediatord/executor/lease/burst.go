package lease

import (
	"time"
	"unsafe"

	"libvirt-vgpu/mediatord/executor/driver"
	"libvirt-vgpu/mediatord/internal/lease"
)

// Lends says whether Lend may be called: the lease is limited and known, there is
// work on the GPU, and launches would change nothing but their lanes and what is in
// flight.
func (m *Meter) Lends() bool {
	if !m.Goes() || m.state != lease.Active|lease.Flying || m.durations.count == 0 || len(m.free) == 0 ||
		len(m.busy) > driver.MeteredLanes || m.page.Stale() || m.page.Last().Budget == lease.Unlimited {
		return false
	}
	for _, l := range m.busy {
		if len(l.pending) == 0 && l.open.count == 0 || len(l.open.keys) >= longestGroup {
			return false
		}
	}
	return true
}

// Lend gives a burst in a context what it has to keep to; marks is the address of
// the marks' words. Until TakeBack no other method may be called. The table of
// durations holds as long.
func (m *Meter) Lend(to *driver.Metered, context uint32, marks uintptr) (durations unsafe.Pointer) {
	terms := m.page.Last()
	to.Budget, to.ClearBy, to.Expiry = int64(terms.Budget), int64(terms.ClearBy), int64(terms.Expiry)
	to.Coarse, to.Grace = int64(terms.Coarse), int64(terms.Grace)
	to.Grain, to.Linger, to.Settle, to.SettleBehind = int64(grain(terms)), int64(linger), int64(settled), int64(settled)
	if !m.page.Alone() {
		to.Settle = int64(settledLimited)
	}
	to.Flying, to.Looked, to.Submitted = int64(m.flying), int64(m.looked), int64(m.submitted)
	to.FlyingWord, to.TableBits, to.Launches = m.page.FlyingAddress(), m.durations.bits, 0
	to.Quiet, to.Wanted = word(m.quiet), word(m.wanted)
	to.LaneCount = uint32(len(m.busy))
	overdue := lease.Never
	for i, l := range m.busy {
		if l == m.last {
			to.Last = uint32(i)
		}
		at := &to.Lanes[i]
		at.Stream, at.Word, at.Current = driver.Stream(l.stream.Native), marks+uintptr(l.word)*4, word(l.stream.Context == context)
		at.Begin, at.Predicted, at.Count = int64(l.open.begin), int64(l.open.predicted), uint32(l.open.count)
		at.Keyed, at.Fresh, at.Pending = uint32(len(l.open.keys)), 0, word(len(l.pending) > 0)
		if len(l.pending) > 0 {
			s := &l.pending[0]
			at.Awaited = s.value
			if !s.stuck {
				overdue = min(overdue, m.lateFrom(s))
			}
		}
	}
	to.Overdue = int64(overdue)
	return unsafe.Pointer(unsafe.SliceData(m.durations.table))
}

// TakeBack notes what a burst has submitted; mark: its last lane may have to be marked.
func (m *Meter) TakeBack(from *driver.Metered, mark bool) {
	m.flying, m.looked, m.submitted = time.Duration(from.Flying), time.Duration(from.Looked), time.Duration(from.Submitted)
	m.quiet, m.wanted = from.Quiet != 0, from.Wanted != 0
	for i, l := range m.busy {
		at := &from.Lanes[i]
		if at.Fresh == 0 {
			continue
		}
		m.page.CountSubmissions(uint64(at.Fresh))
		l.open.begin, l.open.predicted, l.open.count = time.Duration(at.Begin), time.Duration(at.Predicted), int(at.Count)
		l.open.keys, l.open.unknown = append(l.open.keys, at.Keys[:at.Fresh]...), false
	}
	m.last = m.busy[from.Last]
	if mark {
		if m.last.full(m.page.Terms()) {
			m.mark(m.last)
		}
		m.show()
	}
}

func word(b bool) uint32 {
	if b {
		return 1
	}
	return 0
}
