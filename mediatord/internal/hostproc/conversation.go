package hostproc

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"libvirt-vgpu/mediatord/internal/limit"
	"libvirt-vgpu/plugin/window"
)

// Connection is a process's connection with what it got: a channel, or the hold.
type Connection struct {
	Conn    *net.UnixConn
	Channel int    // -1 = none
	Opened  uint64 // number of the request that got the channel
	Holds   bool
}

// conversation is one connection in use.
type conversation struct {
	Connection
	server *Server
	peer   *unix.Ucred
	forget func() // what Options.Keep returned
}

// lookRate and lookBurst are how many looks a second a connection is listened to; nobody waits for an answer, so only that
// holds up who floods.
const lookRate, lookBurst = 500, 100

// converse answers a connection's requests until it ends, then frees what it
// had. A request is taken off the socket after its answer: if this process dies
// in between, the next one answers it, perhaps a second time.
func (c *conversation) converse() {
	defer c.end()
	buffer := make([]byte, MessageSize+1)
	looks := limit.NewBucket(lookRate, lookBurst)
	for {
		n, err := c.receive(buffer, unix.MSG_PEEK)
		if err != nil || n == 0 {
			return
		}
		request, err := Decode(buffer[:n])
		if err != nil {
			c.server.log.WithField("pid", c.peer.Pid).Warn("process sent nonsense on the vgpu socket; closing its connection")
			return
		}
		if request.Type == TypeLook {
			time.Sleep(looks.Wait(time.Now()))
			looks.Take(time.Now())
			c.server.tables.kick()
		} else if reply, files := c.answer(request); c.send(reply, files) != nil {
			return
		}
		if _, err := c.receive(buffer, 0); err != nil {
			return
		}
	}
}

// receive waits for a message; 0 bytes are the end.
func (c *conversation) receive(buffer []byte, flags int) (int, error) {
	raw, err := c.Conn.SyscallConn()
	if err != nil {
		return 0, fmt.Errorf("receiving request: %w", err)
	}
	var n int
	var recvErr error
	err = raw.Read(func(fd uintptr) bool {
		for {
			n, _, recvErr = unix.Recvfrom(int(fd), buffer, flags|unix.MSG_DONTWAIT)
			if recvErr != unix.EINTR {
				return recvErr != unix.EAGAIN
			}
		}
	})
	if err = errors.Join(err, recvErr); err != nil {
		return 0, fmt.Errorf("receiving request: %w", err)
	}
	return n, nil
}

func (c *conversation) end() {
	if c.Channel >= 0 {
		c.server.tables.close(c.Channel)
	}
	c.forget()
	if c.Holds {
		c.server.held(false)
	}
}

// answer makes the reply to a request and the files that go with it.
func (c *conversation) answer(request Message) (Message, []*os.File) {
	reply := Message{Type: request.Type, LayoutVersion: window.LayoutVersion, Number: request.Number}
	var files []*os.File
	var errno unix.Errno
	switch request.Type {
	case TypeOpen:
		files, errno = c.open(request)
	case TypeStart:
		if errno = c.needChannel(); errno == 0 {
			c.server.tables.start(c.Channel)
		}
	case TypeAlloc:
		reply.Count = request.Count
		reply.Offset, errno = c.alloc(request.Count)
	case TypeFree:
		if errno = c.needChannel(); errno == 0 {
			errno = c.server.tables.free(c.Channel, request.Offset, request.Count)
		}
	case TypeHold:
		switch {
		case c.Channel >= 0:
			errno = unix.EINVAL
		case !c.Holds:
			c.Holds = true
			c.forget = c.server.keep(c.Connection)
			c.server.held(true)
		}
	default:
		errno = unix.ENOTTY
	}
	reply.Error = int32(errno)
	if c.Channel >= 0 {
		reply.Channel = uint32(c.Channel)
	}
	return reply, files
}

func (c *conversation) open(request Message) ([]*os.File, unix.Errno) {
	if request.LayoutVersion != window.LayoutVersion {
		return nil, unix.EPROTO
	}
	if c.Channel >= 0 && request.Number != 0 && request.Number == c.Opened {
		return c.files(), 0 // asked of an earlier process, whose answer may have been lost
	}
	if c.Channel >= 0 || c.Holds {
		return nil, unix.EINVAL
	}
	ctx, cancel := context.WithTimeout(c.server.ctx, patience)
	defer cancel()
	channel, errno := c.server.tables.open(ctx, window.Process{
		PID: uint32(c.peer.Pid), UID: c.peer.Uid, Comm: comm(int(c.peer.Pid)),
	})
	if errno != 0 {
		return nil, errno
	}
	c.Channel, c.Opened = channel, request.Number
	c.forget = c.server.keep(c.Connection)
	return c.files(), 0
}

func (c *conversation) files() []*os.File {
	return []*os.File{c.server.window.File(), c.server.Doorbell(1 + c.Channel), c.server.Interrupt(1 + c.Channel)}
}

func (c *conversation) alloc(count uint32) (uint64, unix.Errno) {
	if errno := c.needChannel(); errno != 0 {
		return 0, errno
	}
	ctx, cancel := context.WithTimeout(c.server.ctx, patience)
	defer cancel()
	first, errno := c.server.tables.alloc(ctx, c.Channel, count)
	return uint64(first) * window.ChunkSize, errno
}

func (c *conversation) needChannel() unix.Errno {
	if c.Channel < 0 {
		return unix.EINVAL
	}
	return 0
}

func (c *conversation) send(reply Message, files []*os.File) error {
	var fds []int
	for _, file := range files {
		fds = append(fds, int(file.Fd())) // non-blocking since made, so Fd leaves them alone
	}
	var rights []byte
	if len(fds) > 0 {
		rights = unix.UnixRights(fds...)
	}
	if _, _, err := c.Conn.WriteMsgUnix(reply.Encode(), rights, nil); err != nil {
		return fmt.Errorf("answering: %w", err)
	}
	return nil
}

// comm is the name of a process, "" if it is gone.
func comm(pid int) string {
	name, err := os.ReadFile(fmt.Sprintf("/proc/%d/comm", pid))
	if err != nil {
		return ""
	}
	return strings.TrimSuffix(string(name), "\n")
}
