package slot

import (
	"errors"
	"slices"
	"testing"

	"libvirt-vgpu/mediatord/internal/refusal"
)

func TestSettingsChangeWhileInUse(t *testing.T) {
	s, err := Open(testConfig(t, Session))
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	var heard []Settings
	cancel := s.Watch(func(now Settings) { heard = append(heard, now) })
	first := s.Settings()
	second := Settings{Priority: "low", Weight: 9, Memory: 2 << 30}
	third := Settings{Priority: "low", Weight: 9, Memory: 512 << 20}
	for _, next := range []Settings{second, second, third} {
		if err := s.Change(next); err != nil {
			t.Fatal(err)
		}
	}
	if want := []Settings{first, second, third}; !slices.Equal(heard, want) {
		t.Errorf("heard %+v, want %+v", heard, want)
	}
	d, err := s.window.Description()
	if err != nil || d.TotalMemory != third.Memory || s.account.Quota() != third.Memory {
		t.Errorf("guests see %d bytes, executors %d, %v", d.TotalMemory, s.account.Quota(), err)
	}
	cancel()
	if err := s.account.Reserve(0, 300<<20); err != nil {
		t.Fatal(err)
	}
	err = s.Change(Settings{Priority: "high", Weight: 1, Memory: 299 << 20})
	const said = `domain "web" uses 300MiB of GPU memory now, more than the 299MiB it would have; end programs in it first, or give it at least what it uses`
	if !errors.Is(err, refusal.ErrMemoryInUse) || err.Error() != said {
		t.Errorf("a quota below what is used: %v", err)
	}
	if s.Settings() != third || s.account.Quota() != third.Memory || len(heard) != 3 {
		t.Errorf("a refused change left %+v, quota %d; heard %d", s.Settings(), s.account.Quota(), len(heard))
	}
	if err := s.Change(Settings{Priority: "high", Weight: 1, Memory: 300 << 20}); err != nil {
		t.Errorf("a quota of just what is used: %v", err)
	}
	if got := s.Status(); got.Quota != 300<<20 || got.Priority != "high" || got.Weight != 1 {
		t.Errorf("status is %+v", got)
	}
}
