package ivshmem

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

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
	for deadline := time.Now().Add(30 * time.Second); !condition(); time.Sleep(time.Millisecond) {
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
	if err := peer.socket.SetReadDeadline(time.Now().Add(50 * time.Millisecond)); err != nil {
		t.Fatal(err)
	}
	if n, err := peer.socket.Read(make([]byte, 8)); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("the adopted QEMU was sent %d bytes, %v", n, err)
	}
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
