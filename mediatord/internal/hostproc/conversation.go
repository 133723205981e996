package hostproc

import (
	"context"
	"fmt"
	"net"
	"os"
	"strings"

	"golang.org/x/sys/unix"

	"libvirt-vgpu/plugin/window"
)

// conversation is one connection: first nothing, then a channel or the hold.
type conversation struct {
	server  *Server
	conn    *net.UnixConn
	peer    *unix.Ucred
	channel int // -1 = none
	holds   bool
}

// converse answers a connection's requests until it ends, then frees what it
// had.
func (s *Server) converse(conn *net.UnixConn, peer *unix.Ucred) {
	c := conversation{server: s, conn: conn, peer: peer, channel: -1}
	defer c.end()
	buffer := make([]byte, MessageSize+1)
	for {
		n, _, flags, _, err := conn.ReadMsgUnix(buffer, nil)
		if err != nil || n == 0 {
			return
		}
		request, err := Decode(buffer[:n])
		if err != nil || flags&unix.MSG_TRUNC != 0 {
			s.log.WithField("pid", peer.Pid).Warn("process sent nonsense on the vgpu socket; closing its connection")
			return
		}
		reply, files := c.answer(request)
		if err := c.send(reply, files); err != nil {
			return
		}
	}
}

func (c *conversation) end() {
	if c.channel >= 0 {
		c.server.tables.close(c.channel)
	}
	if c.holds {
		c.server.held(false)
	}
}

// answer makes the reply to a request and the files that go with it.
func (c *conversation) answer(request Message) (Message, []*os.File) {
	reply := Message{Type: request.Type, LayoutVersion: window.LayoutVersion}
	var files []*os.File
	var errno unix.Errno
	switch request.Type {
	case TypeOpen:
		files, errno = c.open(request)
	case TypeStart:
		if errno = c.needChannel(); errno == 0 {
			c.server.tables.start(c.channel)
		}
	case TypeAlloc:
		reply.Count = request.Count
		reply.Offset, errno = c.alloc(request.Count)
	case TypeFree:
		if errno = c.needChannel(); errno == 0 {
			errno = c.server.tables.free(c.channel, request.Offset, request.Count)
		}
	case TypeHold:
		if c.channel >= 0 || c.holds {
			errno = unix.EINVAL
		} else {
			c.holds = true
			c.server.held(true)
		}
	default:
		errno = unix.ENOTTY
	}
	reply.Error = int32(errno)
	if c.channel >= 0 {
		reply.Channel = uint32(c.channel)
	}
	return reply, files
}

func (c *conversation) open(request Message) ([]*os.File, unix.Errno) {
	if request.LayoutVersion != window.LayoutVersion {
		return nil, unix.EPROTO
	}
	if c.channel >= 0 || c.holds {
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
	c.channel = channel
	return []*os.File{c.server.window.File(), c.server.Doorbell(1 + channel), c.server.Interrupt(1 + channel)}, 0
}

func (c *conversation) alloc(count uint32) (uint64, unix.Errno) {
	if errno := c.needChannel(); errno != 0 {
		return 0, errno
	}
	ctx, cancel := context.WithTimeout(c.server.ctx, patience)
	defer cancel()
	first, errno := c.server.tables.alloc(ctx, c.channel, count)
	return uint64(first) * window.ChunkSize, errno
}

func (c *conversation) needChannel() unix.Errno {
	if c.channel < 0 {
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
	if _, _, err := c.conn.WriteMsgUnix(reply.Encode(), rights, nil); err != nil {
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
