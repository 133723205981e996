package ivshmem

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// start runs a connection's life in its own goroutine: admission, then waiting for its end. It reports false, and turns the peer away,
// if the server is closed.
func (s *Server) start(c *connection, admit func(*connection) error) bool {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		c.turnAway()
		_ = c.socket.Close()
		return false
	}
	s.accepted[c] = struct{}{}
	s.work.Add(1)
	s.mu.Unlock()
	go func() {
		defer s.work.Done()
		defer close(c.gone)
		if err := admit(c); err != nil {
			s.log.WithError(err).WithFields(peerFields(c.peer)).Warn("turning a peer away")
			c.turnAway()
			s.leave(c)
			return
		}
		s.log.WithFields(peerFields(c.peer)).Info("QEMU connected")
		s.tell(Event{Connected: true, Peer: c.peer})
		s.awaitEnd(c)
		s.stopBeingReady(c)
		s.log.WithFields(peerFields(c.peer)).Info("QEMU disconnected")
		s.tell(Event{Connected: false, Peer: c.peer})
		s.leave(c) // last, so that a successor's event comes after this one
	}()
	return true
}

// welcome decides about a new peer and sends it the setup messages.
func (s *Server) welcome(c *connection, allow func(unix.Ucred) error) error {
	var err error
	if c.peer, err = peerCredentials(c.socket); err != nil {
		return err
	}
	if err := allow(c.peer); err != nil {
		return fmt.Errorf("checking peer: %w", err)
	}
	if err := s.reserve(c); err != nil {
		return err
	}
	if err := s.sendSetup(c.socket); err != nil {
		return err
	}
	return s.becomeReady(c)
}

// claim makes c the current connection with its handshake complete.
func (s *Server) claim(c *connection) error {
	if err := s.reserve(c); err != nil {
		return err
	}
	return s.becomeReady(c)
}

// reserve makes c the current connection. A predecessor whose QEMU is gone, but whose goroutine has not seen it, is waited for.
func (s *Server) reserve(c *connection) error {
	for {
		s.mu.Lock()
		if s.closed {
			s.mu.Unlock()
			return ErrClosed
		}
		predecessor := s.current
		if predecessor == nil {
			s.current = c
			s.mu.Unlock()
			return nil
		}
		s.mu.Unlock()
		if !hungUp(predecessor.socket) {
			return fmt.Errorf("%w: pid %d", ErrBusy, predecessor.peer.Pid)
		}
		<-predecessor.gone
	}
}

func (s *Server) becomeReady(c *connection) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return ErrClosed
	}
	c.ready = true
	return nil
}

func (s *Server) stopBeingReady(c *connection) {
	_ = c.socket.Close()
	s.mu.Lock()
	defer s.mu.Unlock()
	c.ready = false
}

// leave closes the socket and frees the place.
func (s *Server) leave(c *connection) {
	_ = c.socket.Close()
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.accepted, c)
	if s.current == c {
		s.current = nil
	}
}

func (s *Server) tell(event Event) {
	s.mu.Lock()
	observer := s.observer
	s.mu.Unlock()
	if observer != nil {
		observer(event)
	}
}

// awaitEnd returns when QEMU is gone, the server closes, or the peer says anything: QEMU never does.
func (s *Server) awaitEnd(c *connection) {
	var unexpected [1]byte
	_, err := c.socket.Read(unexpected[:])
	switch {
	case err == nil:
		s.log.WithFields(peerFields(c.peer)).Warn("peer sent data on the ivshmem socket, which QEMU never does; ending its connection")
	case errors.Is(err, io.EOF), errors.Is(err, net.ErrClosed), errors.Is(err, unix.ECONNRESET):
	default:
		s.log.WithError(err).WithFields(peerFields(c.peer)).Warn("reading from QEMU failed")
	}
}

// sendSetup sends the whole handshake.
func (s *Server) sendSetup(socket *net.UnixConn) error {
	if err := socket.SetWriteDeadline(time.Now().Add(handshakeTimeout)); err != nil {
		return fmt.Errorf("sending setup: %w", err)
	}
	if err := send(socket, protocolVersion, nil); err != nil {
		return fmt.Errorf("sending version: %w", err)
	}
	if err := send(socket, GuestID, nil); err != nil {
		return fmt.Errorf("sending id: %w", err)
	}
	if err := send(socket, memoryMessage, s.window); err != nil {
		return fmt.Errorf("sending window: %w", err)
	}
	for vector, doorbell := range s.doorbells {
		if err := send(socket, HostID, doorbell); err != nil {
			return fmt.Errorf("sending doorbell %d: %w", vector, err)
		}
	}
	for vector, interrupt := range s.interrupts {
		if err := send(socket, GuestID, interrupt); err != nil {
			return fmt.Errorf("sending interrupt %d: %w", vector, err)
		}
	}
	return socket.SetWriteDeadline(time.Time{})
}

// turnAway ends the setup of a QEMU that is in it.
func (c *connection) turnAway() {
	if !c.established {
		refuse(c.socket)
	}
}

// refuse ends QEMU's setup with an error. It is best effort: a peer that does not read gets nothing.
func refuse(socket *net.UnixConn) {
	if err := socket.SetWriteDeadline(time.Now().Add(refusalTimeout)); err == nil {
		_ = send(socket, refusalMessage, nil)
	}
}

// send sends one message, with a file descriptor unless file is nil.
func send(socket *net.UnixConn, value int64, file *os.File) error {
	message := binary.LittleEndian.AppendUint64(nil, uint64(value))
	var rights []byte
	if file != nil {
		raw, err := file.SyscallConn()
		if err != nil {
			return err
		}
		if err := raw.Control(func(fd uintptr) { rights = unix.UnixRights(int(fd)) }); err != nil {
			return err
		}
	}
	written, _, err := socket.WriteMsgUnix(message, rights, nil)
	if err == nil && written != len(message) {
		err = io.ErrShortWrite
	}
	return err
}

// peerCredentials returns who the kernel says opened the connection.
func peerCredentials(socket *net.UnixConn) (unix.Ucred, error) {
	raw, err := socket.SyscallConn()
	if err != nil {
		return unix.Ucred{}, fmt.Errorf("reading peer credentials: %w", err)
	}
	var credentials *unix.Ucred
	var optionErr error
	err = raw.Control(func(fd uintptr) {
		credentials, optionErr = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED)
	})
	if err = errors.Join(err, optionErr); err != nil {
		return unix.Ucred{}, fmt.Errorf("reading peer credentials: %w", err)
	}
	return *credentials, nil
}

// hungUp reports whether the other side of the socket is closed, or this one.
func hungUp(socket *net.UnixConn) bool {
	raw, err := socket.SyscallConn()
	if err != nil {
		return true
	}
	hung := true
	err = raw.Control(func(fd uintptr) {
		poll := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLRDHUP}}
		_, pollErr := unix.Poll(poll, 0)
		hung = pollErr == nil && poll[0].Revents&(unix.POLLRDHUP|unix.POLLHUP|unix.POLLERR) != 0
	})
	return err != nil || hung
}

func peerFields(peer unix.Ucred) map[string]any {
	return map[string]any{"pid": peer.Pid, "uid": peer.Uid}
}
