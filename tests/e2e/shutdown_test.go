package e2e

import (
	"path/filepath"
	"strings"
	"testing"
	"time"

	"libvirt-vgpu/tests/stage"
	"libvirt-vgpu/tests/vm"
	"libvirt-vgpu/tests/vm/manifest"
)

const plainUUID = "3b8f6a90-2d4e-4c17-9a61-e07c5d1f8b23"

// shutdownScenarios end mediatord while a domain and a host process compute.
func (s *show) shutdownScenarios(t *testing.T) {
	g := s.boot(t, "web") // defined by guestScenarios
	must(t, g.Begin(manifest.Step{Name: "spin", Argv: []string{"/usr/bin/spin", "600"}, Background: true, Timeout: 10 * time.Minute}))
	must(t, g.Said(s.within(t, time.Minute), "spin", "started"))

	build := filepath.Join(vm.Root(), "build")
	var out strings.Builder
	session := s.Command(s.ctx, s.Binary("vgpuctl"), "run", "--lib-dir", filepath.Join(build, "guest"), "--",
		filepath.Join(build, "tests", "spin"), "600")
	session.Stdout, session.Stderr = &out, &out
	must(t, session.Start())
	_, err := s.Until(s.ctx, time.Minute, func(st stage.Status) bool {
		return len(st.Slots) == 2 && st.Slots[0].Process("spin").MemoryUsed+st.Slots[1].Process("spin").MemoryUsed > 0
	})
	must(t, err)

	t.Run("SIGTERM", func(t *testing.T) {
		must(t, s.Mediator.Stop())
		s.nothingLeft(t)
		if !strings.HasSuffix(s.Mediator.Log(), `msg="mediatord stopped"`) {
			t.Errorf("mediatord's last words are %q", s.Mediator.Log())
		}
		ended := make(chan error, 1)
		go func() { ended <- session.Wait() }()
		select {
		case err := <-ended:
			t.Logf("the host process ended: %v: %s", err, out.String())
		case <-time.After(30 * time.Second):
			t.Errorf("the host process hangs")
			_ = session.Process.Kill()
		}
		result, err := g.Result(s.within(t, 30*time.Second), "spin")
		t.Logf("guest process: %+v %v", result, err)
	})
}
