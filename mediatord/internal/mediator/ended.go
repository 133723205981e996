package mediator

import (
	"time"

	"libvirt-vgpu/plugin/window"
)

// watchPeriod is how often a slot without QEMU is looked at.
const watchPeriod = time.Second

// watchEnd is called when a domain's QEMU has left its slot. It releases the slot
// when that process has ended and nobody else does: libvirt's hook is silent about a
// domain whose element was taken away while it ran. A QEMU that lives on, without the
// device, keeps the slot until its end.
func (m *Mediator) watchEnd(id window.UUID, h *held) {
	m.watch(id, h, func(time.Time) (wait, over bool) { return !h.Connected(), false })
}

// watchAdopted releases an adopted domain's slot if its domain ended, or failed to
// start, while nobody could tell mediatord.
func (m *Mediator) watchAdopted(id window.UUID, h *held) {
	adopted := time.Now()
	m.watch(id, h, func(now time.Time) (wait, over bool) {
		late := now.Sub(adopted) >= startGrace
		return !late || h.Fresh(), late && h.Fresh()
	})
}

// watch looks at a slot as long as its QEMU has ended, or as judge says to wait. It
// releases the slot ReleaseWithin after QEMU's end, or when judge says that it is over.
func (m *Mediator) watch(id window.UUID, h *held, judge func(now time.Time) (wait, over bool)) {
	ticker := time.NewTicker(min(watchPeriod, m.settings.ReleaseWithin))
	defer ticker.Stop()
	var ended time.Time
	for now := range ticker.C {
		if m.slot(id) != h {
			return
		}
		switch {
		case !h.Abandoned():
			ended = time.Time{}
		case ended.IsZero():
			ended = now
		}
		wait, over := judge(now)
		if over || !ended.IsZero() && now.Sub(ended) >= m.settings.ReleaseWithin {
			h.Log.Warn("the domain ended, or never started, and libvirt's hook has not told; releasing its slot")
			m.inBackground(func() { m.releaseOnly(id, h) })
			return
		}
		if ended.IsZero() && !wait {
			return
		}
	}
}

// releaseOnly releases a slot unless another one has its place.
func (m *Mediator) releaseOnly(id window.UUID, h *held) {
	defer m.domains.lock(id)()
	if m.slot(id) == h {
		m.release(id)
	}
}
