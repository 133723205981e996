// Package uevent hears from the kernel about devices that come, go and change.
package uevent

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// Event is one kobject_uevent of the kernel.
type Event struct {
	Action    string // "add", "remove", "change", "bind", "unbind", ...
	Path      string // of the device in sysfs, "/devices/pci0000:00/..."
	Subsystem string // "pci"
}

// kernelGroup is the kernel's own multicast group; udev's has another format.
const kernelGroup = 1

// maxMessage is more than UEVENT_BUFFER_SIZE and its header (include/linux/kobject.h).
const maxMessage = 16384

// Listen calls handle for each event until ctx ends, which is no error. Events
// that come faster than handle takes them are lost, and told as one with the
// Action "lost" and no Subsystem.
func Listen(ctx context.Context, handle func(Event)) error {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, unix.NETLINK_KOBJECT_UEVENT)
	if err != nil {
		return fmt.Errorf("listening for device events: %w", err)
	}
	socket := os.NewFile(uintptr(fd), "device events")
	defer socket.Close()
	if err := unix.Bind(fd, &unix.SockaddrNetlink{Family: unix.AF_NETLINK, Groups: kernelGroup}); err != nil {
		return fmt.Errorf("listening for device events: %w", err)
	}
	stop := context.AfterFunc(ctx, func() { _ = socket.Close() })
	defer stop()
	buffer := make([]byte, maxMessage)
	for {
		n, err := receive(socket, buffer)
		switch {
		case ctx.Err() != nil:
			return nil
		case errors.Is(err, unix.ENOBUFS):
			handle(Event{Action: "lost"})
		case err != nil:
			return fmt.Errorf("listening for device events: %w", err)
		default:
			if e, ok := parse(buffer[:n]); ok {
				handle(e)
			}
		}
	}
}

// receive reads one message of the kernel's; others may send to the group too.
func receive(socket *os.File, buffer []byte) (int, error) {
	raw, err := socket.SyscallConn()
	if err != nil {
		return 0, err
	}
	var n int
	var from unix.Sockaddr
	var failure error
	err = raw.Read(func(fd uintptr) bool {
		n, from, failure = unix.Recvfrom(int(fd), buffer, 0)
		return !errors.Is(failure, unix.EAGAIN) && !errors.Is(failure, unix.EINTR)
	})
	if err == nil {
		err = failure
	}
	if err != nil {
		return 0, err
	}
	if sender, ok := from.(*unix.SockaddrNetlink); !ok || sender.Pid != 0 {
		return 0, nil
	}
	return n, nil
}

// parse reads "ACTION@PATH\0KEY=VALUE\0...".
func parse(message []byte) (Event, bool) {
	fields := bytes.Split(message, []byte{0})
	action, path, ok := strings.Cut(string(fields[0]), "@")
	if !ok {
		return Event{}, false
	}
	e := Event{Action: action, Path: path}
	for _, field := range fields[1:] {
		if value, found := strings.CutPrefix(string(field), "SUBSYSTEM="); found {
			e.Subsystem = value
		}
	}
	return e, true
}
