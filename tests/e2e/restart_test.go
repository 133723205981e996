package e2e

import (
	"fmt"
	"strings"
	"syscall"
	"testing"
	"time"

	"libvirt-vgpu/tests/servicemanager"
	"libvirt-vgpu/tests/stage"
	"libvirt-vgpu/tests/vm/manifest"
)

const (
	lastingUUID = "5e2c7f18-93ab-4d06-b7c4-2f8d1e6a9b30"
	kills       = 10
)

// restartScenarios kill mediatord under a domain that computes, with a stand-in
// for systemd's file descriptor store.
func (s *show) restartScenarios(t *testing.T) {
	manager, err := servicemanager.New()
	must(t, err)
	defer manager.Close()
	must(t, s.Mediator.Stop())
	s.Mediator.Manager = manager
	defer func() {
		must(t, s.Mediator.Stop())
		s.Mediator.Manager = nil
		manager.Clear()
		must(t, s.Mediator.Start(s.ctx))
	}()
	must(t, s.Mediator.Start(s.ctx))
	must(t, s.Define(s.ctx, stage.Domain{Name: "lasting", UUID: lastingUUID, Device: true, CPUs: 2, Element: vgpu(`window="128MiB"`)}))
	g := s.boot(t, "lasting")
	t.Run("kill -9", func(t *testing.T) { s.killedMediator(t, g) })
	t.Run("destroy without mediatord", func(t *testing.T) {
		must(t, s.Mediator.Kill())
		must(t, s.Destroy(s.ctx, g))
		must(t, s.Mediator.Start(s.ctx))
		_, err := s.Until(s.ctx, time.Minute, func(st stage.Status) bool { return len(st.Slots) == 0 })
		must(t, err)
		if n := manager.Stored(); n != 0 {
			t.Errorf("%d entries are stored for nothing", n)
		}
		s.nothingLeft(t)
	})
	t.Run("kill right after the start", func(t *testing.T) {
		again, err := s.Start(s.ctx, "lasting")
		must(t, err)
		must(t, s.Mediator.Kill())
		must(t, s.Mediator.Start(s.ctx))
		status, err := s.Until(s.ctx, time.Minute, func(st stage.Status) bool { return st.Slot("lasting").Connected })
		must(t, err)
		if state := status.Slot("lasting").State; state != "running" {
			t.Errorf("the domain's slot is %s", state)
		}
		must(t, s.Destroy(s.ctx, again))
		s.nothingLeft(t)
	})
}

// killedMediator has one long computation, and one short one at each kill that
// begins before and one that begins after it.
func (s *show) killedMediator(t *testing.T, g *stage.Guest) {
	steady := func(name, seconds string) manifest.Step {
		return manifest.Step{Name: name, Argv: []string{"/usr/bin/steady", seconds}, Background: true, Timeout: 10 * time.Minute}
	}
	correct := func(name string) {
		t.Helper()
		result, err := g.Result(s.within(t, 3*time.Minute), name)
		must(t, err)
		if result.Exit != 0 || !strings.Contains(strings.Join(result.Output, "\n"), "correct after ") {
			t.Errorf("%s ended with %d and said %q", name, result.Exit, result.Output)
		}
	}
	must(t, g.Begin(steady("long", "600")))
	must(t, g.Said(s.within(t, time.Minute), "long", "started"))
	status, err := s.Status(s.ctx)
	must(t, err)
	executor := status.Slot(g.Name).Process("steady").ExecutorPID
	for round := range kills {
		early, late := fmt.Sprintf("early-%d", round), fmt.Sprintf("late-%d", round)
		must(t, g.Begin(steady(early, "0.1")))
		time.Sleep(time.Duration(round) * 25 * time.Millisecond)
		must(t, s.Mediator.Kill())
		must(t, g.Begin(steady(late, "0.1")))
		time.Sleep(200 * time.Millisecond)
		if ended, err := g.Ended(late); err != nil || ended {
			t.Errorf("round %d: a process ended without mediatord, %v", round, err)
		}
		must(t, s.Mediator.Start(s.ctx))
		correct(late)
		correct(early)
		status, err := s.Until(s.ctx, time.Minute, func(st stage.Status) bool { return len(st.Slot(g.Name).Channels) == 1 })
		must(t, err)
		slot := status.Slot(g.Name)
		if slot.State != "running" || !slot.Connected || slot.Process("steady").ExecutorPID != executor || slot.Process("steady").State != "ready" {
			t.Errorf("round %d: the slot is %+v", round, slot)
		}
	}
	if ended, err := g.Ended("long"); err != nil || ended {
		t.Errorf("the long computation was over before the last kill, %v", err)
	}
	must(t, g.Begin(manifest.Step{Name: "enough", Kill: "long", Signal: int(syscall.SIGTERM)}))
	correct("long")
}
