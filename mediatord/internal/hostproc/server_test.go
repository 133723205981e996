package hostproc

import (
	"context"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/sirupsen/logrus"
	"golang.org/x/sys/unix"

	"libvirt-vgpu/plugin/window"
)

const testChannels = 3

// stage is a server with a host side that the test plays.
type stage struct {
	*testing.T
	window   *window.Window
	server   *Server
	path     string
	hostDone chan struct{}

	mu      sync.Mutex
	held    []bool
	changes int
}

func newStage(t *testing.T) *stage {
	t.Helper()
	s := &stage{T: t, hostDone: make(chan struct{})}
	var err error
	if s.window, err = window.Create("test", 32<<20, testChannels); err != nil {
		t.Fatal(err)
	}
	log := logrus.New()
	log.SetOutput(io.Discard)
	s.server, err = New(Options{
		Window: s.window, Owner: uint32(os.Getuid()), Log: log,
		Connected: func() { s.mu.Lock(); s.changes++; s.mu.Unlock() },
		Held:      func(holds bool) { s.mu.Lock(); s.held = append(s.held, holds); s.mu.Unlock() },
	})
	if err != nil {
		t.Fatal(err)
	}
	s.path = filepath.Join(t.TempDir(), "session.sock")
	listener, err := net.ListenUnix("unixpacket", &net.UnixAddr{Name: s.path, Net: "unixpacket"})
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- s.server.Serve(listener) }()
	stop := make(chan struct{})
	go s.playHost(stop)
	t.Cleanup(func() {
		_ = listener.Close()
		if err := <-served; err != nil {
			t.Error(err)
		}
		s.server.Disconnect()
		close(stop)
		<-s.hostDone
		s.server.Close()
		_ = s.window.Close()
	})
	return s
}

// playHost cleans closed channels and returned chunks, like the reconcile loop.
func (s *stage) playHost(stop <-chan struct{}) {
	defer close(s.hostDone)
	for {
		select {
		case <-stop:
			return
		case <-time.After(2 * time.Millisecond):
		}
		for i := range testChannels {
			state, generation := s.window.Guest(i)
			if host, of := s.window.Host(i); state == window.GuestClosed && (host != window.HostFree || of != generation) {
				for chunk := range int(s.window.Chunks) {
					if s.window.Chunk(chunk).Owner() == i {
						s.window.SetChunk(chunk, 0)
					}
				}
				s.window.SetHost(i, window.HostFree, generation)
				signal(s.server.Interrupt(0))
			}
		}
		for chunk := range int(s.window.Chunks) {
			if s.window.Chunk(chunk).Returned() {
				s.window.SetChunk(chunk, 0)
				signal(s.server.Interrupt(0))
			}
		}
	}
}

type client struct {
	*stage
	conn *net.UnixConn
}

func (s *stage) dial() *client {
	s.Helper()
	conn, err := net.DialUnix("unixpacket", nil, &net.UnixAddr{Name: s.path, Net: "unixpacket"})
	if err != nil {
		s.Fatal(err)
	}
	s.Cleanup(func() { _ = conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(20 * time.Second))
	return &client{s, conn}
}

// ask sends a request and returns the reply and its files.
func (c *client) ask(m Message) (Message, []*os.File) {
	c.Helper()
	if _, err := c.conn.Write(m.Encode()); err != nil {
		c.Fatal(err)
	}
	data, control := make([]byte, 100), make([]byte, unix.CmsgSpace(4*8))
	n, controlled, _, _, err := c.conn.ReadMsgUnix(data, control)
	if err != nil {
		c.Fatal(err)
	}
	reply, err := Decode(data[:n])
	if err != nil {
		c.Fatal(err)
	}
	if reply.Type != m.Type || reply.LayoutVersion != window.LayoutVersion {
		c.Errorf("reply to type %d is %+v", m.Type, reply)
	}
	var files []*os.File
	messages, err := unix.ParseSocketControlMessage(control[:controlled])
	if err != nil {
		c.Fatal(err)
	}
	for _, m := range messages {
		fds, err := unix.ParseUnixRights(&m)
		if err != nil {
			c.Fatal(err)
		}
		for _, fd := range fds {
			file := os.NewFile(uintptr(fd), "received")
			c.Cleanup(func() { _ = file.Close() })
			files = append(files, file)
		}
	}
	return reply, files
}

func (c *client) expect(m Message, errno unix.Errno) Message {
	c.Helper()
	reply, _ := c.ask(m)
	if unix.Errno(reply.Error) != errno {
		c.Fatalf("%+v was answered with %v, want %v", m, unix.Errno(reply.Error), errno)
	}
	return reply
}

func openMessage() Message { return Message{Type: TypeOpen, LayoutVersion: window.LayoutVersion} }

func (s *stage) until(what string, condition func() bool) {
	s.Helper()
	for deadline := time.Now().Add(time.Minute); !condition(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			s.Fatalf("%s did not happen", what)
		}
	}
}

func TestOpenStartAllocFreeClose(t *testing.T) {
	s := newStage(t)
	c := s.dial()
	reply, files := c.ask(openMessage())
	if reply.Error != 0 || len(files) != 3 {
		t.Fatalf("open answered %+v with %d files", reply, len(files))
	}
	channel := int(reply.Channel)
	w, err := window.Map(files[0])
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	if p := w.Process(channel); p.PID != uint32(os.Getpid()) || p.UID != uint32(os.Getuid()) || p.Comm == "" {
		t.Errorf("process is %+v", p)
	}
	if state, generation := w.Guest(channel); state != window.GuestOpen || generation != 1 {
		t.Errorf("guest half is %d, %d", state, generation)
	}
	signal(files[1]) // the doorbell is the channel's own
	if n, err := s.server.Doorbell(1 + channel).Read(make([]byte, 8)); n != 8 || err != nil {
		t.Errorf("doorbell: %d, %v", n, err)
	}
	c.expect(Message{Type: TypeStart}, 0)
	c.expect(Message{Type: TypeStart}, 0)
	if state, _ := w.Guest(channel); state != window.GuestStart {
		t.Errorf("guest half is %d after start", state)
	}

	first := c.expect(Message{Type: TypeAlloc, Count: 3}, 0)
	second := c.expect(Message{Type: TypeAlloc, Count: 1}, 0)
	if first.Offset != 0 || first.Count != 3 || second.Offset != 3*window.ChunkSize {
		t.Errorf("allocated %+v, %+v", first, second)
	}
	if !w.OwnsChunks(channel, 0, 4) {
		t.Error("the chunks are not the channel's")
	}
	c.expect(Message{Type: TypeAlloc, Count: 0}, unix.EINVAL)
	c.expect(Message{Type: TypeAlloc, Count: w.Chunks + 1}, unix.EINVAL)
	c.expect(Message{Type: TypeAlloc, Count: w.Chunks - 3}, unix.ENOMEM)
	for _, bad := range []Message{
		{Count: 1, Offset: 1}, {Count: 1, Offset: 4 * window.ChunkSize}, {Count: 2, Offset: 3 * window.ChunkSize},
		{Count: 0}, {Count: 1 << 31}, {Count: 1, Offset: 1 << 63}, {Count: 1, Offset: ^uint64(0) - window.ChunkSize + 1},
	} {
		bad.Type = TypeFree
		c.expect(bad, unix.EINVAL)
	}
	c.expect(Message{Type: TypeFree, Count: 4}, 0)
	c.expect(Message{Type: TypeAlloc, Count: w.Chunks}, 0) // has to wait until the freed ones are clean
	_ = c.conn.Close()
	s.until("freeing the channel", func() bool {
		state, generation := s.window.Guest(channel)
		return state == window.GuestFree && generation == 1 && s.window.Chunk(0).Free()
	})
}

func TestRequestsOutOfOrder(t *testing.T) {
	s := newStage(t)
	c := s.dial()
	for _, kind := range []uint32{TypeStart, TypeAlloc, TypeFree} {
		c.expect(Message{Type: kind, Count: 1}, unix.EINVAL)
	}
	c.expect(Message{Type: 99}, unix.ENOTTY)
	c.expect(Message{Type: TypeOpen, LayoutVersion: 2}, unix.EPROTO)
	c.expect(openMessage(), 0)
	c.expect(openMessage(), unix.EINVAL)
	c.expect(Message{Type: TypeHold}, unix.EINVAL)
}

func TestOpenBeyondTheChannels(t *testing.T) {
	s := newStage(t)
	var clients []*client
	for range testChannels {
		c := s.dial()
		c.expect(openMessage(), 0)
		clients = append(clients, c)
	}
	late := s.dial()
	late.expect(openMessage(), unix.EBUSY)
	_ = clients[1].conn.Close()
	s.until("a closed channel", func() bool { state, _ := s.window.Guest(1); return state != window.GuestOpen })
	if reply := late.expect(openMessage(), 0); reply.Channel != 1 {
		t.Errorf("got channel %d", reply.Channel)
	}
	if _, generation := s.window.Guest(1); generation != 2 {
		t.Errorf("generation is %d", generation)
	}
}

func TestOthersChunksAreNotMineToFree(t *testing.T) {
	s := newStage(t)
	a, b := s.dial(), s.dial()
	a.expect(openMessage(), 0)
	b.expect(openMessage(), 0)
	a.expect(Message{Type: TypeAlloc, Count: 1}, 0)
	b.expect(Message{Type: TypeFree, Count: 1}, unix.EINVAL)
}

func TestHold(t *testing.T) {
	s := newStage(t)
	c := s.dial()
	c.expect(Message{Type: TypeHold}, 0)
	c.expect(openMessage(), unix.EINVAL)
	_ = c.conn.Close()
	s.until("the end of the hold", func() bool {
		s.mu.Lock()
		defer s.mu.Unlock()
		return len(s.held) == 2 && s.held[0] && !s.held[1]
	})
}

func TestNonsenseClosesTheConnection(t *testing.T) {
	s := newStage(t)
	random := rand.New(rand.NewPCG(3, 4))
	for _, size := range []int{1, 31, 32, 33, 4000} {
		c := s.dial()
		data := make([]byte, size)
		for i := range data {
			data[i] = byte(random.Uint32())
		}
		if _, err := c.conn.Write(data); err != nil {
			t.Fatal(err)
		}
		if n, err := c.conn.Read(make([]byte, 64)); n != 0 && err == nil {
			t.Errorf("%d random bytes were answered", size)
		}
	}
	s.dial().expect(openMessage(), 0) // others are still served
}

func TestStrangersAndCrowdsAreTurnedAway(t *testing.T) {
	s := newStage(t)
	for range 2*testChannels + 2 {
		s.dial().expect(Message{Type: 99}, unix.ENOTTY)
	}
	c := s.dial()
	if n, _ := c.conn.Read(make([]byte, 64)); n != 0 {
		t.Error("one connection too many was served")
	}
	if s.server.Connections() != 2*testChannels+2 {
		t.Errorf("%d connections", s.server.Connections())
	}
}

func TestAllocGivesUpWhenNothingIsComing(t *testing.T) {
	w, err := window.Create("test", 8<<20, 1)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	tables := newTables(w, func() {})
	begin := time.Now()
	w.SetChunk(0, window.OwnedBy(0))
	if _, errno := tables.alloc(context.Background(), 0, w.Chunks); errno != unix.ENOMEM {
		t.Errorf("answer is %v", errno)
	}
	if time.Since(begin) > 30*time.Second {
		t.Error("waited for nothing")
	}
	// A chunk that is being cleaned is waited for, but not for ever.
	w.SetChunk(0, window.OwnedBy(0)|window.ChunkEntry(window.ChunkReturned))
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	if _, errno := tables.alloc(ctx, 0, w.Chunks); errno != unix.ENOMEM || time.Since(begin) < 50*time.Millisecond {
		t.Errorf("answer is %v after %v", errno, time.Since(begin))
	}
}
