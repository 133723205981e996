// Package ledger is how software GPUs of several processes share the memory of one: a
// file in which each has an entry. It is for tests of what happens when a GPU is full.
//
// The file has 8 bytes each, little endian, of how much memory there is, of the Manner in
// which contexts return, and of what each entry has taken. A process has its entry's bytes
// locked as long as it lives; what an entry has that nobody has locked is free.
package ledger

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// Variable names the environment variable with the path of a ledger; without it every
// software GPU has memory of its own.
const Variable = "SOFT_GPU_LEDGER"

// Context is how many bytes a process's contexts take of a GPU that has a ledger.
const Context = 512 << 20

// Manner is what comes of contexts that return where there is no room.
type Manner uint64

const (
	// Patient: error 304, and the process may try again.
	Patient Manner = iota
	// Stuck: CUDA_ERROR_OUT_OF_MEMORY, then 304 whenever the process tries again, as
	// driver 580 on an H200.
	Stuck
	// Lost: error 304, and the process is lost.
	Lost
	// Untold is added to one of them: nobody is told how much memory is free.
	Untold Manner = 1 << 8
)

const (
	entries   = 64
	word      = 8
	totalAt   = 0
	mannerAt  = 8
	entriesAt = 16
	size      = entriesAt + entries*word
)

// ErrLedger: a file is no ledger, or has no entry left.
var ErrLedger = errors.New("no ledger of software GPUs")

// Ledger is an open file.
type Ledger struct{ file *os.File }

// Create makes a ledger of a GPU with total bytes, for every user.
func Create(path string, total uint64, m Manner) error {
	content := binary.LittleEndian.AppendUint64(nil, total)
	content = binary.LittleEndian.AppendUint64(content, uint64(m))
	if err := os.WriteFile(path, append(content, make([]byte, size-entriesAt)...), 0o600); err != nil {
		return fmt.Errorf("making ledger: %w", err)
	}
	if err := os.Chmod(path, 0o666); err != nil { // whatever the umask
		return fmt.Errorf("making ledger: %w", err)
	}
	return nil
}

// Open opens a ledger that Create has made. It fails with ErrLedger.
func Open(path string) (*Ledger, error) {
	file, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return nil, fmt.Errorf("opening ledger: %w", err)
	}
	if info, err := file.Stat(); err != nil || info.Size() != size {
		_ = file.Close()
		return nil, fmt.Errorf("%w: %s has another size", ErrLedger, path)
	}
	return &Ledger{file}, nil
}

// Close ends the use of the ledger.
func (l *Ledger) Close() { _ = l.file.Close() }

// Free is how many bytes nobody has, and whether the ledger tells.
func (l *Ledger) Free() (bytes uint64, told bool) {
	free, err := l.free()
	m, errManner := l.read(mannerAt)
	return free, err == nil && errManner == nil && Manner(m)&Untold == 0
}

func (l *Ledger) free() (uint64, error) {
	total, err := l.read(totalAt)
	if err != nil {
		return 0, err
	}
	var used uint64
	for i := range entries {
		held, err := l.locked(i)
		if err != nil {
			return 0, err
		}
		if !held {
			continue
		}
		bytes, err := l.read(entryAt(i))
		if err != nil {
			return 0, err
		}
		used += bytes
	}
	return total - min(total, used), nil
}

func (l *Ledger) read(at int64) (uint64, error) {
	var b [word]byte
	if _, err := l.file.ReadAt(b[:], at); err != nil {
		return 0, fmt.Errorf("reading ledger: %w", err)
	}
	return binary.LittleEndian.Uint64(b[:]), nil
}

func entryAt(i int) int64 { return entriesAt + int64(i)*word }

// locked says that somebody has an entry, by another descriptor than this one.
func (l *Ledger) locked(entry int) (bool, error) {
	at := unix.Flock_t{Type: unix.F_WRLCK, Start: entryAt(entry), Len: word}
	if err := unix.FcntlFlock(l.file.Fd(), unix.F_OFD_GETLK, &at); err != nil {
		return false, fmt.Errorf("asking for an entry of the ledger: %w", err)
	}
	return at.Type != unix.F_UNLCK, nil
}
