// Package restart kills and restarts a real mediatord, with a stand-in for
// systemd's file descriptor store, while programs compute through it. It needs
// what `make build` makes.
package restart

import (
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"libvirt-vgpu/tests/servicemanager"
	"libvirt-vgpu/tests/vm"
)

func built(name string) string { return filepath.Join(vm.Root(), "build", name) }

// host is a service manager with mediatord as its service, and a message bus.
type host struct {
	*testing.T
	manager *servicemanager.Manager
	address string // of the bus
	runDir  string
	args    []string
	pools   string // directory
	logFile string
	more    []string // environment of mediatord
	quota   string   // of tenants

	mediator *exec.Cmd
}

// newHost starts mediatord with a pool, which more lines say more about.
func newHost(t *testing.T, pool ...string) *host {
	t.Helper()
	return newHostWith(t, nil, pool...)
}

// newHostWith does so with more in mediatord's environment.
func newHostWith(t *testing.T, environment []string, pool ...string) *host {
	t.Helper()
	for _, name := range []string{"bin/mediatord", "bin/vgpu-executor", "bin/vgpuctl", "guest/libcuda.so.1", "tests/steady", "tests/spin", "tests/tenant", "tests/crowd"} {
		if _, err := os.Stat(built(name)); err != nil {
			t.Fatalf("%v: run make build", err)
		}
	}
	dir := t.TempDir()
	pools := filepath.Join(dir, "pools")
	if err := os.Mkdir(pools, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(pools, "default.toml"), []byte("gpus = [\"soft\"]\n"+strings.Join(pool, "\n")), 0o600); err != nil {
		t.Fatal(err)
	}
	short, err := os.MkdirTemp("", "vgpu") // a socket's path has 107 bytes
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(short) })
	bus, err := vm.StartBus(t.Context(), filepath.Join(short, "bus"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(bus.Close)
	runDir := filepath.Join(short, "run")
	manager, err := servicemanager.New()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(manager.Close)
	h := &host{T: t, manager: manager, address: bus.Address, runDir: runDir, pools: pools, logFile: filepath.Join(dir, "log"), more: environment, quota: "256MiB"}
	h.args = []string{
		"--bus", h.address, "--pools", pools, "--run-dir", runDir, "--module-cache", filepath.Join(dir, "modules"),
		"--executor", built("bin/vgpu-executor"), "--session-window", "128MiB", "--libvirt", "",
	}
	t.Cleanup(func() {
		if h.mediator != nil {
			h.kill()
		}
		h.manager.Clear() // the executors end with their control sockets
		if t.Failed() {
			log, _ := os.ReadFile(h.logFile)
			t.Logf("mediatord:\n%s", log)
		}
	})
	h.start()
	return h
}

// start starts mediatord with what is stored, and waits until it answers.
func (h *host) start() {
	h.Helper()
	log, err := os.OpenFile(h.logFile, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		h.Fatal(err)
	}
	defer log.Close()
	ready := h.manager.Count("READY=1")
	h.mediator = exec.Command(built("bin/mediatord"), h.args...)
	h.mediator.Stdout, h.mediator.Stderr = log, log
	h.mediator.Env = append(append(os.Environ(), "WATCHDOG_USEC=3000000"), h.more...)
	if err := h.manager.Start(h.mediator); err != nil {
		h.Fatal(err)
	}
	h.until("mediatord", func() bool { return h.manager.Count("READY=1") > ready })
}

// kill is kill -9.
func (h *host) kill() {
	_ = h.mediator.Process.Kill()
	_ = h.mediator.Wait()
	h.mediator = nil
}

// stop is what systemctl restart does before the start.
func (h *host) stop() {
	h.Helper()
	if err := h.mediator.Process.Signal(syscall.SIGTERM); err != nil {
		h.Fatal(err)
	}
	if err := h.mediator.Wait(); err != nil {
		h.Errorf("mediatord ended with %v", err)
	}
	h.mediator = nil
}

// until waits for longer than a process that could not be parked when it was asked is left alone, which happens to one
// whose work a busy machine holds up.
func (h *host) until(what string, condition func() bool) {
	h.Helper()
	for deadline := time.Now().Add(100 * time.Second); !condition(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			h.Fatalf("%s did not happen", what)
		}
	}
}

// nothingKept waits until no slot has left anything.
func (h *host) nothingKept() {
	h.Helper()
	h.until("the end of everything that was kept", func() bool {
		left, err := os.ReadDir(h.runDir)
		return err == nil && len(left) == 1 && h.manager.Stored() == 0 // the lock
	})
}

// status is what vgpuctl says of slots.
type status struct {
	Slots []struct {
		UUID      string `json:"uuid"`
		Name      string `json:"name"`
		State     string `json:"state"`
		Connected bool   `json:"connected"`
		Channels  []struct {
			State       string `json:"state"`
			Comm        string `json:"comm"`
			ExecutorPID int    `json:"executor_pid"`
		} `json:"channels"`
	} `json:"slots"`
}

func (h *host) status() status {
	h.Helper()
	out, err := exec.Command(built("bin/vgpuctl"), "--bus", h.address, "status", "--json").Output()
	if err != nil {
		h.Fatalf("vgpuctl status: %v", err)
	}
	var s status
	if err := json.Unmarshal(out, &s); err != nil {
		h.Fatalf("vgpuctl status: %v\n%s", err, out)
	}
	return s
}

// executors are the numbers of those that vgpuctl shows.
func (s status) executors() []int {
	var pids []int
	for _, slot := range s.Slots {
		for _, c := range slot.Channels {
			if c.ExecutorPID != 0 {
				pids = append(pids, c.ExecutorPID)
			}
		}
	}
	return pids
}

// program is a running command with what it prints.
type program struct {
	*host
	cmd    *exec.Cmd
	output *output
	done   chan error
}

// run starts a command on a vGPU of its own.
func (h *host) run(ctx context.Context, command ...string) *program {
	h.Helper()
	args := append([]string{"--bus", h.address, "run", "--memory", "256MiB", "--lib-dir", built("guest"), "--"}, command...)
	return h.begin(exec.CommandContext(ctx, built("bin/vgpuctl"), args...))
}

// join starts a command on the vGPU of a session that runs already.
func (h *host) join(ctx context.Context, command ...string) *program {
	h.Helper()
	sockets, err := filepath.Glob(filepath.Join(h.runDir, "session-*", "session.sock"))
	if err != nil || len(sockets) != 1 {
		h.Fatalf("sessions are %v, %v", sockets, err)
	}
	cmd := exec.CommandContext(ctx, command[0], command[1:]...)
	cmd.Env = append(os.Environ(), "VGPU_SOCKET="+sockets[0], "LD_LIBRARY_PATH="+built("guest"))
	return h.begin(cmd)
}

func (h *host) begin(cmd *exec.Cmd) *program {
	h.Helper()
	p := &program{host: h, cmd: cmd, output: &output{}, done: make(chan error, 1)}
	cmd.Stdout, cmd.Stderr = p.output, p.output
	cmd.WaitDelay = time.Second // vgpuctl may leave its program behind
	if err := cmd.Start(); err != nil {
		h.Fatal(err)
	}
	go func() { p.done <- cmd.Wait() }()
	h.Cleanup(func() { _ = cmd.Process.Kill() })
	return p
}

// said waits for a text.
func (p *program) said(text string) {
	p.Helper()
	p.until(text, func() bool { return strings.Contains(p.output.String(), text) })
}

// correct waits for the end of steady.
func (p *program) correct() {
	p.Helper()
	select {
	case err := <-p.done:
		if err != nil || !strings.Contains(p.output.String(), "correct after ") {
			p.Errorf("%v ended with %v and said %q", p.cmd.Args, err, p.output)
		}
	case <-time.After(time.Minute):
		p.Fatalf("%v does not end; it said %q", p.cmd.Args, p.output)
	}
}
