package mediator

import (
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// Names in the runtime directory.
const (
	domainPrefix  = "domain-"
	sessionPrefix = "session-"
	lockName      = "mediatord.lock"
)

// claimRunDir makes the runtime directory this process's own, until the
// returned file closes.
func claimRunDir(directory string) (*os.File, error) {
	if err := os.MkdirAll(directory, 0o755); err != nil {
		return nil, fmt.Errorf("making runtime directory: %w", err)
	}
	lock, err := os.OpenFile(filepath.Join(directory, lockName), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("locking runtime directory: %w", err)
	}
	if err := unix.Flock(int(lock.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		_ = lock.Close()
		if err == unix.EWOULDBLOCK {
			return nil, fmt.Errorf("locking runtime directory: another mediatord uses %s; stop it, or name another directory with --run-dir", directory)
		}
		return nil, fmt.Errorf("locking runtime directory: %w", err)
	}
	return lock, nil
}

// slotDirectories are those of the slots that an earlier mediatord left.
func slotDirectories(directory string) ([]string, error) {
	var all []string
	for _, prefix := range []string{domainPrefix, sessionPrefix} {
		some, err := filepath.Glob(filepath.Join(directory, prefix+"*"))
		if err != nil {
			return nil, fmt.Errorf("looking for slots: %w", err)
		}
		all = append(all, some...)
	}
	return all, nil
}
