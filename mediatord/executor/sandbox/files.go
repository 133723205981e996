package sandbox

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// Rights on files by Landlock's version that brought the last of them.
const (
	allFiles1 = unix.LANDLOCK_ACCESS_FS_EXECUTE | unix.LANDLOCK_ACCESS_FS_WRITE_FILE | unix.LANDLOCK_ACCESS_FS_READ_FILE |
		unix.LANDLOCK_ACCESS_FS_READ_DIR | unix.LANDLOCK_ACCESS_FS_REMOVE_DIR | unix.LANDLOCK_ACCESS_FS_REMOVE_FILE |
		unix.LANDLOCK_ACCESS_FS_MAKE_CHAR | unix.LANDLOCK_ACCESS_FS_MAKE_DIR | unix.LANDLOCK_ACCESS_FS_MAKE_REG |
		unix.LANDLOCK_ACCESS_FS_MAKE_SOCK | unix.LANDLOCK_ACCESS_FS_MAKE_FIFO | unix.LANDLOCK_ACCESS_FS_MAKE_BLOCK |
		unix.LANDLOCK_ACCESS_FS_MAKE_SYM
	allFiles2 = allFiles1 | unix.LANDLOCK_ACCESS_FS_REFER
	allFiles3 = allFiles2 | unix.LANDLOCK_ACCESS_FS_TRUNCATE
	allFiles5 = allFiles3 | unix.LANDLOCK_ACCESS_FS_IOCTL_DEV

	// What a rule on something that is no directory may grant.
	onFiles = unix.LANDLOCK_ACCESS_FS_EXECUTE | unix.LANDLOCK_ACCESS_FS_WRITE_FILE | unix.LANDLOCK_ACCESS_FS_READ_FILE |
		unix.LANDLOCK_ACCESS_FS_TRUNCATE | unix.LANDLOCK_ACCESS_FS_IOCTL_DEV
)

// What Plan's lists grant.
const (
	grantRead    = unix.LANDLOCK_ACCESS_FS_READ_FILE | unix.LANDLOCK_ACCESS_FS_READ_DIR
	grantExecute = unix.LANDLOCK_ACCESS_FS_READ_FILE | unix.LANDLOCK_ACCESS_FS_EXECUTE
	grantDevice  = grantRead | unix.LANDLOCK_ACCESS_FS_WRITE_FILE | unix.LANDLOCK_ACCESS_FS_IOCTL_DEV
	grantWrite   = grantRead | unix.LANDLOCK_ACCESS_FS_WRITE_FILE | unix.LANDLOCK_ACCESS_FS_TRUNCATE |
		unix.LANDLOCK_ACCESS_FS_MAKE_REG | unix.LANDLOCK_ACCESS_FS_MAKE_DIR | unix.LANDLOCK_ACCESS_FS_REMOVE_FILE |
		unix.LANDLOCK_ACCESS_FS_REMOVE_DIR | unix.LANDLOCK_ACCESS_FS_REFER
)

// rulesetFor is all that a Landlock of this version can keep from a process.
func rulesetFor(version int) unix.LandlockRulesetAttr {
	var r unix.LandlockRulesetAttr
	switch {
	case version >= 5:
		r.Access_fs = allFiles5
	case version >= 3:
		r.Access_fs = allFiles3
	case version == 2:
		r.Access_fs = allFiles2
	default:
		r.Access_fs = allFiles1
	}
	if version >= 4 {
		r.Access_net = unix.LANDLOCK_ACCESS_NET_BIND_TCP | unix.LANDLOCK_ACCESS_NET_CONNECT_TCP
	}
	if version >= 6 {
		r.Scoped = unix.LANDLOCK_SCOPE_ABSTRACT_UNIX_SOCKET | unix.LANDLOCK_SCOPE_SIGNAL
	}
	return r
}

// restrictFiles keeps this thread, and what it execs, to the plan's files. A
// kernel without Landlock is no error.
func restrictFiles(plan Plan) error {
	version, err := landlockVersion()
	if err != nil {
		return nil //nolint:nilerr // Standing reports it
	}
	attributes := rulesetFor(version)
	ruleset, err := landlockCreate(&attributes)
	if err != nil {
		return fmt.Errorf("restricting files: %w", err)
	}
	defer unix.Close(ruleset)
	for _, list := range []struct {
		paths []string
		grant uint64
	}{{plan.Read, grantRead}, {plan.Execute, grantExecute}, {plan.Devices, grantDevice}, {plan.Write, grantWrite}} {
		for _, path := range list.paths {
			if err := allow(ruleset, path, list.grant&attributes.Access_fs); err != nil {
				return fmt.Errorf("restricting files: %s: %w", path, err)
			}
		}
	}
	if err := landlockRestrict(ruleset); err != nil {
		return fmt.Errorf("restricting files: %w", err)
	}
	return nil
}

// keptFrom is where descriptors begin that only keep directories of procfs in the
// kernel's cache; below are those that mediatord passes.
const keptFrom = 64

// allow grants rights on a path; one that does not exist needs none.
func allow(ruleset int, path string, grant uint64) error {
	fd, err := unix.Open(path, unix.O_PATH|unix.O_CLOEXEC, 0)
	if errors.Is(err, unix.ENOENT) || errors.Is(err, unix.EACCES) || errors.Is(err, unix.ENOTDIR) {
		return nil
	}
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	var stat unix.Stat_t
	if err := unix.Fstat(fd, &stat); err != nil {
		return err
	}
	if stat.Mode&unix.S_IFMT != unix.S_IFDIR {
		grant &= onFiles
	}
	// A rule belongs to an inode, and procfs makes a new one when it looks a
	// name up again after the cache has dropped it. An open file keeps it.
	if filesystemIsProc(path) {
		if _, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD, keptFrom); err != nil {
			return err
		}
	}
	return landlockAllow(ruleset, fd, grant)
}

func filesystemIsProc(path string) bool {
	clean := filepath.Clean(path)
	return clean != "/proc" && strings.HasPrefix(clean, "/proc/")
}
