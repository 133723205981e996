package ledger

import (
	"encoding/binary"
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
)

// Account is the entry of one process. Its methods are called by one goroutine at a time.
type Account struct {
	ledger *Ledger // of which nobody else has the descriptor
	entry  int
	taken  uint64
}

// NewAccount takes an entry of the ledger at a path. It fails with ErrLedger.
func NewAccount(path string) (*Account, error) {
	l, err := Open(path)
	if err != nil {
		return nil, err
	}
	for i := range entries {
		err := l.lock(entryAt(i), unix.F_WRLCK, unix.F_OFD_SETLK)
		if errors.Is(err, unix.EAGAIN) || errors.Is(err, unix.EACCES) {
			continue
		}
		a := &Account{ledger: l, entry: i}
		if err == nil {
			err = a.write(0)
		}
		if err != nil {
			l.Close()
			return nil, err
		}
		return a, nil
	}
	l.Close()
	return nil, fmt.Errorf("%w: all entries of %s are taken", ErrLedger, path)
}

// Close gives everything back.
func (a *Account) Close() { a.ledger.Close() }

// Manner is how contexts return without room, told or not.
func (a *Account) Manner() Manner {
	m, err := a.ledger.read(mannerAt)
	if err != nil {
		return Patient
	}
	return Manner(m) &^ Untold
}

// Take takes bytes; it takes none and is false if that many are not free.
func (a *Account) Take(bytes uint64) bool {
	if a.ledger.lock(totalAt, unix.F_WRLCK, unix.F_OFD_SETLKW) != nil {
		return false
	}
	defer func() { _ = a.ledger.lock(totalAt, unix.F_UNLCK, unix.F_OFD_SETLK) }()
	free, err := a.Free()
	return err == nil && bytes <= free && a.write(a.taken+bytes) == nil
}

// Give gives bytes back that were taken.
func (a *Account) Give(bytes uint64) { _ = a.write(a.taken - min(bytes, a.taken)) }

// Taken is how many bytes are.
func (a *Account) Taken() uint64 { return a.taken }

// Free is how many bytes nobody has.
func (a *Account) Free() (uint64, error) {
	free, err := a.ledger.free() // which does not see this entry, since the lock is its own
	return free - min(free, a.taken), err
}

func (a *Account) write(taken uint64) error {
	if _, err := a.ledger.file.WriteAt(binary.LittleEndian.AppendUint64(nil, taken), entryAt(a.entry)); err != nil {
		return fmt.Errorf("writing into ledger: %w", err)
	}
	a.taken = taken
	return nil
}

// lock locks the word at an offset, or unlocks it.
func (l *Ledger) lock(at int64, kind int16, how int) error {
	if err := unix.FcntlFlock(l.file.Fd(), how, &unix.Flock_t{Type: kind, Start: at, Len: word}); err != nil {
		return fmt.Errorf("locking ledger: %w", err)
	}
	return nil
}
