package ivshmem

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
)

// handshakeTimeout bounds the sending of the setup messages; they fit into the socket's buffer.
const handshakeTimeout = 5 * time.Second

// refusalTimeout bounds the sending of a refusal.
const refusalTimeout = time.Second

// acceptRetry is the pause after an accept that failed for want of file descriptors or memory.
const acceptRetry = 100 * time.Millisecond

// Event is a change of the connection.
type Event struct {
	// Connected is true after a complete handshake, false after the end of the connection.
	Connected bool
	// Peer is the QEMU process as the kernel knows it.
	Peer unix.Ucred
}

// Server serves one domain.
type Server struct {
	window                *os.File
	doorbells, interrupts []*os.File
	log                   logrus.FieldLogger

	// ending is done from Close on.
	ending context.Context
	end    context.CancelFunc
	// work counts Serve calls and connections.
	work sync.WaitGroup

	mu       sync.Mutex
	observer func(Event)
	closed   bool
	accepted map[*connection]struct{}
	// current is the connection that QEMU's handshake went or goes over.
	current *connection
}

// connection is one accepted socket.
type connection struct {
	socket *net.UnixConn
	peer   unix.Ucred
	// established is set if the handshake was an earlier process's: such a QEMU must not be sent anything.
	established bool
	// ready is set after the handshake, under Server.mu.
	ready bool
	// gone is closed when the connection has left the server.
	gone chan struct{}
}

// New makes a server with fresh eventfds for vectors 0 to vectors-1, 1 to MaxVectors of them. The window stays the caller's and must
// stay open until Close; its size must be a power of two and sealed, or the guest's QEMU aborts.
func New(window *os.File, vectors int, log logrus.FieldLogger) (*Server, error) {
	if vectors < 1 || vectors > MaxVectors {
		return nil, fmt.Errorf("creating ivshmem server: %d vectors: allowed are 1 to %d", vectors, MaxVectors)
	}
	doorbells, err := newEventfds(vectors, "doorbell")
	if err != nil {
		return nil, fmt.Errorf("creating ivshmem server: %w", err)
	}
	interrupts, err := newEventfds(vectors, "interrupt")
	if err != nil {
		closeAll(doorbells)
		return nil, fmt.Errorf("creating ivshmem server: %w", err)
	}
	return Adopt(window, doorbells, interrupts, log)
}

// Adopt makes a server from eventfds of an earlier process, one pair per vector. They belong to the server unless Adopt fails.
func Adopt(window *os.File, doorbells, interrupts []*os.File, log logrus.FieldLogger) (*Server, error) {
	if len(doorbells) != len(interrupts) || len(doorbells) < 1 || len(doorbells) > MaxVectors {
		return nil, fmt.Errorf("adopting eventfds: %d doorbells and %d interrupts: allowed are 1 to %d of each, as many of one as of the other",
			len(doorbells), len(interrupts), MaxVectors)
	}
	s := &Server{window: window, doorbells: doorbells, interrupts: interrupts, log: log, accepted: map[*connection]struct{}{}}
	s.ending, s.end = context.WithCancel(context.Background())
	return s, nil
}

// Observe sets the function that is told of every change of the connection, in order. It must be set before Serve and
// AdoptConnection, and must not call Close.
func (s *Server) Observe(observer func(Event)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.observer = observer
}

// Vectors returns the number of vectors.
func (s *Server) Vectors() int { return len(s.doorbells) }

// Doorbell returns the eventfd that the guest signals by a doorbell write for the host and this vector. It is the server's:
// it is open until Close.
func (s *Server) Doorbell(vector int) *os.File { return s.doorbells[vector] }

// Interrupt returns the eventfd that raises the guest's MSI-X vector. It is the server's: it is open until Close.
func (s *Server) Interrupt(vector int) *os.File { return s.interrupts[vector] }

// Connected returns the QEMU process that has completed the handshake and is still there, and whether there is one.
func (s *Server) Connected() (unix.Ucred, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.current == nil || !s.current.ready {
		return unix.Ucred{}, false
	}
	return s.current.peer, true
}

// ConnectionFile returns a duplicate of QEMU's connection, for a store that outlives this process; the caller closes it. While the
// duplicate is open QEMU does not notice that the server is gone. The error is net.ErrClosed if QEMU is not connected.
func (s *Server) ConnectionFile() (*os.File, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.current == nil || !s.current.ready {
		return nil, fmt.Errorf("duplicating QEMU's connection: %w", net.ErrClosed)
	}
	file, err := s.current.socket.File()
	if err != nil {
		return nil, fmt.Errorf("duplicating QEMU's connection: %w", err)
	}
	return file, nil
}

// Serve accepts QEMU on the listener until the context or the server ends, and returns nil then. allow is asked about every peer before
// anything is sent to it and may run several times at once. One QEMU is connected at a time; another is turned away while the first
// lives; QEMU ends with an error then. The listener stays the caller's and stays open. The connection outlives Serve; Close ends it.
func (s *Server) Serve(ctx context.Context, listener *net.UnixListener, allow func(unix.Ucred) error) error {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return ErrClosed
	}
	s.work.Add(1)
	s.mu.Unlock()
	defer s.work.Done()

	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(s.ending, cancel)()
	if err := listener.SetDeadline(time.Time{}); err != nil {
		return fmt.Errorf("serving ivshmem: %w", err)
	}
	interrupted := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		_ = listener.SetDeadline(time.Now())
		close(interrupted)
	})
	defer func() {
		if !stop() {
			<-interrupted // or it would interrupt the next Serve
		}
	}()
	for {
		socket, err := listener.AcceptUnix()
		switch {
		case ctx.Err() != nil:
			if err == nil {
				refuse(socket)
				_ = socket.Close()
			}
			return nil
		case errors.Is(err, unix.EMFILE), errors.Is(err, unix.ENFILE), errors.Is(err, unix.ENOMEM), errors.Is(err, unix.ENOBUFS):
			s.log.WithError(err).Warn("accepting QEMU failed, trying again")
			select {
			case <-time.After(acceptRetry):
			case <-ctx.Done():
			}
		case err != nil:
			return fmt.Errorf("accepting QEMU: %w", err)
		default:
			s.start(&connection{socket: socket, gone: make(chan struct{})}, func(c *connection) error { return s.welcome(c, allow) })
		}
	}
}

// AdoptConnection takes over a connection of an earlier process whose handshake is complete. The socket is the server's from here on,
// also on an error, which is ErrBusy or ErrClosed.
func (s *Server) AdoptConnection(socket *net.UnixConn) error {
	c := &connection{socket: socket, established: true, gone: make(chan struct{})}
	result := make(chan error, 1)
	started := s.start(c, func(c *connection) error {
		var err error
		if c.peer, err = peerCredentials(c.socket); err == nil {
			err = s.claim(c)
		}
		result <- err
		return err
	})
	if !started {
		return ErrClosed
	}
	return <-result
}

// Close ends Serve, the connection and the eventfds; after it the server holds no file descriptor. It waits for a running allow and turns
// peers away that have not finished the handshake.
func (s *Server) Close() error {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return nil
	}
	s.closed = true
	for c := range s.accepted {
		if c.ready { // one that is not is turned away by its own goroutine
			_ = c.socket.Close()
		}
	}
	s.mu.Unlock()
	s.end()
	s.work.Wait()
	closeAll(s.doorbells)
	closeAll(s.interrupts)
	return nil
}
