package sandbox

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

// Bounds on what one executor takes from the host.
const (
	maxDescriptors = 4096
	maxProcesses   = 16384 // threads of all executors of this user
)

// Seal puts up the walls that must wait for the driver, for all threads of the
// process. It does nothing for Off. In a Trial only limits are set.
func Seal(mode Mode) error {
	if mode == Off {
		return nil
	}
	if err := bound(); err != nil {
		return fmt.Errorf("sealing sandbox: %w", err)
	}
	if mode == Trial {
		return nil // the helper must be able to look into this process
	}
	if err := unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0); err != nil {
		return fmt.Errorf("sealing sandbox: %w", err)
	}
	unheard, err := quiet()
	if err != nil {
		return fmt.Errorf("sealing sandbox: %w", err)
	}
	heard, err := program(os.Getpid())
	if err != nil {
		return fmt.Errorf("sealing sandbox: %w", err)
	}
	if err = filter(unheard, 0); err == nil {
		err = filter(heard, unix.SECCOMP_FILTER_FLAG_LOG)
	}
	if errors.Is(err, unix.ENOSYS) || errors.Is(err, unix.EINVAL) {
		return nil // the kernel has no such filters; Standing reports it
	}
	if err != nil {
		return fmt.Errorf("sealing sandbox: filter of system calls: %w", err)
	}
	return nil
}

// bound lowers limits; those that are lower stay.
func bound() error {
	for _, l := range []struct {
		resource int
		most     uint64
	}{{unix.RLIMIT_CORE, 0}, {unix.RLIMIT_NOFILE, maxDescriptors}, {unix.RLIMIT_NPROC, maxProcesses}, {unix.RLIMIT_MSGQUEUE, 0}} {
		var now unix.Rlimit
		if err := unix.Getrlimit(l.resource, &now); err != nil {
			return fmt.Errorf("reading limit %d: %w", l.resource, err)
		}
		now.Max = min(now.Max, l.most)
		now.Cur = min(now.Cur, now.Max)
		if l.resource == unix.RLIMIT_NOFILE {
			now.Cur = now.Max
		}
		if err := unix.Setrlimit(l.resource, &now); err != nil {
			return fmt.Errorf("setting limit %d: %w", l.resource, err)
		}
	}
	return nil
}

// filter adds a filter to all threads of this process.
func filter(instructions []bpf.Instruction, flags uintptr) error {
	code, err := compile(instructions)
	if err != nil {
		return err
	}
	return installFilter(code, flags)
}

func compile(instructions []bpf.Instruction) ([]unix.SockFilter, error) {
	raw, err := bpf.Assemble(instructions)
	if err != nil {
		return nil, err
	}
	code := make([]unix.SockFilter, len(raw))
	for i, r := range raw {
		code[i] = unix.SockFilter{Code: r.Op, Jt: r.Jt, Jf: r.Jf, K: r.K}
	}
	return code, nil
}
