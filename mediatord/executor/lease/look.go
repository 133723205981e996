package lease

import (
	"time"

	"libvirt-vgpu/mediatord/internal/lease"
)

const (
	// stuckAfter is when work that was expected to be done is taken to wait for
	// something, perhaps for what the lease holds back; it does not count then.
	stuckAfter = 2 * time.Millisecond
	stuckTimes = 3
	// longestSurprise bounds how many times as long as expected is believed of such work.
	longestSurprise = 16
)

// Look finds out what is done and returns the time.
func (m *Meter) Look() time.Duration {
	now := m.now()
	if len(m.busy) == 0 {
		m.looked = now
		return now
	}
	precise := now-m.looked < 10*time.Microsecond
	progress := false
	left := m.busy[:0]
	for _, l := range m.busy {
		if len(l.pending) > 0 {
			reached := m.marker.Reached(l.word)
			for len(l.pending) > 0 && int32(reached-l.pending[0].value) >= 0 {
				m.done(&l.pending[0], now, precise)
				l.pending = l.pending[1:]
				progress = true
			}
			if len(l.pending) == 0 {
				l.pending = nil
			}
		}
		if len(l.pending) == 0 && l.open.count == 0 {
			l.listed = false
			if m.lanes[l.stream] != l { // the stream has ended
				m.free = append(m.free, l.word)
			}
			continue
		}
		left = append(left, l)
	}
	m.busy = left
	m.looked = now
	switch {
	case len(m.busy) == 0:
		m.end(now)
	case progress:
		m.show()
	default:
		m.overdue(now)
	}
	return now
}

// done takes one segment off and learns from it.
func (m *Meter) done(s *segment, now time.Duration, precise bool) {
	took := now - max(s.begin, m.finished)
	m.finished = now
	if s.stuck {
		m.stuck--
		// It waited for something, or is longer than it was taken for.
		m.durations.learn(s.keys, s.predicted, min(took, longestSurprise*max(s.predicted, Unknown)))
	} else {
		m.flying -= s.predicted
		// Seen late it may have been done long before: it took no longer than that, so
		// only less than expected is news, and what is not known yet.
		if precise || s.unknown || now-m.looked < took/4 || took < s.predicted {
			m.durations.learn(s.keys, s.predicted, took)
		}
	}
}

// overdue takes out of the account what seems to wait for something else.
func (m *Meter) overdue(now time.Duration) {
	if m.flying == 0 || now-m.finished < stuckAfter {
		return
	}
	for _, l := range m.busy {
		if len(l.pending) == 0 {
			continue
		}
		s := &l.pending[0]
		if !s.stuck && now > m.lateFrom(s) {
			s.stuck = true
			m.stuck++
			m.flying -= s.predicted
		}
	}
	m.show()
}

// lateFrom is until when a segment, next on its stream, is not late.
func (m *Meter) lateFrom(s *segment) time.Duration {
	return max(s.begin, m.finished) + max(stuckAfter, stuckTimes*s.predicted)
}

func (m *Meter) anyDone() bool {
	for _, l := range m.busy {
		if len(l.pending) > 0 && int32(m.marker.Reached(l.word)-l.pending[0].value) >= 0 {
			return true
		}
	}
	return false
}

// left is the time until the next mark should be reached.
func (m *Meter) left(now time.Duration) time.Duration {
	next := lease.Never
	for _, l := range m.busy {
		if len(l.pending) > 0 && !l.pending[0].stuck {
			s := &l.pending[0]
			next = min(next, max(s.begin, m.finished)+s.predicted)
		}
	}
	if next == lease.Never {
		return -time.Millisecond
	}
	return next - now
}
