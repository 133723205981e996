// Package daemontest runs a mediatord on a private message bus for tests, with
// executortest in the place of vgpu-executor.
package daemontest

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/godbus/dbus/v5"

	"libvirt-vgpu/mediatord/internal/bus"
	"libvirt-vgpu/mediatord/internal/daemon"
)

const busConfig = `<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <type>session</type>
  <listen>unix:path=%s</listen>
  <auth>EXTERNAL</auth>
  <policy context="default">
    <allow send_destination="*" eavesdrop="true"/>
    <allow eavesdrop="true"/>
    <allow own="*"/>
    <allow user="*"/>
  </policy>
</busconfig>
`

// Bus starts a dbus-daemon that ends with the test and returns its address.
func Bus(t *testing.T) string {
	t.Helper()
	program, err := exec.LookPath("dbus-daemon")
	if err != nil {
		t.Skip("needs dbus-daemon (package dbus)")
	}
	dir := t.TempDir()
	if err := os.Chmod(filepath.Dir(dir), 0o711); err != nil { // other users may call too
		t.Fatal(err)
	}
	config := filepath.Join(dir, "bus.conf")
	if err := os.WriteFile(config, fmt.Appendf(nil, busConfig, filepath.Join(dir, "bus")), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(program, "--config-file="+config, "--nofork", "--print-address")
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	address, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		t.Fatalf("dbus-daemon did not start: %v", err)
	}
	return strings.TrimSpace(address)
}

// Daemon is a running mediatord.
type Daemon struct {
	Address string // of its bus
	RunDir  string
	Pools   string // directory
	log     *lockedBuffer
	stop    context.CancelFunc
	done    chan error
}

// Start runs a mediatord with pools of the given names and TOML texts, and more
// arguments if there are any. The calling test binary must call executortest.MaybeRun in its TestMain.
func Start(t *testing.T, address string, pools map[string]string, arguments ...string) *Daemon {
	t.Helper()
	dir := t.TempDir()
	for name, text := range pools {
		if err := os.WriteFile(filepath.Join(dir, name+".toml"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	runDir, err := os.MkdirTemp("", "vgpu") // short: a socket's path has 107 bytes
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(runDir) })
	d := &Daemon{Address: address, RunDir: runDir, Pools: dir, log: &lockedBuffer{}, done: make(chan error, 1)}
	ctx, cancel := context.WithCancel(context.Background())
	d.stop = cancel
	cmd := daemon.NewCommand("test", d.log)
	cmd.SetArgs(append([]string{
		"--bus", address, "--pools", dir, "--run-dir", runDir, "--executor", self,
		"--module-cache", filepath.Join(dir, "modules"), "--session-window", "64MiB", "--libvirt", "", "--log-format", "json",
	}, arguments...))
	go func() { d.done <- cmd.ExecuteContext(ctx) }()
	t.Cleanup(func() { d.Stop(t) })
	d.awaitName(t)
	return d
}

// awaitName returns when mediatord is on the bus.
func (d *Daemon) awaitName(t *testing.T) {
	t.Helper()
	conn := d.Connect(t)
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		var owned bool
		if err := conn.BusObject().Call("org.freedesktop.DBus.NameHasOwner", 0, bus.Service).Store(&owned); err != nil {
			t.Fatal(err)
		}
		if owned {
			return
		}
		select {
		case err := <-d.done:
			d.done <- err
			t.Fatalf("mediatord ended: %v\n%s", err, d.Log())
		default:
		}
		if time.Now().After(deadline) {
			t.Fatalf("mediatord did not come\n%s", d.Log())
		}
	}
}

// Connect opens a connection of its own to the bus; it ends with the test.
func (d *Daemon) Connect(t *testing.T) *dbus.Conn {
	t.Helper()
	conn, err := dbus.Connect(d.Address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

// Stop does what SIGTERM does and waits for the end. It may be repeated.
func (d *Daemon) Stop(t *testing.T) {
	t.Helper()
	d.stop()
	select {
	case err := <-d.done:
		d.done <- nil
		if err != nil {
			t.Errorf("mediatord ended with %v\n%s", err, d.Log())
		}
	case <-time.After(20 * time.Second):
		t.Fatalf("mediatord does not end\n%s", d.Log())
	}
}

// Log is what mediatord has logged.
func (d *Daemon) Log() string { return d.log.String() }

type lockedBuffer struct {
	mu     sync.Mutex
	buffer bytes.Buffer
}

func (b *lockedBuffer) Write(data []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buffer.Write(data)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buffer.String()
}

// Run runs a mediatord that is expected to end by itself and returns its log.
func Run(args []string) (log string, err error) {
	var buffer lockedBuffer
	cmd := daemon.NewCommand("test", &buffer)
	cmd.SetArgs(args)
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	err = cmd.ExecuteContext(ctx)
	return buffer.String(), err
}
