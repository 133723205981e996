package daemon_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/godbus/dbus/v5"

	"libvirt-vgpu/mediatord/internal/bus"
	"libvirt-vgpu/mediatord/internal/daemontest"
	"libvirt-vgpu/mediatord/internal/executortest"
	"libvirt-vgpu/plugin/ivshmem"
	"libvirt-vgpu/plugin/window"
	vgpuxml "libvirt-vgpu/xml"
)

func TestMain(m *testing.M) {
	executortest.MaybeRun()
	os.Exit(m.Run())
}

const (
	uuid    = "6ba7b810-9dad-11d1-80b4-00c04fd430c8"
	other   = "00000000-0000-4000-8000-000000000001"
	element = `<vgpu:gpu xmlns:vgpu="urn:libvirt-vgpu:1" window="64MiB"`
)

// stage is a mediatord with a caller.
type stage struct {
	*testing.T
	*daemontest.Daemon
	conn *dbus.Conn
}

func start(t *testing.T, pools map[string]string) *stage {
	t.Helper()
	address := daemontest.Bus(t)
	d := daemontest.Start(t, address, pools)
	return &stage{T: t, Daemon: d, conn: d.Connect(t)}
}

func onePool() map[string]string { return map[string]string{"default": `gpus = ["soft"]`} }

// call calls a method, again where mediatord has given up in the time that it has for an answer: a
// busy machine needs longer to describe a GPU, or to ask the bus.
func (s *stage) call(method string, args ...any) error {
	for deadline := time.Now().Add(time.Minute); ; {
		err := s.conn.Object(bus.Service, bus.Root).Call(bus.ManagerInterface+"."+method, 0, args...).Err
		if err == nil || !strings.Contains(err.Error(), context.DeadlineExceeded.Error()) || time.Now().After(deadline) {
			return err
		}
		s.Logf("%s again: %v", method, err)
	}
}

func (s *stage) socket(id string) string {
	return filepath.Join(s.RunDir, "domain-"+id, "ivshmem.sock")
}

func (s *stage) reserve(id, attributes string) error {
	return s.call("Reserve", id, "web", element+" "+attributes+"/>", s.socket(id))
}

func (s *stage) mustReserve(id string) {
	s.Helper()
	if err := s.reserve(id, ""); err != nil {
		s.Fatal(err)
	}
}

func (s *stage) dial(id string) *ivshmem.Peer {
	s.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	peer, err := ivshmem.Dial(ctx, s.socket(id), vgpuxml.Vectors(vgpuxml.DefaultChannels))
	if err != nil {
		s.Fatal(err)
	}
	return peer
}

// property reads a slot's property.
func (s *stage) property(id, name string) any {
	s.Helper()
	parsed, err := window.ParseUUID(id)
	if err != nil {
		s.Fatal(err)
	}
	value, err := s.conn.Object(bus.Service, bus.SlotPath(parsed)).GetProperty(bus.SlotInterface + "." + name)
	if err != nil {
		s.Fatal(err)
	}
	return value.Value()
}

// poolProperty reads a property of the pool "default".
func (s *stage) poolProperty(name string) any {
	s.Helper()
	value, err := s.conn.Object(bus.Service, bus.PoolPath("default")).GetProperty(bus.PoolInterface + "." + name)
	if err != nil {
		s.Fatal(err)
	}
	return value.Value()
}

func (s *stage) until(what string, condition func() bool) {
	s.Helper()
	for deadline := time.Now().Add(time.Minute); !condition(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(deadline) {
			s.Fatalf("%s did not happen\n%s", what, s.Log())
		}
	}
}

// refused checks an error's name and that its text has what a person needs.
func (s *stage) refused(err error, name string, mentions ...string) {
	s.Helper()
	var failure dbus.Error
	if !errors.As(err, &failure) || failure.Name != bus.Service+".Error."+name {
		s.Errorf("error is %v, want %s", err, name)
		return
	}
	text, _ := failure.Body[0].(string)
	for _, part := range append(mentions, "; ") {
		if !strings.Contains(text, part) {
			s.Errorf("%q does not mention %q", text, part)
		}
	}
}

// expectSlotDirectories counts what is in the runtime directory beside its lock.
func (s *stage) expectSlotDirectories(n int) {
	s.Helper()
	entries, err := os.ReadDir(s.RunDir)
	if err != nil || len(entries) != n+1 {
		s.Errorf("runtime directory has %v, %v; want %d slots", entries, err, n)
	}
}

func openFiles(t *testing.T) []string {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		if name, err := os.Readlink("/proc/self/fd/" + e.Name()); err == nil {
			names = append(names, name)
		}
	}
	return names
}

func children(t *testing.T) []string {
	t.Helper()
	var pids []string
	tasks, err := filepath.Glob("/proc/self/task/*/children")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range tasks {
		text, _ := os.ReadFile(file)
		for _, pid := range strings.Fields(string(text)) {
			if comm, _ := os.ReadFile("/proc/" + pid + "/comm"); strings.TrimSpace(string(comm)) != "dbus-daemon" {
				pids = append(pids, pid)
			}
		}
	}
	return pids
}

// guest is a guest kernel with one process.
type guest struct {
	*stage
	peer   *ivshmem.Peer
	window *window.Window
}

func (s *stage) boot(id string) *guest {
	s.Helper()
	peer := s.dial(id)
	fd, err := syscall.Dup(int(peer.Window.Fd()))
	if err != nil {
		s.Fatal(err)
	}
	w, err := window.Map(os.NewFile(uintptr(fd), "window"))
	if err != nil {
		s.Fatal(err)
	}
	return &guest{s, peer, w}
}

func (g *guest) off() {
	_ = g.window.Close()
	_ = g.peer.Close()
}

func (g *guest) set(channel int, state window.GuestState, generation uint32) {
	g.Helper()
	g.window.SetGuest(channel, state, generation)
	if err := ivshmem.Signal(g.peer.Doorbells[window.VectorControl]); err != nil {
		g.Fatal(err)
	}
}

func (g *guest) untilHost(channel int, state window.HostState, generation uint32) {
	g.Helper()
	g.until(fmt.Sprintf("host state %d", state), func() bool {
		got, of := g.window.Host(channel)
		return got == state && of == generation
	})
}

func (g *guest) order(channel int, o executortest.Order) {
	g.Helper()
	g.window.Channel(channel)[executortest.OrderOffset] = byte(o)
	if err := ivshmem.Signal(g.peer.Doorbells[1+channel]); err != nil {
		g.Fatal(err)
	}
}
