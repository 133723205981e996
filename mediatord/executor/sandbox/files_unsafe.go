package sandbox

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// landlockVersion is the kernel's ABI version, 1 or more.
func landlockVersion() (int, error) {
	version, _, errno := unix.Syscall(unix.SYS_LANDLOCK_CREATE_RULESET, 0, 0, unix.LANDLOCK_CREATE_RULESET_VERSION)
	if errno != 0 {
		return 0, errno
	}
	return int(version), nil
}

func landlockCreate(attributes *unix.LandlockRulesetAttr) (int, error) {
	fd, _, errno := unix.Syscall(unix.SYS_LANDLOCK_CREATE_RULESET, uintptr(unsafe.Pointer(attributes)), unsafe.Sizeof(*attributes), 0)
	if errno != 0 {
		return -1, errno
	}
	return int(fd), nil
}

func landlockAllow(ruleset, directory int, grant uint64) error {
	// The kernel's structure is packed, but its fields lie as in x/sys's.
	rule := unix.LandlockPathBeneathAttr{Allowed_access: grant, Parent_fd: int32(directory)}
	_, _, errno := unix.Syscall6(unix.SYS_LANDLOCK_ADD_RULE, uintptr(ruleset), unix.LANDLOCK_RULE_PATH_BENEATH, uintptr(unsafe.Pointer(&rule)), 0, 0, 0)
	if errno != 0 {
		return errno
	}
	return nil
}

func landlockRestrict(ruleset int) error {
	if _, _, errno := unix.Syscall(unix.SYS_LANDLOCK_RESTRICT_SELF, uintptr(ruleset), 0, 0); errno != 0 {
		return errno
	}
	return nil
}
