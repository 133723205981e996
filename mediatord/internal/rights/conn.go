// Package rights reads and writes a stream socket over which file descriptors
// travel beside the bytes (SCM_RIGHTS).
//
// A descriptor arrives no later than the first byte of the write that sent it,
// so a message that says that it has one finds it at the head of the queue.
package rights

import (
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"sync"

	"golang.org/x/sys/unix"
)

// MaxWaiting is the number of descriptors that may wait to be taken: a peer
// that sends more speaks no protocol of ours.
const MaxWaiting = 16

// ErrDescriptor: a peer sent more descriptors than messages, or fewer.
var ErrDescriptor = errors.New("file descriptors do not go with the messages")

// Conn is one end of the socket. One goroutine reads, any number writes.
type Conn struct {
	socket *os.File

	writing sync.Mutex

	mu      sync.Mutex // guards waiting
	waiting []*os.File
}

// New speaks over socket, which stays the caller's.
func New(socket *os.File) *Conn { return &Conn{socket: socket} }

// Read reads bytes and keeps the descriptors that come with them.
func (c *Conn) Read(p []byte) (int, error) {
	raw, err := c.socket.SyscallConn()
	if err != nil {
		return 0, fmt.Errorf("reading socket: %w", err)
	}
	oob := make([]byte, unix.CmsgSpace(4*MaxWaiting))
	var n, oobn, flags int
	var recvErr error
	err = raw.Read(func(fd uintptr) bool {
		for {
			n, oobn, flags, _, recvErr = unix.Recvmsg(int(fd), p, oob, unix.MSG_CMSG_CLOEXEC)
			if recvErr != unix.EINTR {
				return recvErr != unix.EAGAIN
			}
		}
	})
	if err == nil {
		err = recvErr
	}
	if err != nil {
		return 0, err
	}
	if err := c.keep(oob[:oobn]); err != nil {
		return 0, err
	}
	if flags&unix.MSG_CTRUNC != 0 {
		return 0, ErrDescriptor
	}
	if n == 0 && len(p) > 0 {
		return 0, io.EOF
	}
	return n, nil
}

// keep queues the descriptors of one message.
func (c *Conn) keep(oob []byte) error {
	messages, err := unix.ParseSocketControlMessage(oob)
	if err != nil {
		return fmt.Errorf("reading socket: %w", err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, m := range messages {
		fds, err := unix.ParseUnixRights(&m)
		if err != nil {
			continue
		}
		for _, fd := range fds {
			c.waiting = append(c.waiting, os.NewFile(uintptr(fd), "received"))
		}
	}
	if len(c.waiting) > MaxWaiting {
		return ErrDescriptor
	}
	return nil
}

// Take returns the oldest descriptor that was not taken. ErrDescriptor: none.
func (c *Conn) Take() (*os.File, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.waiting) == 0 {
		return nil, ErrDescriptor
	}
	f := c.waiting[0]
	c.waiting = c.waiting[1:]
	return f, nil
}

// Send writes p, with a descriptor unless file is nil. The file stays the
// caller's. Writes of several goroutines do not mix.
func (c *Conn) Send(p []byte, file *os.File) error {
	c.writing.Lock()
	defer c.writing.Unlock()
	var oob []byte
	if file != nil {
		other, err := file.SyscallConn()
		if err != nil {
			return fmt.Errorf("sending descriptor: %w", err)
		}
		var sendErr error
		err = other.Control(func(fd uintptr) {
			oob = unix.UnixRights(int(fd))
			sendErr = c.send(p, oob)
		})
		if err != nil {
			return fmt.Errorf("sending descriptor: %w", err)
		}
		return sendErr
	}
	return c.send(p, nil)
}

func (c *Conn) send(p, oob []byte) error {
	raw, err := c.socket.SyscallConn()
	if err != nil {
		return fmt.Errorf("writing socket: %w", err)
	}
	for len(p) > 0 {
		var n int
		var sendErr error
		err := raw.Write(func(fd uintptr) bool {
			for {
				n, sendErr = unix.SendmsgN(int(fd), p, oob, nil, unix.MSG_NOSIGNAL)
				if sendErr != unix.EINTR {
					return sendErr != unix.EAGAIN
				}
			}
		})
		if err == nil {
			err = sendErr
		}
		if err != nil {
			return fmt.Errorf("writing socket: %w", err)
		}
		p, oob = p[n:], nil
	}
	return nil
}

// SendAll writes p with descriptors, MaxWaiting at most. The files stay the
// caller's.
func (c *Conn) SendAll(p []byte, files []*os.File) error {
	fds := make([]int, len(files))
	for i, f := range files {
		fds[i] = int(f.Fd())
	}
	c.writing.Lock()
	defer c.writing.Unlock()
	err := c.send(p, unix.UnixRights(fds...))
	runtime.KeepAlive(files)
	return err
}

// Drop closes what was not taken.
func (c *Conn) Drop() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, f := range c.waiting {
		_ = f.Close()
	}
	c.waiting = nil
}
