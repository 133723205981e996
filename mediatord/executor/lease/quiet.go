package lease

import (
	"time"

	"libvirt-vgpu/mediatord/internal/lease"
)

const (
	// settled is how long the ring is empty before the end of the work is looked for;
	// settledLimited under a limited lease, when nothing else is looked for.
	settled        = 20 * time.Microsecond
	settledLimited = 4 * time.Microsecond
	// linger is how long the ring is empty before others may have the turn: a
	// program that waits for each of its kernels comes back sooner.
	linger = 50 * time.Microsecond
	// near is how long before the end of something is expected it is looked for;
	// longest is the longest sleep.
	near    = 100 * time.Microsecond
	longest = 2 * time.Millisecond
	// late is when it is too late to be ready.
	late = time.Millisecond
)

// Quiet is called while the ring is empty: when it has been for a while, it
// marks what is on the GPU, to see the end of it.
func (m *Meter) Quiet() {
	if m.lost {
		return
	}
	if m.since == 0 && !m.wanted {
		m.beReady()
		return
	}
	now := m.Look()
	if !m.quiet {
		m.quiet, m.submitted = true, now
		return
	}
	if m.wanted && now-m.submitted >= linger {
		m.wanted = false
		m.set(false)
	}
	for _, l := range m.busy {
		if l.open.count > 0 && now-m.submitted >= m.settles(l) && !m.markLate(l) {
			m.dropOpen(l) // being captured, or gone: there is nothing to wait for
		}
	}
}

// unready says that the GPU is to change to this context at a time that is still to come, or has come.
func (m *Meter) unready() bool {
	t := m.page.Terms().Ready
	return t != 0 && t != m.ready && m.last != nil && !m.lost
}

// beReady changes the GPU to this context when the lease says so.
func (m *Meter) beReady() {
	if !m.unready() {
		return
	}
	t, now := m.page.Terms().Ready, m.now()
	if now < t {
		return
	}
	m.ready = t
	if now < t+late { // otherwise it is too late to be of use
		m.marker.Touch(m.last.stream)
	}
}

// settles is how long the ring is empty before what is open on a lane gets a mark: longer while earlier work on
// it is not done, since a mark is work for the GPU too and a program may post its kernels one by one.
func (m *Meter) settles(l *lane) time.Duration {
	if m.page.Alone() || len(l.pending) > 0 {
		return settled
	}
	return settledLimited
}

// Busy says that Quiet is to be called again.
func (m *Meter) Busy() bool { return (m.since != 0 || m.wanted) && !m.lost }

// Due is after which time Quiet is to be called again; 0: not at all. Under a limited
// lease others wait for the end of the work, so it is not to be seen late.
func (m *Meter) Due() time.Duration {
	switch {
	case !m.Busy() && m.unready():
		return max(m.page.Terms().Ready-m.now(), time.Microsecond)
	case !m.Busy():
		return 0
	case m.page.Alone():
		return lease.Never
	}
	return min(max(m.pause(m.left(m.now())), settled), longest)
}

// pause is how long to wait before the next look at what should end after left.
// Half of it each time: what was taken to be far longer than it is must be seen to end
// long before it was expected, or it will always be taken for that. What is late
// is looked at less and less often.
func (m *Meter) pause(left time.Duration) time.Duration {
	if left > 2*near {
		return left / 2
	}
	return max(left-near, -left/8)
}

// markLast sees to it that the end of what holds the next submission back is seen, the part that is marked
// already first.
func (m *Meter) markLast() {
	for _, l := range m.busy {
		if l.open.count > 0 && len(l.pending) == 0 && !m.markLate(l) {
			m.dropOpen(l)
		}
	}
}

// Wait returns when it is worth asking Admit again, or somewhat earlier. It spins
// while the end of something is near.
func (m *Meter) Wait() {
	if m.page.Stale() {
		return
	}
	m.markLast()
	now := m.now()
	sleep := longest
	terms := m.page.Last() // those that said no
	if terms.Expiry > now {
		sleep = min(sleep, terms.Expiry-now)
	}
	if len(m.busy) > 0 {
		if left := m.left(now); left <= 2*near && left > -near {
			for end := now + 20*time.Microsecond; now < end; now = m.now() {
				if m.anyDone() || m.page.Stale() {
					return
				}
				m.looked = now
			}
			return
		} else {
			sleep = min(sleep, max(m.pause(left), 20*time.Microsecond))
		}
	} else if terms.ClearBy != lease.Never && terms.ClearBy > now {
		sleep = min(sleep, max(terms.ClearBy-now, near))
	}
	m.page.Sleep(sleep)
}
