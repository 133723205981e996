package slot

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"libvirt-vgpu/mediatord/internal/arbiter"
	"libvirt-vgpu/mediatord/internal/executortest"
	"libvirt-vgpu/mediatord/internal/hostproc"
	"libvirt-vgpu/mediatord/internal/sched"
	"libvirt-vgpu/mediatord/internal/supervisor"
	"libvirt-vgpu/plugin/window"
)

func TestMain(m *testing.M) {
	executortest.MaybeRun()
	os.Exit(m.Run())
}

// guestTools builds what a guest monitors its GPU with, and returns the folder.
func guestTools(t *testing.T) string {
	t.Helper()
	folder := t.TempDir()
	tools := []string{"-s", "-C", filepath.Join("..", "..", "..", "guest"), "OUT=" + folder}
	for _, tool := range []string{"libnvidia-ml.so", "nvidia-smi"} {
		tools = append(tools, filepath.Join(folder, tool))
	}
	if out, err := exec.Command("make", tools...).CombinedOutput(); err != nil {
		t.Fatalf("building the guest's tools: %v\n%s", err, out)
	}
	return folder
}

// startProcess begins a process of a session, which has an executor from then on until
// the test's end, and returns the window.
func startProcess(t *testing.T, socket string) *window.Window {
	t.Helper()
	conn, err := net.DialUnix("unixpacket", nil, &net.UnixAddr{Name: socket, Net: "unixpacket"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	var w *window.Window
	for _, kind := range []uint32{hostproc.TypeOpen, hostproc.TypeStart} {
		if _, err := conn.Write(hostproc.Message{Type: kind, LayoutVersion: window.LayoutVersion}.Encode()); err != nil {
			t.Fatal(err)
		}
		reply, control := make([]byte, 64), make([]byte, unix.CmsgSpace(3*4))
		n, controlled, _, _, err := conn.ReadMsgUnix(reply, control)
		if err != nil {
			t.Fatal(err)
		}
		if m, err := hostproc.Decode(reply[:n]); err != nil || m.Error != 0 {
			t.Fatalf("answer %+v, %v", m, err)
		}
		messages, err := unix.ParseSocketControlMessage(control[:controlled])
		if err != nil {
			t.Fatal(err)
		}
		for i := range messages {
			fds, err := unix.ParseUnixRights(&messages[i])
			if err != nil {
				t.Fatal(err)
			}
			if w, err = window.Map(os.NewFile(uintptr(fds[0]), "window")); err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = w.Close() })
			for _, fd := range fds[1:] {
				t.Cleanup(func() { _ = unix.Close(fd) })
			}
		}
	}
	return w
}

// What a guest's nvidia-smi shows of a domain that has long been idle is what the GPU reports then.
func TestIdleGuestSeesFreshSensors(t *testing.T) {
	tools := guestTools(t)
	cfg := testConfig(t, Session)
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cfg.Executor = supervisor.Settings{
		Path: self, Backend: "soft", ModuleCache: t.TempDir(), Walls: "off", KillAfter: 10 * time.Second, ReadyWithin: time.Minute,
	}
	cfg.Arbiter = arbiter.New(sched.Defaults(), cfg.Log)
	t.Cleanup(cfg.Arbiter.Close)
	var temperature, read atomic.Uint32
	temperature.Store(30)
	cfg.Sensors = func() (uint32, uint32, uint32) {
		read.Add(1)
		return 0, temperature.Load(), 123000
	}
	s, err := Open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	w := startProcess(t, cfg.Socket.Path)
	rests := func() {
		t.Helper()
		for deadline := time.Now().Add(time.Minute); ; time.Sleep(time.Millisecond) {
			if _, resting := w.Looks(); resting {
				return
			}
			if time.Now().After(deadline) {
				t.Fatalf("the GPU is still looked at: %+v", s.Status())
			}
		}
	}
	// A look that comes later than nvidia-smi waits for it, on a machine that is busy with something else, is tried again.
	for tries := 1; ; tries++ {
		rests()
		looks := read.Load()
		want := temperature.Add(1)
		smi := exec.Command(filepath.Join(tools, "nvidia-smi"), "--query-gpu=temperature.gpu,power.draw", "--format=csv,noheader")
		smi.Env = []string{"LD_LIBRARY_PATH=" + tools, "VGPU_SOCKET=" + cfg.Socket.Path}
		out, err := smi.CombinedOutput()
		if err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		if strings.TrimSpace(string(out)) == fmt.Sprintf("%d, 123.00 W", want) {
			break
		}
		if tries == 5 {
			t.Fatalf("the GPU has %d degrees, nvidia-smi says %q; looks: %d", want, out, read.Load()-looks)
		}
	}
	rests()
}
