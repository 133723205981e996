package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"libvirt-vgpu/tests/stage"
	"libvirt-vgpu/tests/vm/manifest"
)

const (
	webUUID = "6b0e7a3c-4a0e-4f3e-9d1c-0c3b9b0a1d11"
	gib     = 1 << 30
	mib     = 1 << 20
)

// guestScenarios play in one boot of one domain.
func (s *show) guestScenarios(t *testing.T) {
	must(t, s.Define(s.ctx, stage.Domain{
		Name: "web", UUID: webUUID, Device: true, CPUs: 2,
		Element: `<vgpu:gpu xmlns:vgpu="urn:libvirt-vgpu:1" pool="default" priority="high" memory="1GiB" weight="200" window="256MiB"/>`,
	}))
	g := s.boot(t, "web")
	t.Run("slot", func(t *testing.T) { s.slotAsAsked(t, g) })
	for i, p := range append(stage.Programs(stage.Runtime.InGuest), stage.NVML(gib)) {
		t.Run(p.Title, func(t *testing.T) {
			result, err := g.Do(s.within(t, 4*time.Minute), p.Step("program-"+string(rune('a'+i))))
			must(t, err)
			checkReport(t, p, result.Output)
			if result.Exit != 0 {
				t.Errorf("exit status %d", result.Exit)
			}
			t.Logf("took %v", result.Time)
		})
	}
	t.Run("nvidia-smi", func(t *testing.T) { s.monitored(t, g) })
	t.Run("kernel", func(t *testing.T) { s.kernelIsWell(t, g) })
	t.Run("two processes at once", func(t *testing.T) { s.twoProcesses(t, g) })
	t.Run("kill -9", func(t *testing.T) { s.killedProcess(t, g) })
	t.Run("changes show in top", func(t *testing.T) { s.changesShow(t, g) })
	t.Run("destroy", func(t *testing.T) { s.destroyed(t, g) })
}

func (s *show) slotAsAsked(t *testing.T, g *stage.Guest) {
	status, err := s.Status(s.ctx)
	must(t, err)
	slot := status.Slot(g.Name)
	if len(status.Slots) != 1 || slot.UUID != webUUID || slot.Kind != "domain" || slot.Pool != "default" || slot.Priority != "high" ||
		slot.Weight != 200 || slot.MemoryQuota != gib || slot.State != "running" || !slot.Connected || len(slot.Channels) != 0 {
		t.Errorf("slots are %+v", status.Slots)
	}
}

// monitored is what our nvidia-smi shows of the vGPU.
func (s *show) monitored(t *testing.T, g *stage.Guest) {
	query := []string{"/usr/bin/nvidia-smi", "--query-gpu=name,memory.total,driver_version", "--format=csv,noheader"}
	result, err := g.Do(s.within(t, time.Minute), manifest.Step{Name: "smi", Argv: query})
	must(t, err)
	if result.Exit != 0 || !slices.Equal(result.Output, []string{"vGPU software device, 1024 MiB, 580.00.00"}) {
		t.Errorf("status %d: %q", result.Exit, result.Output)
	}
}

func (s *show) kernelIsWell(t *testing.T, g *stage.Guest) {
	result, err := g.Do(s.within(t, time.Minute), manifest.Step{Name: "modules", Argv: []string{"/usr/bin/cat", "/proc/modules"}})
	must(t, err)
	if len(result.Output) == 0 || !strings.HasPrefix(result.Output[0], "vgpu ") || !strings.Contains(result.Output[0], " Live ") {
		t.Errorf("/proc/modules is %q", result.Output)
	}
	log, err := g.Console.KernelLog()
	must(t, err)
	text := strings.Join(log, "\n")
	if !strings.Contains(text, "vgpu0: 32 channels, 111 chunks, 33 vectors") {
		t.Errorf("the kernel does not name the device:\n%s", text)
	}
	for _, bad := range []string{"WARNING", "BUG", "Oops", "Call Trace", "general protection", "segfault"} {
		if strings.Contains(text, bad) {
			t.Errorf("the kernel says %q:\n%s", bad, text)
		}
	}
}

// twoProcesses run at the same time, each on an executor of its own.
func (s *show) twoProcesses(t *testing.T, g *stage.Guest) {
	p := stage.Neighbour()
	names := []string{"two-a", "two-b"}
	var steps []manifest.Step
	for _, name := range names {
		step := p.Step(name)
		step.Background = true
		steps = append(steps, step)
	}
	must(t, g.Begin(steps...))
	status, err := s.Until(s.ctx, time.Minute, func(st stage.Status) bool {
		channels := st.Slot(g.Name).Channels
		return len(channels) == 2 && channels[0].ExecutorPID != 0 && channels[1].ExecutorPID != 0
	})
	must(t, err)
	channels := status.Slot(g.Name).Channels
	running, err := s.Mediator.Executors()
	must(t, err)
	if channels[0].PID == channels[1].PID || channels[0].ExecutorPID == channels[1].ExecutorPID ||
		!slices.Contains(running, channels[0].ExecutorPID) || !slices.Contains(running, channels[1].ExecutorPID) {
		t.Errorf("channels are %+v, executors %v", channels, running)
	}
	for _, name := range names {
		result, err := g.Result(s.within(t, 4*time.Minute), name)
		must(t, err)
		checkReport(t, p, result.Output)
	}
	_, err = s.Until(s.ctx, time.Minute, func(st stage.Status) bool { return len(st.Slot(g.Name).Channels) == 0 })
	must(t, err)
}

// killedProcess loses its executor and memory at once; its neighbour loses nothing.
func (s *show) killedProcess(t *testing.T, g *stage.Guest) {
	const held = 64 * mib
	neighbour := stage.Neighbour()
	step := neighbour.Step("neighbour")
	step.Background = true
	must(t, g.Begin(
		manifest.Step{Name: "spin", Argv: []string{"/usr/bin/spin", "600", "600000", "64"}, Background: true, Timeout: 10 * time.Minute},
		manifest.Step{Name: "spinning", Expect: "spin", Text: "started"},
		step,
	))
	before, err := s.Until(s.ctx, time.Minute, func(st stage.Status) bool {
		slot := st.Slot(g.Name)
		return slot.Process("spin").MemoryUsed >= held && slot.Process("driverapi").MemoryUsed > 0
	})
	must(t, err)
	victim := before.Slot(g.Name).Process("spin")
	if executors, err := s.Mediator.Executors(); err != nil || !slices.Contains(executors, victim.ExecutorPID) || len(executors) != 2 {
		t.Errorf("executors are %v, %v; that of spin is %d", executors, err, victim.ExecutorPID)
	}
	if ended, err := g.Ended("neighbour"); err != nil || ended {
		t.Fatalf("the neighbour ended before the kill: %v, %v", ended, err)
	}

	must(t, g.Begin(manifest.Step{Name: "kill", Kill: "spin"}))
	result, err := g.Result(s.within(t, time.Minute), "spin")
	must(t, err)
	if result.Exit != 128+9 {
		t.Errorf("spin ended with %d", result.Exit)
	}
	after, err := s.Until(s.ctx, time.Minute, func(st stage.Status) bool {
		for _, c := range st.Slot(g.Name).Channels {
			if c.Comm == "spin" {
				return false
			}
		}
		return true
	})
	must(t, err)
	if slot := after.Slot(g.Name); slot.MemoryUsed != slot.Process("driverapi").MemoryUsed {
		t.Errorf("memory of the dead process is still used: %+v", slot)
	}
	if executors, err := s.Mediator.Executors(); err != nil || slices.Contains(executors, victim.ExecutorPID) {
		t.Errorf("executors are %v, %v; %d is spin's", executors, err, victim.ExecutorPID)
	}
	result, err = g.Result(s.within(t, 4*time.Minute), "neighbour")
	must(t, err)
	checkReport(t, neighbour, result.Output)
}

// destroyed ends a domain while a program computes.
func (s *show) destroyed(t *testing.T, g *stage.Guest) {
	must(t, g.Begin(
		manifest.Step{Name: "last", Argv: []string{"/usr/bin/spin", "600"}, Background: true, Timeout: 10 * time.Minute},
	))
	must(t, g.Said(s.within(t, time.Minute), "last", "started"))
	status, err := s.Status(s.ctx)
	must(t, err)
	slot := status.Slot(g.Name)
	if slot.Process("spin").ExecutorPID == 0 {
		t.Errorf("spin has no executor: %+v", slot)
	}
	must(t, s.Destroy(s.ctx, g))
	s.nothingLeft(t)
	if status, err = s.Status(s.ctx); err != nil || len(status.Slots) != 0 || status.Pools[0].Used != 0 {
		t.Errorf("status is %+v, %v", status, err)
	}
}

// nothingLeft wants that no executor runs and no slot has files, a while after the end of those that there were.
func (s *show) nothingLeft(t *testing.T) {
	t.Helper()
	const wait, pause = 30 * time.Second, 50 * time.Millisecond
	for deadline := time.Now().Add(wait); ; time.Sleep(pause) {
		left := s.left(t)
		if len(left) == 0 {
			return
		}
		if time.Now().After(deadline) {
			t.Errorf("%v after the end there are %s", wait, strings.Join(left, ", "))
			return
		}
	}
}

// left names the executors that run and the slots' directories with their files.
func (s *show) left(t *testing.T) (left []string) {
	t.Helper()
	executors, err := s.Mediator.Executors()
	must(t, err)
	for _, executor := range executors {
		left = append(left, fmt.Sprintf("executor %v", executor))
	}
	run := s.Libvirt.Path("/run/vgpu")
	files, err := os.ReadDir(run)
	must(t, err)
	for _, file := range files {
		if file.IsDir() {
			inside, _ := filepath.Glob(filepath.Join(run, file.Name(), "*"))
			left = append(left, fmt.Sprintf("%s in /run/vgpu with %v", file.Name(), inside))
		}
	}
	return left
}
