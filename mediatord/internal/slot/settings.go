package slot

import (
	"libvirt-vgpu/mediatord/internal/refusal"
	vgpuxml "libvirt-vgpu/xml"
)

// Settings are what may change while a slot is in use.
type Settings struct {
	Priority vgpuxml.Priority
	Weight   int    // 1..vgpuxml.MaxWeight
	Memory   uint64 // quota in bytes
}

// watcher hears of changed settings, one change after another.
type watcher struct{ hear func(Settings) }

// Settings reads the settings of this moment.
func (s *Slot) Settings() Settings {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.settings
}

// Watch calls hear with the settings of this moment and then after each change,
// in order, with Slot.mu held: hear must return at once and call nothing of the
// slot. It ends with cancel or with the slot.
func (s *Slot) Watch(hear func(Settings)) (cancel func()) {
	w := &watcher{hear: hear}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.watchers = append(s.watchers, w)
	hear(s.settings)
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		for i, other := range s.watchers {
			if other == w {
				s.watchers = append(s.watchers[:i:i], s.watchers[i+1:]...)
				return
			}
		}
	}
}

// SetPoolWeight tells what the slot's pool weighs now, against other pools.
func (s *Slot) SetPoolWeight(weight int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed || s.poolWeight.Swap(int64(weight)) == int64(weight) {
		return
	}
	for _, w := range s.watchers {
		w.hear(s.settings)
	}
}

// Change gives a slot in use other settings: executors and guest processes see
// the quota with their next look. A quota below what the domain uses is refused
// with refusal.ErrMemoryInUse, and nothing changes then. The caller makes sure
// that no two changes of a slot run at once.
func (s *Slot) Change(settings Settings) error {
	s.mu.Lock()
	before, closed := s.settings, s.closed
	if closed || settings == before {
		s.mu.Unlock()
		return nil
	}
	s.account.SetQuota(settings.Memory)
	// The look comes after the limit: an allocation that it missed saw the limit.
	if used := s.account.Total(); used > settings.Memory && settings.Memory < before.Memory {
		s.account.SetQuota(before.Memory)
		s.mu.Unlock()
		return refusal.Because(refusal.ErrMemoryInUse,
			"domain %q uses %s of GPU memory now, more than the %s it would have; end programs in it first, or give it at least what it uses",
			s.Name, vgpuxml.FormatSize(used), vgpuxml.FormatSize(settings.Memory))
	}
	s.window.SetTotalMemory(settings.Memory)
	s.settings = settings
	for _, w := range s.watchers {
		w.hear(settings)
	}
	s.mu.Unlock()
	s.save()
	s.Changed()
	return nil
}
