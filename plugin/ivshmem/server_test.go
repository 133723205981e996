package ivshmem

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sirupsen/logrus"
	"golang.org/x/sys/unix"
)

const testWindowSize = 64 << 20

// newWindow makes a sealed window as the domain's.
func newWindow(t testing.TB) *os.File {
	t.Helper()
	fd, err := unix.MemfdCreate("window", unix.MFD_CLOEXEC|unix.MFD_ALLOW_SEALING)
	if err != nil {
		t.Fatal(err)
	}
	window := os.NewFile(uintptr(fd), "window")
	t.Cleanup(func() { window.Close() })
	if err := window.Truncate(testWindowSize); err != nil {
		t.Fatal(err)
	}
	if _, err := unix.FcntlInt(window.Fd(), unix.F_ADD_SEALS, unix.F_SEAL_GROW|unix.F_SEAL_SHRINK|unix.F_SEAL_SEAL); err != nil {
		t.Fatal(err)
	}
	return window
}

func quiet() logrus.FieldLogger {
	log := logrus.New()
	log.SetOutput(io.Discard)
	return log
}

func anybody(unix.Ucred) error { return nil }

// fixture is a server that serves on a socket, with its events.
type fixture struct {
	server *Server
	window *os.File
	path   string
	events chan Event
}

func newListener(t testing.TB) (*net.UnixListener, string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "s")
	listener, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	return listener, path
}

func serve(t testing.TB, vectors int, allow func(unix.Ucred) error) *fixture {
	t.Helper()
	window := newWindow(t)
	server, err := New(window, vectors, quiet())
	if err != nil {
		t.Fatal(err)
	}
	listener, path := newListener(t)
	f := &fixture{server: server, window: window, path: path, events: make(chan Event, 100)}
	server.Observe(func(event Event) { f.events <- event })
	result := make(chan error, 1)
	go func() { result <- server.Serve(context.Background(), listener, allow) }()
	t.Cleanup(func() {
		if err := server.Close(); err != nil {
			t.Errorf("closing: %v", err)
		}
		if err := <-result; err != nil {
			t.Errorf("serving ends with %v", err)
		}
	})
	return f
}

func (f *fixture) dial(t testing.TB) *Peer {
	t.Helper()
	peer, err := Dial(t.Context(), f.path, f.server.Vectors())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { peer.Close() })
	return peer
}

func (f *fixture) expect(t testing.TB, connected bool) Event {
	t.Helper()
	select {
	case event := <-f.events:
		if event.Connected != connected {
			t.Fatalf("event is %+v, want connected %v", event, connected)
		}
		return event
	case <-time.After(10 * time.Second):
		t.Fatalf("no event, want connected %v", connected)
	}
	return Event{}
}

func TestHandshake(t *testing.T) {
	for _, vectors := range []int{1, 33, MaxVectors} {
		f := serve(t, vectors, anybody)
		if _, connected := f.server.Connected(); connected {
			t.Error("connected before anybody came")
		}
		peer := f.dial(t)
		event := f.expect(t, true)
		if event.Peer.Pid != int32(os.Getpid()) || event.Peer.Uid != uint32(os.Getuid()) {
			t.Errorf("peer is %+v", event.Peer)
		}
		if credentials, connected := f.server.Connected(); !connected || credentials != event.Peer {
			t.Errorf("connected: %+v, %v", credentials, connected)
		}
		if peer.ID != GuestID || len(peer.Doorbells) != vectors || len(peer.Interrupts) != vectors {
			t.Fatalf("peer %d has %d doorbells and %d interrupts", peer.ID, len(peer.Doorbells), len(peer.Interrupts))
		}
		if _, err := f.window.WriteAt([]byte("window"), testWindowSize-6); err != nil {
			t.Fatal(err)
		}
		text := make([]byte, 6)
		if _, err := peer.Window.ReadAt(text, testWindowSize-6); err != nil || string(text) != "window" {
			t.Errorf("the peer's window holds %q, %v", text, err)
		}
		for vector := range vectors {
			crosses(t, peer.Doorbells[vector], f.server.Doorbell(vector))
			crosses(t, f.server.Interrupt(vector), peer.Interrupts[vector])
		}
	}
}

// crosses signals one eventfd twice and expects both on the other.
func crosses(t *testing.T, from, to *os.File) {
	t.Helper()
	for range 2 {
		if err := Signal(from); err != nil {
			t.Fatal(err)
		}
	}
	if err := to.SetReadDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	if count, err := Await(to); err != nil || count != 2 {
		t.Errorf("%s signaled twice gives %d, %v", from.Name(), count, err)
	}
}

func TestAllowIsAskedBeforeAnythingIsSent(t *testing.T) {
	refused := errors.New("not this domain's QEMU")
	asked := make(chan unix.Ucred, 2)
	f := serve(t, 1, func(peer unix.Ucred) error { asked <- peer; return refused })
	socket, err := net.Dial("unix", f.path)
	if err != nil {
		t.Fatal(err)
	}
	defer socket.Close()
	if received, err := io.ReadAll(socket); err != nil || len(received) != 0 {
		t.Errorf("a refused peer receives %d bytes, %v", len(received), err)
	}
	if peer := <-asked; peer.Pid != int32(os.Getpid()) {
		t.Errorf("allow was asked about %+v", peer)
	}
	if _, err := Dial(t.Context(), f.path, 1); !errors.Is(err, io.EOF) && !errors.Is(err, unix.ECONNRESET) {
		t.Errorf("a refused client sees %v", err)
	}
}

func TestOneQEMUAtATime(t *testing.T) {
	f := serve(t, 4, anybody)
	first := f.dial(t)
	f.expect(t, true)
	if second, err := Dial(t.Context(), f.path, 4); !errors.Is(err, io.EOF) {
		t.Fatalf("a second peer gets %+v, %v", second, err)
	}
	crosses(t, first.Doorbells[3], f.server.Doorbell(3))
	for range 20 {
		first.Close()
		first = f.dial(t) // at once: the domain was restarted
		f.expect(t, false)
		f.expect(t, true)
	}
	crosses(t, first.Doorbells[3], f.server.Doorbell(3))
	if _, err := first.socket.Write([]byte("x")); err != nil {
		t.Fatal(err)
	}
	f.expect(t, false)
	if _, connected := f.server.Connected(); connected {
		t.Error("a peer that speaks stays connected")
	}
}

func TestConnectionOutlivesServe(t *testing.T) {
	server, err := New(newWindow(t), 2, quiet())
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	listener, path := newListener(t)
	for range 3 {
		ctx, cancel := context.WithCancel(t.Context())
		result := make(chan error, 1)
		go func() { result <- server.Serve(ctx, listener, anybody) }()
		peer, err := Dial(t.Context(), path, 2)
		if err != nil {
			t.Fatal(err)
		}
		cancel()
		if err := <-result; err != nil {
			t.Errorf("serving ends with %v", err)
		}
		eventually(t, "connection", func() bool { _, connected := server.Connected(); return connected })
		peer.Close()
		eventually(t, "end of connection", func() bool { _, connected := server.Connected(); return !connected })
	}
}

func eventually(t *testing.T, what string, condition func() bool) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); !condition(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waiting for %s took too long", what)
		}
	}
}

// TestAdoptAfterRestart hands everything from one server to the next, as a restarted mediatord does.
func TestAdoptAfterRestart(t *testing.T) {
	f := serve(t, 2, anybody)
	peer := f.dial(t)
	f.expect(t, true)
	stored, err := f.server.ConnectionFile()
	if err != nil {
		t.Fatal(err)
	}
	defer stored.Close()
	duplicate := func(file *os.File) *os.File {
		fd, err := unix.FcntlInt(file.Fd(), unix.F_DUPFD_CLOEXEC, 0)
		if err != nil {
			t.Fatal(err)
		}
		return os.NewFile(uintptr(fd), file.Name())
	}
	var doorbells, interrupts []*os.File
	for vector := range 2 {
		doorbells = append(doorbells, duplicate(f.server.Doorbell(vector)))
		interrupts = append(interrupts, duplicate(f.server.Interrupt(vector)))
	}
	if err := f.server.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := f.server.ConnectionFile(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("a closed server's connection: %v", err)
	}

	next, err := Adopt(f.window, doorbells, interrupts, quiet())
	if err != nil {
		t.Fatal(err)
	}
	defer next.Close()
	if err := next.AdoptConnection(unixSocket(t, stored)); err != nil {
		t.Fatal(err)
	}
	if credentials, connected := next.Connected(); !connected || credentials.Pid != int32(os.Getpid()) {
		t.Errorf("adopted connection: %+v, %v", credentials, connected)
	}
	if err := next.AdoptConnection(unixSocket(t, stored)); !errors.Is(err, ErrBusy) {
		t.Errorf("a second adoption says %v", err)
	}
	crosses(t, peer.Doorbells[1], next.Doorbell(1))
	crosses(t, next.Interrupt(0), peer.Interrupts[0])
	peer.Close()
	eventually(t, "end of the adopted connection", func() bool { _, connected := next.Connected(); return !connected })
	next.Close()
	if err := next.AdoptConnection(unixSocket(t, stored)); !errors.Is(err, ErrClosed) {
		t.Errorf("a closed server adopts: %v", err)
	}
}

func unixSocket(t *testing.T, file *os.File) *net.UnixConn {
	t.Helper()
	socket, err := net.FileConn(file)
	if err != nil {
		t.Fatal(err)
	}
	return socket.(*net.UnixConn)
}

func TestCloseLeavesNoFileDescriptor(t *testing.T) {
	window := newWindow(t)
	listener, path := newListener(t)
	_ = openFiles(t)
	before := openFiles(t)
	server, err := New(window, MaxVectors, quiet())
	if err != nil {
		t.Fatal(err)
	}
	entered, proceed := make(chan struct{}, 1), make(chan struct{})
	var asked atomic.Int32
	result := make(chan error, 1)
	go func() {
		result <- server.Serve(t.Context(), listener, func(unix.Ucred) error {
			if asked.Add(1) == 1 {
				entered <- struct{}{}
				<-proceed
			}
			return nil
		})
	}()
	pending, err := net.Dial("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	<-entered
	peer, err := Dial(t.Context(), path, MaxVectors)
	if err != nil {
		t.Fatal(err)
	}
	go func() { time.Sleep(20 * time.Millisecond); close(proceed) }()
	if err := server.Close(); err != nil {
		t.Fatal(err)
	}
	if err := server.Close(); err != nil {
		t.Errorf("closing twice: %v", err)
	}
	if err := <-result; err != nil {
		t.Errorf("serving ends with %v", err)
	}
	if err := server.Serve(t.Context(), listener, anybody); !errors.Is(err, ErrClosed) {
		t.Errorf("serving a closed server: %v", err)
	}
	if _, err := peer.socket.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
		t.Errorf("the peer sees %v", err)
	}
	peer.Close()
	pending.Close()
	if after := openFiles(t); after != before {
		t.Errorf("open files before:\n%s\nafter:\n%s", before, after)
	}
}

// openFiles lists this process's file descriptors.
func openFiles(t *testing.T) string {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	var list []string
	for _, entry := range entries {
		target, err := os.Readlink("/proc/self/fd/" + entry.Name())
		if err == nil && !strings.Contains(target, "eventpoll") {
			list = append(list, entry.Name()+" "+target)
		}
	}
	return strings.Join(list, "\n")
}

func TestLimits(t *testing.T) {
	window := newWindow(t)
	for _, vectors := range []int{-1, 0, MaxVectors + 1} {
		if _, err := New(window, vectors, quiet()); err == nil {
			t.Errorf("a server with %d vectors was made", vectors)
		}
		if _, err := Dial(t.Context(), "/nonexistent", vectors); err == nil || !strings.Contains(err.Error(), "allowed are 1 to 256") {
			t.Errorf("dialing with %d vectors: %v", vectors, err)
		}
	}
	if _, err := Adopt(window, make([]*os.File, 2), make([]*os.File, 1), quiet()); err == nil {
		t.Error("unequal eventfds were adopted")
	}
}
