// Package fdstore keeps open files while this process restarts, in the file
// descriptor store of systemd (sd_notify(3), FDSTORE=1).
//
// What belongs together is one entry: a label and its files, packed into one
// socket of which only the reading end is kept. So an entry is kept or lost as a
// whole, says by itself what it is, and costs systemd one descriptor and one
// short name: all names together must fit into one environment variable.
package fdstore

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
	"syscall"

	"github.com/sirupsen/logrus"
	"golang.org/x/sys/unix"
)

// MaxFiles is how many files an entry may have: what one message carries.
const MaxFiles = 253 // SCM_MAX_FD

// maxLabel is how long a label may be, in bytes of JSON.
const maxLabel = 4096

// patience is how long a message waits for a service manager that does not read,
// in seconds.
const patience = 5

// namePrefix and a number are an entry's name.
const namePrefix = "vgpu-"

// Store is systemd's. A nil Store keeps nothing. Its methods may be used by
// several goroutines.
type Store struct {
	address string
	log     logrus.FieldLogger

	mu      sync.Mutex // guards the rest
	socket  int        // -1 = none yet
	last    uint64
	entries map[string]*os.File // packed, by name
}

// Entry is one thing that is kept, until Forget.
type Entry struct {
	store *Store
	name  string

	// Label and Files are set in entries of an earlier process. The files are
	// the receiver's.
	Label json.RawMessage
	Files []*os.File
}

// Open makes the store of the service manager that listens at address, the value
// of NOTIFY_SOCKET; without one it is nil. files are what the manager passed on
// from an earlier process, named by it (activation.Files); those that are no
// entries are closed. held are entries that a holder had in the meantime, which the
// manager is given again.
func Open(address string, files, held []*os.File, log logrus.FieldLogger) (*Store, []*Entry) {
	if address == "" {
		closeAll(files)
		closeAll(held)
		return nil, nil
	}
	s := &Store{address: address, log: log, socket: -1, entries: map[string]*os.File{}}
	var all []*Entry
	for _, file := range files {
		if e := s.entry(file); e != nil {
			all = append(all, e)
		}
	}
	for _, file := range held {
		if s.entries[file.Name()] != nil { // the manager has it too
			_ = file.Close()
			continue
		}
		e := s.entry(file)
		if e == nil {
			continue
		}
		if err := s.store(e.name, file); err != nil {
			log.WithError(err).Warnf("entry %s does not outlive this process", e.name)
		}
		all = append(all, e)
	}
	return s, all
}

// entry unpacks what an earlier process has kept; nil if it is none.
func (s *Store) entry(file *os.File) *Entry {
	number, err := strconv.ParseUint(strings.TrimPrefix(file.Name(), namePrefix), 10, 64)
	if err != nil || !strings.HasPrefix(file.Name(), namePrefix) {
		_ = file.Close()
		return nil
	}
	s.last = max(s.last, number)
	e := &Entry{store: s, name: file.Name()}
	s.entries[e.name] = file
	if e.Label, e.Files, err = unpack(file); err != nil {
		s.log.WithError(err).Warnf("entry %s of the file descriptor store is lost", e.name)
		e.Forget()
		return nil
	}
	return e
}

// Keep makes an entry of files, which stay the caller's. The entry of a nil Store
// is nil.
func (s *Store) Keep(label any, files ...syscall.Conn) (*Entry, error) {
	if s == nil {
		return nil, nil
	}
	packed, err := pack(label, files)
	if err != nil {
		return nil, fmt.Errorf("keeping files over a restart: %w", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.last++
	e := &Entry{store: s, name: namePrefix + strconv.FormatUint(s.last, 10)}
	if err := s.store(e.name, packed); err != nil {
		_ = packed.Close()
		return nil, fmt.Errorf("keeping files over a restart: %w", err)
	}
	s.entries[e.name] = packed
	return e, nil
}

// store has the manager keep an entry.
func (s *Store) store(name string, packed *os.File) error {
	// Without FDPOLL=0 systemd drops a socket whose other end is closed.
	return s.notify("FDSTORE=1\nFDPOLL=0\nFDNAME="+name, packed)
}

// Forget removes the entry from the store. It does nothing to a nil Entry.
func (e *Entry) Forget() {
	if e == nil {
		return
	}
	e.store.mu.Lock()
	defer e.store.mu.Unlock()
	if packed := e.store.entries[e.name]; packed != nil {
		_ = packed.Close()
		delete(e.store.entries, e.name)
	}
	if err := e.store.notify("FDSTOREREMOVE=1\nFDNAME="+e.name, nil); err != nil {
		e.store.log.WithError(err).Warnf("removing %s from the file descriptor store failed", e.name)
	}
}

// Drop forgets the entry and closes its files.
func (e *Entry) Drop() {
	if e == nil {
		return
	}
	e.Forget()
	closeAll(e.Files)
	e.Files = nil
}

// notify sends one message. It needs mu: the order of messages counts.
func (s *Store) notify(state string, file *os.File) error {
	if s.socket < 0 {
		socket, err := unix.Socket(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			return fmt.Errorf("notifying service manager: %w", err)
		}
		s.socket = socket
		if err := unix.SetsockoptTimeval(socket, unix.SOL_SOCKET, unix.SO_SNDTIMEO, &unix.Timeval{Sec: patience}); err != nil {
			return fmt.Errorf("notifying service manager: %w", err)
		}
	}
	var rights []byte
	if file != nil {
		rights = unix.UnixRights(int(file.Fd()))
	}
	for {
		err := unix.Sendmsg(s.socket, []byte(state), rights, &unix.SockaddrUnix{Name: s.address}, unix.MSG_NOSIGNAL)
		if err == nil {
			return nil
		}
		if err != unix.EINTR {
			return fmt.Errorf("notifying service manager: %w", err)
		}
	}
}

// pack returns the reading end of a socket in which label and files wait.
func pack(label any, files []syscall.Conn) (*os.File, error) {
	text, err := json.Marshal(label)
	if err != nil {
		return nil, fmt.Errorf("encoding label: %w", err)
	}
	if len(text) > maxLabel || len(files) > MaxFiles {
		return nil, fmt.Errorf("a label of %d bytes and %d files: allowed are %d and %d", len(text), len(files), maxLabel, MaxFiles)
	}
	ends, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("making socket: %w", err)
	}
	defer unix.Close(ends[0])
	packed := os.NewFile(uintptr(ends[1]), "entry")
	if err := sendWith(ends[0], text, files, nil); err != nil {
		_ = packed.Close()
		return nil, fmt.Errorf("packing files: %w", err)
	}
	return packed, nil
}

// sendWith collects the descriptors one by one, so that all are open while the
// message is sent.
func sendWith(socket int, text []byte, files []syscall.Conn, fds []int) error {
	if len(files) == 0 {
		return unix.Sendmsg(socket, text, unix.UnixRights(fds...), nil, 0)
	}
	raw, err := files[0].SyscallConn()
	if err != nil {
		return err
	}
	var sendErr error
	err = raw.Control(func(fd uintptr) { sendErr = sendWith(socket, text, files[1:], append(fds, int(fd))) })
	return errors.Join(err, sendErr)
}

// unpack reads label and files and leaves them in the socket.
func unpack(packed *os.File) (json.RawMessage, []*os.File, error) {
	text, oob := make([]byte, maxLabel+1), make([]byte, unix.CmsgSpace(4*MaxFiles))
	n, oobn, flags, _, err := unix.Recvmsg(int(packed.Fd()), text, oob, unix.MSG_PEEK|unix.MSG_DONTWAIT|unix.MSG_CMSG_CLOEXEC)
	if err != nil {
		return nil, nil, fmt.Errorf("unpacking files: %w", err)
	}
	messages, err := unix.ParseSocketControlMessage(oob[:oobn])
	if err != nil {
		return nil, nil, fmt.Errorf("unpacking files: %w", err)
	}
	var files []*os.File
	for i := range messages {
		fds, err := unix.ParseUnixRights(&messages[i])
		if err != nil {
			continue
		}
		for _, fd := range fds {
			files = append(files, os.NewFile(uintptr(fd), "kept"))
		}
	}
	if flags&(unix.MSG_TRUNC|unix.MSG_CTRUNC) != 0 || !json.Valid(text[:n]) {
		closeAll(files)
		return nil, nil, errors.New("unpacking files: the message is not whole")
	}
	return text[:n], files, nil
}

func closeAll(files []*os.File) {
	for _, file := range files {
		_ = file.Close()
	}
}
