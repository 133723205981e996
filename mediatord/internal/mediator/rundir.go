package mediator

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/sirupsen/logrus"
	"golang.org/x/sys/unix"
)

// Names in the runtime directory.
const (
	domainPrefix  = "domain-"
	sessionPrefix = "session-"
	lockName      = "mediatord.lock"
)

// claimRunDir makes the runtime directory this process's own, until the
// returned file closes, and removes what a mediatord that died left there.
func claimRunDir(directory string, log logrus.FieldLogger) (*os.File, error) {
	if err := os.MkdirAll(directory, 0o755); err != nil {
		return nil, fmt.Errorf("making runtime directory: %w", err)
	}
	lock, err := os.OpenFile(filepath.Join(directory, lockName), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("locking runtime directory: %w", err)
	}
	if err := unix.Flock(int(lock.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		_ = lock.Close()
		return nil, fmt.Errorf("locking runtime directory: another mediatord uses %s: %w", directory, err)
	}
	if err := removeStale(directory, log); err != nil {
		_ = lock.Close()
		return nil, err
	}
	return lock, nil
}

func removeStale(directory string, log logrus.FieldLogger) error {
	for _, prefix := range []string{domainPrefix, sessionPrefix} {
		stale, err := filepath.Glob(filepath.Join(directory, prefix+"*"))
		if err != nil {
			return fmt.Errorf("looking for stale slots: %w", err)
		}
		for _, slot := range stale {
			log.WithField("directory", slot).Warn("removing a slot that an earlier mediatord left")
			if err := os.RemoveAll(slot); err != nil {
				return fmt.Errorf("removing stale slot: %w", err)
			}
		}
	}
	return nil
}
