// Package servicemanager stands in for systemd as far as a service's file
// descriptor store and its notifications go: it stores what it is sent and hands
// it to the next start.
package servicemanager

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// Manager is a service manager with one service.
type Manager struct {
	Address string // for NOTIFY_SOCKET
	socket  *net.UnixConn
	done    chan struct{}

	mu     sync.Mutex // guards the rest
	stored []stored
	states []string // assignments that do not concern the store, such as "READY=1"
}

type stored struct {
	name string
	fd   int
}

// New makes a manager; Close ends it.
func New() (*Manager, error) {
	dir, err := os.MkdirTemp("", "notify")
	if err != nil {
		return nil, fmt.Errorf("starting service manager: %w", err)
	}
	m := &Manager{Address: filepath.Join(dir, "socket"), done: make(chan struct{})}
	m.socket, err = net.ListenUnixgram("unixgram", &net.UnixAddr{Name: m.Address, Net: "unixgram"})
	if err != nil {
		_ = os.RemoveAll(dir)
		return nil, fmt.Errorf("starting service manager: %w", err)
	}
	go func() {
		defer close(m.done)
		m.listen()
	}()
	return m, nil
}

// Close ends the manager and closes what is stored.
func (m *Manager) Close() {
	_ = m.socket.Close()
	<-m.done
	m.Clear()
	_ = os.RemoveAll(filepath.Dir(m.Address))
}

func (m *Manager) listen() {
	text, oob := make([]byte, 8192), make([]byte, unix.CmsgSpace(4*253))
	for {
		n, oobn, _, _, err := m.socket.ReadMsgUnix(text, oob)
		if err != nil {
			return
		}
		var fds []int
		if messages, err := unix.ParseSocketControlMessage(oob[:oobn]); err == nil {
			for i := range messages {
				if got, err := unix.ParseUnixRights(&messages[i]); err == nil {
					fds = append(fds, got...)
				}
			}
		}
		m.take(strings.Split(strings.TrimSuffix(string(text[:n]), "\n"), "\n"), fds)
	}
}

// take does what systemd's manager does with one message.
func (m *Manager) take(lines []string, fds []int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	name := "stored"
	for _, line := range lines {
		if value, ok := strings.CutPrefix(line, "FDNAME="); ok {
			name = value
		}
	}
	switch {
	case slices.Contains(lines, "FDSTOREREMOVE=1"):
		m.stored = slices.DeleteFunc(m.stored, func(s stored) bool {
			if s.name == name {
				_ = unix.Close(s.fd)
			}
			return s.name == name
		})
	case slices.Contains(lines, "FDSTORE=1"):
		for _, fd := range fds {
			unix.CloseOnExec(fd)
			// As systemd does: a socket whose other end is gone is dropped.
			poll := []unix.PollFd{{Fd: int32(fd)}}
			if _, err := unix.Poll(poll, 0); err == nil && poll[0].Revents&(unix.POLLHUP|unix.POLLERR) != 0 && !slices.Contains(lines, "FDPOLL=0") {
				_ = unix.Close(fd)
				continue
			}
			m.stored = append(m.stored, stored{name, fd})
		}
		return
	default:
		m.states = append(m.states, lines...)
	}
	for _, fd := range fds {
		_ = unix.Close(fd)
	}
}

// Files are duplicates of what is stored, named.
func (m *Manager) Files() ([]*os.File, error) {
	m.settle()
	m.mu.Lock()
	defer m.mu.Unlock()
	var files []*os.File
	for _, s := range m.stored {
		fd, err := unix.FcntlInt(uintptr(s.fd), unix.F_DUPFD_CLOEXEC, 0)
		if err != nil {
			return files, fmt.Errorf("duplicating %s: %w", s.name, err)
		}
		files = append(files, os.NewFile(uintptr(fd), s.name))
	}
	return files, nil
}

// Stored is how many descriptors are stored.
func (m *Manager) Stored() int {
	m.settle()
	m.mu.Lock()
	defer m.mu.Unlock()
	return len(m.stored)
}

// settle returns when every message sent before the call was taken.
func (m *Manager) settle() {
	probe := fmt.Sprintf("X_PROBE=%d", time.Now().UnixNano())
	conn, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Name: m.Address, Net: "unixgram"})
	if err != nil {
		return
	}
	defer conn.Close()
	if _, err := conn.Write([]byte(probe)); err != nil {
		return
	}
	for !m.Said(probe) {
		time.Sleep(time.Millisecond)
	}
}

// Said tells whether the service sent an assignment, such as "READY=1".
func (m *Manager) Said(assignment string) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Contains(m.states, assignment)
}

// Count tells how often the service sent an assignment.
func (m *Manager) Count(assignment string) int {
	m.mu.Lock()
	defer m.mu.Unlock()
	n := 0
	for _, s := range m.states {
		if s == assignment {
			n++
		}
	}
	return n
}

// Clear closes what is stored, as stopping a service does.
func (m *Manager) Clear() {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, s := range m.stored {
		_ = unix.Close(s.fd)
	}
	m.stored = nil
}

// Start starts a command as the service's next start: it gets what is stored, and
// the manager's address. Its program must be an absolute path.
func (m *Manager) Start(cmd *exec.Cmd) error {
	files, err := m.Files()
	defer func() {
		for _, f := range files {
			_ = f.Close()
		}
	}()
	if err != nil {
		return err
	}
	cmd.Env = append(cmd.Environ(), "NOTIFY_SOCKET="+m.Address)
	if len(files) > 0 {
		names := make([]string, len(files))
		for i, f := range files {
			names[i] = f.Name()
		}
		cmd.Env = append(cmd.Env, fmt.Sprintf("LISTEN_FDS=%d", len(files)), "LISTEN_FDNAMES="+strings.Join(names, ":"))
		cmd.ExtraFiles = append(cmd.ExtraFiles, files...)
		// Only the started process itself knows its number.
		cmd.Args = append([]string{"/bin/sh", "-c", `LISTEN_PID=$$ exec "$0" "$@"`, cmd.Path}, cmd.Args[1:]...)
		cmd.Path = "/bin/sh"
	}
	return cmd.Start()
}
