package daemon_test

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/godbus/dbus/v5"
	"golang.org/x/sys/unix"

	"libvirt-vgpu/mediatord/internal/bus"
	"libvirt-vgpu/mediatord/internal/executortest"
	"libvirt-vgpu/mediatord/internal/hostproc"
	"libvirt-vgpu/plugin/ivshmem"
	"libvirt-vgpu/plugin/window"
)

// clientSocket in the environment makes the test binary a host process that
// starts its channel and then waits to be killed.
const clientSocket = "TEST_CLIENT_SOCKET"

func init() {
	if path := os.Getenv(clientSocket); path != "" {
		if err := startAndWait(path); err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
	}
}

func startAndWait(path string) error {
	p, err := connect(path)
	if err != nil {
		return err
	}
	if _, _, err := p.ask(hostproc.Message{Type: hostproc.TypeOpen, LayoutVersion: window.LayoutVersion}); err != nil {
		return err
	}
	if _, _, err := p.ask(hostproc.Message{Type: hostproc.TypeStart}); err != nil {
		return err
	}
	fmt.Println("started")
	select {}
}

// process is a host process's connection.
type process struct {
	conn *net.UnixConn
}

func connect(path string) (*process, error) {
	conn, err := net.DialUnix("unixpacket", nil, &net.UnixAddr{Name: path, Net: "unixpacket"})
	if err != nil {
		return nil, err
	}
	return &process{conn}, conn.SetDeadline(time.Now().Add(time.Minute))
}

// ask sends a request; an errno in the reply is an error.
func (p *process) ask(m hostproc.Message) (hostproc.Message, []*os.File, error) {
	if _, err := p.conn.Write(m.Encode()); err != nil {
		return hostproc.Message{}, nil, err
	}
	data, control := make([]byte, 64), make([]byte, unix.CmsgSpace(4*3))
	n, controlled, _, _, err := p.conn.ReadMsgUnix(data, control)
	if err != nil {
		return hostproc.Message{}, nil, err
	}
	reply, err := hostproc.Decode(data[:n])
	if err != nil {
		return reply, nil, err
	}
	if reply.Error != 0 {
		return reply, nil, syscall.Errno(reply.Error)
	}
	var files []*os.File
	messages, err := unix.ParseSocketControlMessage(control[:controlled])
	if err != nil {
		return reply, nil, err
	}
	for _, message := range messages {
		fds, err := unix.ParseUnixRights(&message)
		if err != nil {
			return reply, nil, err
		}
		for _, fd := range fds {
			files = append(files, os.NewFile(uintptr(fd), "received"))
		}
	}
	return reply, files, nil
}

// openSession opens a session and returns its UUID and socket.
func (s *stage) openSession() (id, socket string) {
	s.Helper()
	var slot dbus.ObjectPath
	err := s.conn.Object(bus.Service, bus.Root).Call(bus.ManagerInterface+".OpenSession", 0, "", "", uint64(0), "test").Store(&slot, &socket)
	if err != nil {
		s.Fatal(err)
	}
	return strings.ReplaceAll(strings.TrimPrefix(string(slot), string(bus.Root)+"/slot/_"), "_", "-"), socket
}

func (s *stage) connect(socket string) *process {
	s.Helper()
	p, err := connect(socket)
	if err != nil {
		s.Fatal(err)
	}
	s.Cleanup(func() { _ = p.conn.Close() })
	return p
}

func (s *stage) sessions() int {
	entries, err := os.ReadDir(s.RunDir)
	if err != nil {
		s.Fatal(err)
	}
	return len(entries) - 1 // the lock
}

func TestSessionOfAHostProcess(t *testing.T) {
	s := start(t, onePool())
	before := openFiles(t)
	id, socket := s.openSession()
	info, err := os.Stat(socket)
	if err != nil || info.Mode().Perm() != 0o600 || info.Sys().(*syscall.Stat_t).Uid != uint32(os.Getuid()) {
		t.Errorf("socket is %v, %v", info, err)
	}
	holder := s.connect(socket)
	if _, _, err := holder.ask(hostproc.Message{Type: hostproc.TypeHold}); err != nil {
		t.Fatal(err)
	}
	p := s.connect(socket)
	reply, files, err := p.ask(hostproc.Message{Type: hostproc.TypeOpen, LayoutVersion: window.LayoutVersion})
	if err != nil || len(files) != 3 {
		t.Fatalf("open: %v, %d files", err, len(files))
	}
	channel := int(reply.Channel)
	w, err := window.Map(files[0])
	if err != nil {
		t.Fatal(err)
	}
	doorbell, interrupt := files[1], files[2]
	if _, _, err := p.ask(hostproc.Message{Type: hostproc.TypeStart}); err != nil {
		t.Fatal(err)
	}
	if err := interrupt.SetReadDeadline(time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	for w.ChannelState(channel) != window.HostReady {
		if _, err := ivshmem.Await(interrupt); err != nil {
			t.Fatalf("waiting for the executor: %v\n%s", err, s.Log())
		}
	}
	alloc, _, err := p.ask(hostproc.Message{Type: hostproc.TypeAlloc, Count: 4})
	if err != nil {
		t.Fatal(err)
	}
	first := int(alloc.Offset / window.ChunkSize)
	w.ChunkMemory(first)[0] = 9
	if _, _, err := p.ask(hostproc.Message{Type: hostproc.TypeFree, Offset: alloc.Offset, Count: 4}); err != nil {
		t.Fatal(err)
	}
	s.until("free chunks", func() bool { return w.Chunk(first).Free() && w.Chunk(first+3).Free() })
	if w.ChunkMemory(first)[0] != 0 {
		t.Error("a freed chunk kept its content")
	}
	// The whole arena again and again: ALLOC waits for what FREE gave back.
	for range 5 {
		if alloc, _, err = p.ask(hostproc.Message{Type: hostproc.TypeAlloc, Count: w.Chunks}); err != nil {
			t.Fatal(err)
		}
		if _, _, err := p.ask(hostproc.Message{Type: hostproc.TypeFree, Offset: alloc.Offset, Count: w.Chunks}); err != nil {
			t.Fatal(err)
		}
	}
	w.Channel(channel)[executortest.OrderOffset] = byte(executortest.OrderExit)
	if err := ivshmem.Signal(doorbell); err != nil {
		t.Fatal(err)
	}
	for w.ChannelState(channel) != window.HostFailed {
		if _, err := ivshmem.Await(interrupt); err != nil {
			t.Fatalf("waiting for the failure: %v", err)
		}
	}
	if result, text := w.Failure(channel); result != 719 || !strings.Contains(text, "exit status 4") {
		t.Errorf("failure is %d %q", result, text)
	}
	_ = p.conn.Close()
	s.until("a free channel", func() bool { state, _ := w.Guest(channel); return state == window.GuestFree })
	again := s.connect(socket)
	if reply, files, err = again.ask(hostproc.Message{Type: hostproc.TypeOpen, LayoutVersion: window.LayoutVersion}); err != nil {
		t.Fatal(err)
	}
	if s.property(id, "Kind") != "session" || s.property(id, "State") != "running" {
		t.Error("the session does not show")
	}
	for _, file := range files {
		_ = file.Close()
	}
	_, _, _ = w.Close(), doorbell.Close(), interrupt.Close()
	_ = holder.conn.Close() // ends the session, whoever is connected
	s.until("the session's end", func() bool { return s.sessions() == 0 })
	if n, err := again.conn.Read(make([]byte, 64)); n != 0 {
		t.Errorf("a connection outlived its session: %d, %v", n, err)
	}
	_ = again.conn.Close()
	s.until("closed descriptors", func() bool { return len(openFiles(t)) <= len(before) })
	if left := children(t); len(left) != 0 {
		t.Errorf("processes %v are left", left)
	}
}

func TestKilledClientLosesItsExecutorOnly(t *testing.T) {
	s := start(t, onePool())
	id, socket := s.openSession()
	holder := s.connect(socket)
	if _, _, err := holder.ask(hostproc.Message{Type: hostproc.TypeHold}); err != nil {
		t.Fatal(err)
	}
	running := func() []string {
		channels, _ := s.property(id, "Channels").([]map[string]dbus.Variant)
		var pids []string
		for _, c := range channels {
			if c["State"].Value() == "ready" {
				pids = append(pids, fmt.Sprint(c["ExecutorPID"].Value()))
			}
		}
		return pids
	}
	var clients []*exec.Cmd
	for range 2 {
		cmd := exec.Command("/proc/self/exe")
		cmd.Env = append(os.Environ(), clientSocket+"="+socket)
		stdout, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		line := make([]byte, 100)
		if n, _ := stdout.Read(line); string(line[:n]) != "started\n" {
			t.Fatalf("client said %q", line[:n])
		}
		clients = append(clients, cmd)
	}
	s.until("two executors", func() bool { return len(running()) == 2 })
	both := running()
	if err := clients[0].Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = clients[0].Wait()
	s.until("one executor", func() bool { return len(running()) == 1 })
	if left := running(); left[0] != both[1] {
		t.Errorf("executors were %v, %v is left", both, left)
	}
	if _, err := os.Stat("/proc/" + both[0]); err == nil {
		t.Errorf("executor %s is still there", both[0])
	}
	_ = clients[1].Process.Kill()
	_ = clients[1].Wait()
	s.until("no executor", func() bool { return len(running()) == 0 })
	_ = holder.conn.Close()
	s.until("the session's end", func() bool { return s.sessions() == 0 })
}

func TestSessionRefusals(t *testing.T) {
	s := start(t, onePool())
	for _, tc := range []struct {
		pool, priority string
		memory         uint64
		name, want     string
	}{
		{"gold", "", 0, "x", "NoSuchPool"},
		{"Gold Pool", "", 0, "x", "InvalidArgument"},
		{"", "urgent", 0, "x", "InvalidArgument"},
		{"", "", 1, "x", "InvalidArgument"},
		{"", "", 1 << 40, "x", "MemoryExceedsPool"},
		{"", "", 0, "", "InvalidArgument"},
		{"", "", 0, "a\nb", "InvalidArgument"},
	} {
		s.refused(s.call("OpenSession", tc.pool, tc.priority, tc.memory, tc.name), tc.want)
	}
	if s.sessions() != 0 {
		t.Error("a refused session left something")
	}
}
