package e2e

import (
	"errors"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"libvirt-vgpu/tests/stage"
	"libvirt-vgpu/tests/vm"
	"libvirt-vgpu/tests/vm/manifest"
)

const (
	lastUUID  = "a41d5c08-6e7f-4b92-8d30-1f9c62e7b5a4"
	plainUUID = "3b8f6a90-2d4e-4c17-9a61-e07c5d1f8b23"
)

// shutdownScenarios end mediatord while a domain and a host process compute, do
// without it, and start it again.
func (s *show) shutdownScenarios(t *testing.T) {
	must(t, s.Define(s.ctx, stage.Domain{Name: "last", UUID: lastUUID, Device: true, Element: vgpu(`window="128MiB"`)}))
	g := s.boot(t, "last")
	t.Run("SIGTERM", func(t *testing.T) { s.terminated(t, g) })
	if s.Mediator.PID() != 0 {
		t.Fatal("mediatord runs still")
	}
	t.Run("destroy without mediatord", func(t *testing.T) { must(t, s.Destroy(s.ctx, g)) })
	t.Run("start without mediatord", func(t *testing.T) {
		s.refusedStart(t, "mediatord-down", "last")
	})
	t.Run("start of a domain that lacks the device", func(t *testing.T) {
		must(t, s.Define(s.ctx, stage.Domain{Name: "late", UUID: lateUUID, Element: vgpu(`window="128MiB"`)}))
		s.refusedStart(t, "missing-device", "late")
		s.undefine(t, "late")
	})
	t.Run("other domains without mediatord", func(t *testing.T) {
		must(t, s.Define(s.ctx, stage.Domain{Name: "plain", UUID: plainUUID}))
		plain, err := s.Start(s.ctx, "plain")
		must(t, err)
		must(t, s.Destroy(s.ctx, plain))
		s.undefine(t, "plain")
	})
	t.Run("again with mediatord", func(t *testing.T) {
		must(t, s.Mediator.Start(s.ctx))
		again, err := s.Start(s.ctx, "last")
		must(t, err)
		status, err := s.Status(s.ctx)
		must(t, err)
		if slot := status.Slot("last"); slot.State != "running" || !slot.Connected {
			t.Errorf("slots are %+v", status.Slots)
		}
		must(t, s.Destroy(s.ctx, again))
		s.nothingLeft(t)
	})
}

// terminated wants mediatord to leave nothing behind, and the programs that it
// served to end with an error instead of waiting.
func (s *show) terminated(t *testing.T, g *stage.Guest) {
	must(t, g.Begin(manifest.Step{Name: "spin", Argv: []string{"/usr/bin/spin", "600"}, Background: true, Timeout: 10 * time.Minute}))
	must(t, g.Said(s.within(t, time.Minute), "spin", "started"))
	build := filepath.Join(vm.Root(), "build")
	var out strings.Builder
	session := s.Command(s.within(t, 2*time.Minute), s.Binary("vgpuctl"), "run", "--lib-dir", filepath.Join(build, "guest"), "--",
		filepath.Join(build, "tests", "spin"), "600")
	session.Stdout, session.Stderr = &out, &out
	must(t, session.Start())
	_, err := s.Until(s.ctx, time.Minute, func(st stage.Status) bool {
		return len(st.Slots) == 2 && !slices.ContainsFunc(st.Slots, func(slot stage.Slot) bool { return slot.Process("spin").ExecutorPID == 0 })
	})
	must(t, err)

	must(t, s.Mediator.Stop())
	s.nothingLeft(t)
	log := s.Mediator.Log()
	if strings.Contains(log, "level=error") || !strings.HasSuffix(log[:strings.LastIndexByte(log, '\n')+1], "\n") {
		t.Errorf("mediatord says\n%s", log)
	}
	var status *exec.ExitError
	if err := session.Wait(); !errors.As(err, &status) || status.ExitCode() != 1 || !strings.Contains(out.String(), "FAILED cu.") {
		t.Errorf("the host process ended with %v and said %q", err, out.String())
	}
	result, err := g.Result(s.within(t, time.Minute), "spin")
	must(t, err)
	if result.Exit != 1 || !strings.Contains(strings.Join(result.Output, "\n"), "FAILED cu.CtxSynchronize(): result ") {
		t.Errorf("the guest process ended with %d and said %q", result.Exit, result.Output)
	}
}
