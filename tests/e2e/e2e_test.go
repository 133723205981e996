// Package e2e tests the whole path: real libvirtd, real hook, real QEMU, a
// guest kernel with our module, programs on NVIDIA's unmodified runtimes, and
// mediatord with the software GPU. See package stage for what it takes.
package e2e

import (
	"context"
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"libvirt-vgpu/tests/stage"
)

// pools are the ones that the scenarios use.
func pools() map[string]string {
	return map[string]string{
		"default": "gpus = [\"soft\"]\nmax_memory = \"2GiB\"\npriorities = [\"high\", \"normal\"]\n",
		"tiny":    "gpus = [\"soft\"]\nslots = 1\nmemory = \"256MiB\"\n",
	}
}

// show is one run of the scenarios, which follow one another on one stage.
type show struct {
	*stage.Stage
	ctx    context.Context
	guests []*stage.Guest
}

func TestEndToEnd(t *testing.T) {
	if testing.Short() {
		t.Skip("boots VMs")
	}
	if os.Geteuid() != 0 {
		t.Skip("needs root to start libvirtd")
	}
	ctx, cancel := context.WithTimeout(t.Context(), 15*time.Minute)
	defer cancel()
	s := open(ctx, t)
	t.Run("guest", s.guestScenarios)
	t.Run("host process", s.hostProcesses)
	t.Run("attach", s.attachScenarios)
	t.Run("attach live", s.attachLive)
	t.Run("refusals", s.refusals)
	t.Run("restart", s.restartScenarios)
	t.Run("shutdown", s.shutdownScenarios)
}

// open sets the stage; a failure prints what its parts said.
func open(ctx context.Context, t *testing.T) *show {
	t.Helper()
	started := time.Now()
	st, err := stage.Open(ctx, pools())
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("the stage is set after %v", time.Since(started).Round(time.Millisecond))
	s := &show{Stage: st, ctx: ctx}
	t.Cleanup(func() {
		if t.Failed() {
			for _, g := range s.guests {
				t.Logf("console of %s:\n%s", g.Name, g.Log())
			}
			t.Logf("mediatord:\n%s", s.Mediator.Log())
			log, _ := os.ReadFile(s.Libvirt.LogFile())
			t.Logf("libvirtd:\n%s", log)
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// boot starts a defined domain and waits until it takes steps.
func (s *show) boot(t *testing.T, name string) *stage.Guest {
	t.Helper()
	started := time.Now()
	g, err := s.Start(s.ctx, name)
	if err != nil {
		t.Fatal(err)
	}
	s.guests = append(s.guests, g)
	if err := g.Booted(s.within(t, 2*time.Minute)); err != nil {
		t.Fatal(err)
	}
	t.Logf("%s is up after %v", name, time.Since(started).Round(time.Millisecond))
	return g
}

// within is the show's context with a deadline of its own.
func (s *show) within(t *testing.T, limit time.Duration) context.Context {
	ctx, cancel := context.WithTimeout(s.ctx, limit)
	t.Cleanup(cancel)
	return ctx
}

// must ends the test on an error.
func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// checkReport wants every check of a program to have passed.
func checkReport(t *testing.T, p stage.Program, lines []string) {
	t.Helper()
	report, err := stage.ReadReport(p.Argv[0], lines)
	if err != nil || report.Failed > 0 {
		t.Errorf("%s: %v, %d passed, %d failed:\n%s", p.Title, err, report.Passed, report.Failed, strings.Join(lines, "\n"))
		return
	}
	t.Logf("%s: %d passed", p.Title, report.Passed)
}

// stderr is what a failed command said.
func stderr(err error) string {
	var failed *stage.CommandError
	if errors.As(err, &failed) {
		return failed.Stderr
	}
	return err.Error()
}
