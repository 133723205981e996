package hostile

import (
	"bufio"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/godbus/dbus/v5"
	"golang.org/x/sys/unix"
)

const (
	service   = "io.github.libvirt_vgpu.Mediator1"
	root      = dbus.ObjectPath("/io/github/libvirt_vgpu/Mediator1")
	busConfig = `<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig><type>session</type><listen>unix:path=%s</listen><auth>EXTERNAL</auth>
<policy context="default"><allow send_destination="*" eavesdrop="true"/><allow eavesdrop="true"/><allow own="*"/><allow user="*"/></policy></busconfig>
`
	timeout = 30 * time.Second
)

// stand is a mediatord with a pool of the GPU in software.
type stand struct {
	testing.TB
	bus      *dbus.Conn
	address  string // of it
	mediator *exec.Cmd
	logFile  string
	modules  string
}

// begin starts mediatord with more lines for its pool.
func begin(t testing.TB, pool string) *stand {
	t.Helper()
	dir, err := os.MkdirTemp("", "vgpu") // short: a socket's path has 107 bytes
	check(t, err)
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	s := &stand{TB: t, logFile: filepath.Join(dir, "log"), modules: filepath.Join(dir, "modules")}
	config := filepath.Join(dir, "bus.conf")
	check(t, os.WriteFile(config, fmt.Appendf(nil, busConfig, filepath.Join(dir, "bus")), 0o600))
	daemon := exec.Command("dbus-daemon", "--config-file="+config, "--nofork", "--print-address")
	stdout, err := daemon.StdoutPipe()
	check(t, err)
	check(t, daemon.Start())
	t.Cleanup(func() { _, _ = daemon.Process.Kill(), daemon.Wait() })
	address, err := bufio.NewReader(stdout).ReadString('\n')
	check(t, err)
	address = strings.TrimSpace(address)
	s.address = address
	check(t, os.Mkdir(filepath.Join(dir, "pools"), 0o700))
	check(t, os.WriteFile(filepath.Join(dir, "pools", "default.toml"), []byte("gpus = [\"soft\"]\nslots = 200\novercommit = 16.0\nmemory = \"64MiB\"\n"+pool), 0o600))
	log, err := os.Create(s.logFile)
	check(t, err)
	defer log.Close()
	s.mediator = exec.Command(filepath.Join(binaries, "mediatord"), "--bus", address, "--pools", filepath.Join(dir, "pools"), "--run-dir", filepath.Join(dir, "run"),
		"--module-cache", s.modules, "--executor", filepath.Join(binaries, "vgpu-executor"), "--session-window", "64MiB", "--libvirt", "", "--log-level", "debug")
	s.mediator.Stdout, s.mediator.Stderr = log, log
	check(t, s.mediator.Start())
	t.Cleanup(func() {
		_ = s.mediator.Process.Signal(unix.SIGTERM)
		if err := s.mediator.Wait(); err != nil {
			t.Errorf("mediatord: %v", err)
		}
		if t.Failed() {
			text, _ := os.ReadFile(s.logFile)
			t.Logf("mediatord's log ends:\n%s", text[max(0, len(text)-4000):])
		}
	})
	s.bus, err = dbus.Connect(address)
	check(t, err)
	t.Cleanup(func() { _ = s.bus.Close() })
	s.until("mediatord on the bus", func() bool {
		var owned bool
		return s.bus.BusObject().Call("org.freedesktop.DBus.NameHasOwner", 0, service).Store(&owned) == nil && owned
	})
	return s
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func (s *stand) until(what string, condition func() bool) {
	s.Helper()
	for deadline := time.Now().Add(timeout); !condition(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			s.Fatalf("no %s", what)
		}
	}
}

// domain is a session: what a domain is to mediatord, with processes of the host
// for its processes.
type domain struct {
	*stand
	path   dbus.ObjectPath
	socket string
	holder *net.UnixConn
}

// domain opens a session with a quota; it ends with the test at the latest.
func (s *stand) domain(name string, memory uint64) *domain {
	s.Helper()
	d := &domain{stand: s}
	err := s.bus.Object(service, root).Call(service+".Manager.OpenSession", 0, "", "", memory, name).Store(&d.path, &d.socket)
	check(s, err)
	d.holder, err = dial(d.socket)
	check(s, err)
	_, _, err = ask(d.holder, message{kind: hold})
	check(s, err)
	s.Cleanup(d.end)
	return d
}

func (d *domain) end() { _ = d.holder.Close() }

// property of the domain's slot.
func (d *domain) property(name string) any {
	d.Helper()
	value, err := d.bus.Object(service, d.path).GetProperty(service + ".Slot." + name)
	check(d, err)
	return value.Value()
}

// executors of the domain that are ready.
func (d *domain) executors() []int {
	var pids []int
	channels, _ := d.property("Channels").([]map[string]dbus.Variant)
	for _, c := range channels {
		if c["State"].Value() == "ready" {
			pids = append(pids, int(c["ExecutorPID"].Value().(uint32)))
		}
	}
	return pids
}

// executor of a domain with one process. Answers come from the executor itself,
// so mediatord may learn of its start and its end after the guest process did.
func (d *domain) executor() int {
	d.Helper()
	var pids []int
	d.until("single executor", func() bool { pids = d.executors(); return len(pids) == 1 })
	return pids[0]
}
