package hostproc

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"sync"
	"time"

	"github.com/sirupsen/logrus"
	"golang.org/x/sys/unix"

	"libvirt-vgpu/plugin/ivshmem"
	"libvirt-vgpu/plugin/window"
)

// patience is how long OPEN and ALLOC wait for what is being cleaned.
const patience = 3 * time.Second

// Server serves one session's socket.
type Server struct {
	tables    *tables
	window    *window.Window
	owner     uint32 // uid that may connect, beside root
	eventfds  eventfds
	log       logrus.FieldLogger
	connected func()           // the number of processes changed
	held      func(holds bool) // the session's HOLD connection came or went
	keep      func(Connection) (forget func())

	ctx  context.Context // ends at Close
	end  context.CancelFunc
	work sync.WaitGroup

	mu    sync.Mutex // guards conns
	conns map[*net.UnixConn]struct{}
}

// Options are a session's particulars.
type Options struct {
	Window *window.Window // the caller's, open until Close returned
	Owner  uint32         // uid that may connect, beside root
	// Connected is called when a connection came or went; Held when the one
	// that holds the session did. Neither may call Close.
	Connected func()
	Held      func(holds bool)
	// Keep is told of every connection that got something, for a process that
	// starts after this one; what it returns is called at its end. It may be nil.
	Keep func(Connection) (forget func())
	Log  logrus.FieldLogger
	// Doorbells and Interrupts are an earlier process's, one of each for every
	// vector, or none. They are the Server's unless New fails.
	Doorbells, Interrupts []*os.File
}

// New makes the server of a window.
func New(o Options) (*Server, error) {
	fds, err := newEventfds(int(o.Window.Channels)+1, eventfds{o.Doorbells, o.Interrupts})
	if err != nil {
		return nil, fmt.Errorf("creating host-process server: %w", err)
	}
	s := &Server{
		window: o.Window, owner: o.Owner, eventfds: fds, log: o.Log,
		connected: o.Connected, held: o.Held, keep: o.Keep, conns: map[*net.UnixConn]struct{}{},
	}
	if s.keep == nil {
		s.keep = func(Connection) func() { return func() {} }
	}
	s.tables = newTables(o.Window, func() { signal(fds.doorbells[window.VectorControl]) })
	s.ctx, s.end = context.WithCancel(context.Background())
	s.work.Add(1)
	go func() {
		defer s.work.Done()
		s.handleInterrupts()
	}()
	return s, nil
}

// Doorbell is the eventfd that a process rings; it is open until Close.
func (s *Server) Doorbell(vector int) *os.File { return s.eventfds.doorbells[vector] }

// Interrupt is the eventfd that wakes a process; it is open until Close.
func (s *Server) Interrupt(vector int) *os.File { return s.eventfds.interrupts[vector] }

// Connections counts the processes that are connected.
func (s *Server) Connections() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.conns)
}

// Serve accepts processes until the listener is closed, and returns nil then.
func (s *Server) Serve(listener *net.UnixListener) error {
	for {
		conn, err := listener.AcceptUnix()
		switch {
		case errors.Is(err, net.ErrClosed):
			return nil
		case errors.Is(err, unix.EMFILE), errors.Is(err, unix.ENFILE), errors.Is(err, unix.ENOMEM), errors.Is(err, unix.ENOBUFS):
			s.log.WithError(err).Warn("accepting process failed, trying again")
			time.Sleep(100 * time.Millisecond)
		case err != nil:
			return fmt.Errorf("accepting process: %w", err)
		default:
			s.admit(conn)
		}
	}
}

// admit gives a connection its goroutine, within bounds: every channel and as
// many more for requests that are refused and for HOLD.
func (s *Server) admit(conn *net.UnixConn) {
	peer, err := credentials(conn)
	if err == nil && peer.Uid != 0 && peer.Uid != s.owner {
		err = fmt.Errorf("uid %d is neither the session's owner %d nor root", peer.Uid, s.owner)
	}
	s.mu.Lock()
	full := len(s.conns) >= 2*int(s.window.Channels)+2
	s.mu.Unlock()
	if err == nil && !full && s.begin(&conversation{server: s, Connection: Connection{Conn: conn, Channel: -1}, peer: peer, forget: func() {}}) {
		return
	}
	if err != nil {
		s.log.WithError(err).Warn("turning a process away")
	}
	_ = conn.Close()
}

// Adopt takes over the connections that an earlier process kept. A channel that
// none of them has was opened for a process that was never told, or is gone: it
// closes. Adopt must come before Serve.
func (s *Server) Adopt(kept []Connection, forget []func()) {
	owned := map[int]bool{}
	for i, k := range kept {
		peer, err := credentials(k.Conn)
		if err != nil || k.Channel >= int(s.window.Channels) || owned[k.Channel] {
			s.log.WithError(err).WithField("channel", k.Channel).Warn("a process's connection is lost")
			forget[i]()
			_ = k.Conn.Close()
			continue
		}
		if k.Channel >= 0 {
			owned[k.Channel] = true
		}
		if k.Holds {
			s.held(true)
		}
		s.begin(&conversation{server: s, Connection: k, peer: peer, forget: forget[i]})
	}
	for i := range int(s.window.Channels) {
		if state, _ := s.window.Guest(i); !owned[i] && (state == window.GuestOpen || state == window.GuestStart) {
			s.tables.close(i)
		}
	}
	s.tables.hostChanged()
}

// begin gives a conversation its goroutine; false after Disconnect.
func (s *Server) begin(c *conversation) bool {
	s.mu.Lock()
	if s.ctx.Err() != nil {
		s.mu.Unlock()
		return false
	}
	s.conns[c.Conn] = struct{}{}
	s.work.Add(1)
	s.mu.Unlock()
	s.connected()
	go func() {
		defer s.work.Done()
		c.converse()
		_ = c.Conn.Close()
		s.mu.Lock()
		delete(s.conns, c.Conn)
		s.mu.Unlock()
		s.connected()
	}()
	return true
}

// handleInterrupts plays vector 0's interrupt handler.
func (s *Server) handleInterrupts() {
	for {
		if _, err := ivshmem.Await(s.eventfds.interrupts[window.VectorControl]); err != nil || s.ctx.Err() != nil {
			return
		}
		s.tables.hostChanged()
	}
}

// Disconnect ends all connections, so that their channels close, and waits for
// that. The eventfds stay.
func (s *Server) Disconnect() {
	s.mu.Lock()
	s.end()
	for conn := range s.conns {
		_ = conn.Close()
	}
	s.mu.Unlock()
	signal(s.eventfds.interrupts[window.VectorControl])
	s.work.Wait()
}

// Close disconnects and closes the eventfds. The listener must be closed
// before, and nobody may use the eventfds any more.
func (s *Server) Close() {
	s.Disconnect()
	s.eventfds.close()
}

func signal(eventfd *os.File) { _ = ivshmem.Signal(eventfd) } // fails only when full, which is a signal already

func credentials(conn *net.UnixConn) (*unix.Ucred, error) {
	raw, err := conn.SyscallConn()
	if err != nil {
		return nil, fmt.Errorf("reading peer credentials: %w", err)
	}
	var peer *unix.Ucred
	var optErr error
	err = raw.Control(func(fd uintptr) {
		peer, optErr = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED)
	})
	if err = errors.Join(err, optErr); err != nil {
		return nil, fmt.Errorf("reading peer credentials: %w", err)
	}
	return peer, nil
}
