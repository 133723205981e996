package ivshmem

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
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
	case <-time.After(time.Minute):
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
	if err := to.SetReadDeadline(time.Now().Add(time.Minute)); err != nil {
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
	refusal := "\xfe\xff\xff\xff\xff\xff\xff\xff"
	if received, err := io.ReadAll(socket); err != nil || string(received) != refusal {
		t.Errorf("a refused peer receives %q, %v", received, err)
	}
	if peer := <-asked; peer.Pid != int32(os.Getpid()) {
		t.Errorf("allow was asked about %+v", peer)
	}
	if _, err := Dial(t.Context(), f.path, 1); !errors.Is(err, ErrRefused) {
		t.Errorf("a refused client sees %v", err)
	}
}

func TestOneQEMUAtATime(t *testing.T) {
	f := serve(t, 4, anybody)
	first := f.dial(t)
	f.expect(t, true)
	if second, err := Dial(t.Context(), f.path, 4); !errors.Is(err, ErrRefused) {
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
