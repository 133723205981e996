package sandbox

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
)

// Securebits, linux/securebits.h: root is nobody special, and stays so.
const (
	secureNoRoot         = 1 << 0
	secureNoRootLocked   = 1 << 1
	secureNoSetuidFixup  = 1 << 2
	secureNoSetuidLocked = 1 << 3
	secureNoAmbient      = 1 << 6
	secureNoAmbientLock  = 1 << 7
)

// lastCapability is beyond every kernel's.
const lastCapability = 63

// dropCapabilities leaves this thread and what it execs without any.
func dropCapabilities() error {
	// Bounding set and securebits need CAP_SETPCAP; who lacks it has nothing
	// that no_new_privs would not keep it from gaining.
	for c := uintptr(0); c <= lastCapability; c++ {
		err := unix.Prctl(unix.PR_CAPBSET_DROP, c, 0, 0, 0)
		if errors.Is(err, unix.EINVAL) || errors.Is(err, unix.EPERM) {
			break
		}
		if err != nil {
			return fmt.Errorf("dropping capability %d: %w", c, err)
		}
	}
	bits := uintptr(secureNoRoot | secureNoRootLocked | secureNoSetuidFixup | secureNoSetuidLocked | secureNoAmbient | secureNoAmbientLock)
	if err := unix.Prctl(unix.PR_SET_SECUREBITS, bits, 0, 0, 0); err != nil && !errors.Is(err, unix.EPERM) {
		return fmt.Errorf("setting securebits: %w", err)
	}
	if err := unix.Prctl(unix.PR_CAP_AMBIENT, unix.PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0); err != nil && !errors.Is(err, unix.EINVAL) {
		return fmt.Errorf("clearing ambient capabilities: %w", err)
	}
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var none [2]unix.CapUserData
	if err := unix.Capset(&header, &none[0]); err != nil {
		return fmt.Errorf("dropping capabilities: %w", err)
	}
	return nil
}
