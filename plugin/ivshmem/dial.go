package ivshmem

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// Peer is the guest's side of the world, for tests and tools: what QEMU has after the handshake.
type Peer struct {
	ID         int
	Window     *os.File
	Doorbells  []*os.File
	Interrupts []*os.File
	socket     *net.UnixConn
}

// Dial connects to a server as a device with this many vectors, 1 to MaxVectors. A server that turns
// the peer away is ErrRefused, one that breaks the protocol ErrProtocol, one that ends io.EOF or io.ErrUnexpectedEOF.
func Dial(ctx context.Context, path string, vectors int) (*Peer, error) {
	if vectors < 1 || vectors > MaxVectors {
		return nil, fmt.Errorf("dialing ivshmem server: %d vectors: allowed are 1 to %d", vectors, MaxVectors)
	}
	var dialer net.Dialer
	connected, err := dialer.DialContext(ctx, "unix", path)
	if err != nil {
		return nil, fmt.Errorf("dialing ivshmem server: %w", err)
	}
	socket := connected.(*net.UnixConn) // the network is "unix"
	stop := context.AfterFunc(ctx, func() { _ = socket.SetReadDeadline(time.Now()) })
	peer, err := handshake(socket, vectors)
	if !stop() && err == nil {
		peer.closeFiles()
		err = ctx.Err()
	}
	if err != nil {
		_ = socket.Close()
		if ctx.Err() != nil {
			err = ctx.Err()
		}
		return nil, fmt.Errorf("shaking hands with ivshmem server: %w", err)
	}
	return peer, nil
}

// Close leaves the world.
func (p *Peer) Close() error {
	p.closeFiles()
	return p.socket.Close()
}

func (p *Peer) closeFiles() {
	_ = p.Window.Close()
	closeAll(p.Doorbells)
	closeAll(p.Interrupts)
}

func handshake(socket *net.UnixConn, vectors int) (*Peer, error) {
	d := newDecoder(vectors)
	for {
		value, fd, err := receive(socket)
		complete := false
		if err == nil {
			complete, err = d.take(value, fd)
			if err != nil && fd != noFD {
				_ = unix.Close(fd)
			}
		}
		if err != nil {
			for _, taken := range append(append([]int{d.window}, d.doorbells...), d.interrupts...) {
				if taken != noFD {
					_ = unix.Close(taken)
				}
			}
			return nil, err
		}
		if complete {
			return &Peer{
				ID: int(d.id), Window: os.NewFile(uintptr(d.window), "window"),
				Doorbells: files(d.doorbells, "doorbell"), Interrupts: files(d.interrupts, "interrupt"), socket: socket,
			}, nil
		}
	}
}

func files(fds []int, name string) []*os.File {
	opened := make([]*os.File, 0, len(fds))
	for vector, fd := range fds {
		opened = append(opened, os.NewFile(uintptr(fd), fmt.Sprintf("%s-%d", name, vector)))
	}
	return opened
}

// receive reads one 8-byte message and the file descriptor that came with it, or noFD.
func receive(socket *net.UnixConn) (value int64, fd int, err error) {
	var message [8]byte
	fd = noFD
	defer func() {
		if err != nil && fd != noFD {
			_ = unix.Close(fd)
			fd = noFD
		}
	}()
	for have := 0; have < len(message); {
		control := make([]byte, unix.CmsgSpace(4))
		n, controlled, flags, _, err := socket.ReadMsgUnix(message[have:], control)
		received, parseErr := parseRights(control[:controlled])
		if len(received) == 1 && fd == noFD && flags&unix.MSG_CTRUNC == 0 {
			fd = received[0]
		} else if len(received) > 0 || flags&unix.MSG_CTRUNC != 0 {
			for _, extra := range received {
				_ = unix.Close(extra)
			}
			return 0, fd, fmt.Errorf("%w: more than one file descriptor in a message", ErrProtocol)
		}
		switch {
		case errors.Is(err, io.EOF) && have > 0:
			return 0, fd, io.ErrUnexpectedEOF
		case err != nil:
			return 0, fd, err
		case parseErr != nil:
			return 0, fd, parseErr
		}
		have += n
	}
	return int64(binary.LittleEndian.Uint64(message[:])), fd, nil
}

// parseRights returns the file descriptors in a control message.
func parseRights(control []byte) ([]int, error) {
	messages, err := unix.ParseSocketControlMessage(control)
	if err != nil {
		return nil, fmt.Errorf("%w: control message: %w", ErrProtocol, err)
	}
	var received []int
	for _, message := range messages {
		if message.Header.Level != unix.SOL_SOCKET || message.Header.Type != unix.SCM_RIGHTS {
			continue
		}
		fds, err := unix.ParseUnixRights(&message)
		if err != nil {
			return received, fmt.Errorf("%w: control message: %w", ErrProtocol, err)
		}
		received = append(received, fds...)
	}
	return received, nil
}
