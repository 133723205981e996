package main

import (
	"fmt"
	"os"
	"strings"

	"golang.org/x/sys/unix"

	"libvirt-vgpu/tests/vm/manifest"
)

// SYSLOG_ACTION_CONSOLE_OFF of syslog(2).
const syslogConsoleOff = 6

func mountAll() error {
	for _, m := range []struct{ kind, target string }{
		{"proc", "/proc"},
		{"sysfs", "/sys"},
		{"devtmpfs", "/dev"},
		{"tmpfs", "/dev/shm"},
		{"tmpfs", "/tmp"},
		{"tmpfs", "/run"},
		{"debugfs", "/sys/kernel/debug"},
	} {
		if err := os.MkdirAll(m.target, 0o755); err != nil {
			return fmt.Errorf("mounting %s: %w", m.target, err)
		}
		if err := unix.Mount(m.kind, m.target, m.kind, 0, ""); err != nil {
			return fmt.Errorf("mounting %s on %s: %w", m.kind, m.target, err)
		}
	}
	for _, dir := range []string{"/tmp", "/dev/shm"} {
		if err := os.Chmod(dir, 0o1777); err != nil {
			return fmt.Errorf("mounting %s: %w", dir, err)
		}
	}
	return nil
}

// loopbackUp lets programs talk to themselves over 127.0.0.1.
func loopbackUp() error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("raising the loopback interface: %w", err)
	}
	defer unix.Close(fd)
	request, err := unix.NewIfreq("lo")
	if err != nil {
		return fmt.Errorf("raising the loopback interface: %w", err)
	}
	request.SetUint16(unix.IFF_UP | unix.IFF_RUNNING)
	if err := unix.IoctlIfreq(fd, unix.SIOCSIFFLAGS, request); err != nil {
		return fmt.Errorf("raising the loopback interface: %w", err)
	}
	return nil
}

func mount(m *manifest.Mount) error {
	if _, err := os.Stat(m.Target); err != nil {
		if err := os.MkdirAll(m.Target, 0o755); err != nil {
			return fmt.Errorf("mounting on %s: %w", m.Target, err)
		}
	}
	var flags uintptr
	if m.Type == "" {
		flags = unix.MS_BIND | unix.MS_REC
	}
	if m.ReadOnly {
		flags |= unix.MS_RDONLY
	}
	if err := unix.Mount(m.Source, m.Target, m.Type, flags, ""); err != nil {
		return fmt.Errorf("mounting %s on %s: %w", m.Source, m.Target, err)
	}
	return nil
}

func loadModule(path string) error {
	file, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("loading module: %w", err)
	}
	defer file.Close()
	if err := unix.FinitModule(int(file.Fd()), "", 0); err != nil {
		return fmt.Errorf("loading module %s: %w", path, err)
	}
	return nil
}

// followKernelLog takes the kernel's lines off the console, where they would cut
// those of the steps in two, and prints them whole.
func followKernelLog(out *console) error {
	if _, err := unix.Klogctl(syslogConsoleOff, nil); err != nil {
		return fmt.Errorf("silencing kernel console: %w", err)
	}
	log, err := os.Open("/dev/kmsg")
	if err != nil {
		return fmt.Errorf("following kernel log: %w", err)
	}
	if _, err := unix.Seek(int(log.Fd()), 0, unix.SEEK_END); err != nil {
		return fmt.Errorf("following kernel log: %w", err)
	}
	go func() {
		record := make([]byte, 8192)
		for {
			n, err := unix.Read(int(log.Fd()), record)
			if err == unix.EPIPE { // records were overwritten: go on with the oldest
				continue
			}
			if err != nil {
				return
			}
			_, text, _ := strings.Cut(string(record[:n]), ";")
			text, _, _ = strings.Cut(text, "\n")
			out.print("kernel| " + text)
		}
	}()
	return nil
}
