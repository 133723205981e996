package sandbox

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// The test program plays a captured executor: it goes behind the walls and then
// tries to get out.

const (
	modeVariable = "SANDBOX_TEST_MODE"
	dirVariable  = "SANDBOX_TEST_DIR"
	deedVariable = "SANDBOX_TEST_DEED"
)

func TestMain(m *testing.M) {
	if len(os.Args) == 2 && os.Args[1] == HelperArgument {
		if err := Help(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	if os.Getenv(modeVariable) == "" {
		os.Exit(m.Run())
	}
	if err := captured(Mode(os.Getenv(modeVariable)), os.Getenv(dirVariable), os.Getenv(deedVariable)); err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
}

func captured(mode Mode, dir, deed string) error {
	plan, err := Base()
	if err != nil {
		return err
	}
	plan.Write = append(plan.Write, filepath.Join(dir, "own"))
	err = Enter(mode, plan, func() error { return syscall.Exec("/proc/self/exe", os.Args, os.Environ()) })
	if err != nil {
		return err
	}
	var watch *Watch
	if mode == Trial {
		out, err := os.Create(filepath.Join(dir, "own", "trial.txt"))
		if err != nil {
			return err
		}
		if watch, err = Begin(plan, out); err != nil {
			return err
		}
	}
	inherited, err := unix.Open(dir, unix.O_PATH, 0)
	if err != nil {
		return err
	}
	if err := Seal(mode); err != nil {
		return err
	}
	if watch != nil {
		if err := watch.Serving(); err != nil {
			return err
		}
		time.Sleep(100 * time.Millisecond) // the helper hears it
	}
	if deed == "report" {
		return json.NewEncoder(os.Stdout).Encode(Standing())
	}
	err = deeds[deed].try(dir, inherited)
	var number syscall.Errno
	if errors.As(err, &number) {
		return json.NewEncoder(os.Stdout).Encode(int(number))
	}
	if err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(0)
}

// deed is something to try; want is the error that meets it, 0 if it is allowed,
// killed if it ends the process.
type deed struct {
	want unix.Errno
	try  func(dir string, inherited int) error
}

const killed unix.Errno = 0xffff

func openFile(path string, flags int) error {
	fd, err := unix.Open(path, flags|unix.O_CLOEXEC, 0o600)
	if err == nil {
		_ = unix.Close(fd)
	}
	return err
}

func call(number uintptr, a, b, c, d uintptr) error {
	if _, _, errno := unix.Syscall6(number, a, b, c, d, 0, 0); errno != 0 {
		return errno
	}
	return nil
}

func socket(domain, kind int) error {
	fd, err := unix.Socket(domain, kind, 0)
	if err == nil {
		_ = unix.Close(fd)
	}
	return err
}

func mapped(protection int) error {
	memory, err := unix.Mmap(-1, 0, 4096, protection, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS)
	if err == nil {
		_ = unix.Munmap(memory)
	}
	return err
}

var deeds = map[string]deed{
	// what an executor does
	"read a library's directory": {0, func(string, int) error { return openFile("/usr/lib", unix.O_RDONLY|unix.O_DIRECTORY) }},
	"read its own status":        {0, func(string, int) error { return openFile("/proc/self/status", unix.O_RDONLY) }},
	"write into the cache": {0, func(dir string, _ int) error {
		if err := os.WriteFile(filepath.Join(dir, "own", "a"), []byte("x"), 0o600); err != nil {
			return err
		}
		if err := os.Rename(filepath.Join(dir, "own", "a"), filepath.Join(dir, "own", "b")); err != nil {
			return err
		}
		return os.Remove(filepath.Join(dir, "own", "b"))
	}},
	"make threads": {0, func(string, int) error {
		done := make(chan struct{})
		for range 20 {
			go func() { _ = unix.Nanosleep(&unix.Timespec{Nsec: 1e6}, nil); done <- struct{}{} }()
		}
		for range 20 {
			<-done
		}
		return nil
	}},
	"map code":          {0, func(string, int) error { return mapped(unix.PROT_READ | unix.PROT_EXEC) }},
	"ask the driver":    {unix.ENOTTY, func(_ string, _ int) error { return call(unix.SYS_IOCTL, 0, 0xc020462a, 0, 0) }},
	"signal own thread": {0, func(string, int) error { return unix.Tgkill(os.Getpid(), unix.Gettid(), 0) }},

	// files
	"read a password file":    {unix.EACCES, func(string, int) error { return openFile("/etc/passwd", unix.O_RDONLY) }},
	"list the root directory": {unix.EACCES, func(string, int) error { return openFile("/", unix.O_RDONLY|unix.O_DIRECTORY) }},
	"read another's cache":    {unix.EACCES, func(dir string, _ int) error { return openFile(filepath.Join(dir, "other", "image"), unix.O_RDONLY) }},
	"write another's cache": {unix.EACCES, func(dir string, _ int) error {
		return openFile(filepath.Join(dir, "other", "new"), unix.O_WRONLY|unix.O_CREAT)
	}},
	"climb out of the cache": {unix.EACCES, func(dir string, _ int) error {
		return openFile(filepath.Join(dir, "own", "..", "other", "image"), unix.O_RDONLY)
	}},
	"use a descriptor kept": {unix.EACCES, func(_ string, kept int) error { return reopen(kept) }},
	"write a library":       {unix.EACCES, func(string, int) error { return openFile("/usr/lib/new.so", unix.O_WRONLY|unix.O_CREAT) }},
	"read the init process": {unix.EACCES, func(string, int) error { return openFile("/proc/1/status", unix.O_RDONLY) }},
	"list all processes":    {unix.EACCES, func(string, int) error { return openFile("/proc", unix.O_RDONLY|unix.O_DIRECTORY) }},
	"link out of the cache": {unix.EPERM, func(dir string, _ int) error { return os.Symlink("/etc/passwd", filepath.Join(dir, "own", "link")) }},
	"make a device node": {unix.EPERM, func(dir string, _ int) error {
		return unix.Mknod(filepath.Join(dir, "own", "node"), unix.S_IFCHR|0o600, 0x103)
	}},
	"open a terminal's queue":  {unix.EPERM, func(string, int) error { return call(unix.SYS_IOCTL, 0, unix.TIOCSTI, 0, 0) }},
	"become privileged":        {killed, func(string, int) error { return unix.Setuid(0) }},
	"run a program":            {killed, func(string, int) error { return unix.Exec("/bin/true", []string{"true"}, nil) }},
	"trace another process":    {killed, func(string, int) error { return call(unix.SYS_PTRACE, unix.PTRACE_ATTACH, uintptr(os.Getppid()), 0, 0) }},
	"mount":                    {killed, func(dir string, _ int) error { return unix.Mount("none", dir, "tmpfs", 0, "") }},
	"leave for a namespace":    {killed, func(string, int) error { return unix.Unshare(unix.CLONE_NEWUSER) }},
	"use io_uring":             {killed, func(string, int) error { return call(unix.SYS_IO_URING_SETUP, 1, 0, 0, 0) }},
	"load a program for BPF":   {killed, func(string, int) error { return call(unix.SYS_BPF, 5, 0, 0, 0) }},
	"read its parent's memory": {unix.EPERM, func(string, int) error { return readParent() }},
	"kill its parent":          {unix.EPERM, func(string, int) error { return unix.Kill(os.Getppid(), 0) }},
	"kill by thread":           {unix.EPERM, func(string, int) error { return unix.Tgkill(os.Getppid(), os.Getppid(), 0) }},
	"fork":                     {unix.EPERM, func(string, int) error { return call(unix.SYS_CLONE, uintptr(unix.SIGCHLD), 0, 0, 0) }},
	"fork by fork":             {unix.EPERM, func(string, int) error { return call(unix.SYS_FORK, 0, 0, 0, 0) }},
	"fork by clone3":           {unix.ENOSYS, func(string, int) error { return call(unix.SYS_CLONE3, 0, 0, 0, 0) }},
	"map writable code":        {unix.EPERM, func(string, int) error { return mapped(unix.PROT_READ | unix.PROT_WRITE | unix.PROT_EXEC) }},
	"raise a limit of another": {unix.EPERM, func(string, int) error { return unix.Prlimit(os.Getppid(), unix.RLIMIT_NOFILE, nil, &unix.Rlimit{}) }},
	"call as 32 bit (x32)":     {unix.ENOSYS, func(string, int) error { return call(0x40000000+unix.SYS_GETPID, 0, 0, 0, 0) }},

	// network and other local services
	"open an Internet socket": {unix.EPERM, func(string, int) error { return socket(unix.AF_INET, unix.SOCK_STREAM) }},
	"open a netlink socket":   {unix.EPERM, func(string, int) error { return socket(unix.AF_NETLINK, unix.SOCK_RAW) }},
	"open a stream socket":    {unix.EPERM, func(string, int) error { return socket(unix.AF_UNIX, unix.SOCK_STREAM) }},
	"open a datagram socket":  {unix.EPERM, func(string, int) error { return socket(unix.AF_UNIX, unix.SOCK_DGRAM) }},
	"connect to a service": {unix.EPERM, func(string, int) error {
		fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			return err
		}
		return unix.Connect(fd, &unix.SockaddrUnix{Name: "/run/dbus/system_bus_socket"})
	}},
}

func reopen(directory int) error {
	fd, err := unix.Openat(directory, "other/image", unix.O_RDONLY, 0)
	if err == nil {
		_ = unix.Close(fd)
	}
	return err
}

func readParent() error {
	buffer := make([]byte, 8)
	local := []unix.Iovec{{Base: &buffer[0]}}
	local[0].SetLen(8)
	_, err := unix.ProcessVMReadv(os.Getppid(), local, []unix.RemoteIovec{{Base: 0x400000, Len: 8}}, 0)
	return err
}

func play(t *testing.T, mode Mode, deed string) (out string, state *os.ProcessState, dir string) {
	t.Helper()
	dir = t.TempDir()
	for _, name := range []string{"own", "other"} {
		if err := os.Mkdir(filepath.Join(dir, name), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(dir, "other", "image"), []byte("secret"), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), modeVariable+"="+string(mode), dirVariable+"="+dir, deedVariable+"="+deed)
	text, err := cmd.CombinedOutput()
	if cmd.ProcessState == nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(text)), cmd.ProcessState, dir
}

func TestCapturedExecutor(t *testing.T) {
	for name, deed := range deeds {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			out, state, _ := play(t, Available, name)
			if deed.want == killed {
				if status := state.Sys().(syscall.WaitStatus); !status.Signaled() || status.Signal() != unix.SIGSYS {
					t.Errorf("it lives: %s %s", state, out)
				}
				return
			}
			var number int
			if err := json.Unmarshal([]byte(out), &number); err != nil || unix.Errno(number) != deed.want {
				t.Errorf("%s: %q, want error %d (%v)", state, out, int(deed.want), deed.want)
			}
		})
	}
}

func TestWhatStands(t *testing.T) {
	for mode, standing := range map[Mode][]Wall{
		Off:       nil,
		Available: {Capabilities, Files, Calls, Memory},
		Trial:     {Capabilities},
	} {
		t.Run(string(mode), func(t *testing.T) {
			out, state, _ := play(t, mode, "report")
			var report Report
			if err := json.Unmarshal([]byte(out), &report); err != nil {
				t.Fatalf("%s: %s", state, out)
			}
			report.Standing = slices.DeleteFunc(report.Standing, func(w Wall) bool { return w == User })
			if !slices.Equal(report.Standing, standing) {
				t.Errorf("%s", report)
			}
			if err := report.Check(); (err == nil) != (mode == Available && os.Getuid() != 0) {
				t.Errorf("required walls: %v", err)
			}
		})
	}
}

// A trial refuses nothing and tells what would have been refused.
func TestTrialWritesDown(t *testing.T) {
	for name, line := range map[string]string{
		"read a password file":    "file read openat /etc/passwd",
		"open an Internet socket": "call socket(0x2, 0x1, 0x0, 0x0)",
		"write another's cache":   "file write openat ",
		"open a terminal's queue": "call ioctl request 0x5412 on /dev/null",
		"kill its parent":         "call kill(",
		"connect to a service":    "dbus/system_bus_socket",
	} {
		t.Run(name, func(t *testing.T) {
			out, state, dir := play(t, Trial, name)
			if !state.Success() {
				t.Fatalf("%s: %s", state, out)
			}
			text, err := os.ReadFile(filepath.Join(dir, "own", "trial.txt"))
			if err != nil || !strings.Contains(string(text), line) {
				t.Errorf("no %q in %q, %v", line, text, err)
			}
			if strings.Contains(string(text), "/proc/") || strings.Contains(string(text), "/usr/lib") {
				t.Errorf("it tells what is allowed: %s", text)
			}
		})
	}
}

func TestTrialLetsPass(t *testing.T) {
	if out, state, _ := play(t, Trial, "read another's cache"); out != "0" {
		t.Errorf("%s: %s", state, out)
	}
}

func TestParseMode(t *testing.T) {
	for _, mode := range []Mode{Off, Available, Required, Trial} {
		if got, err := ParseMode(string(mode)); got != mode || err != nil {
			t.Errorf("%s: %s, %v", mode, got, err)
		}
	}
	if _, err := ParseMode("high"); err == nil || !strings.Contains(err.Error(), `"high"`) {
		t.Errorf("a mode that is none: %v", err)
	}
}

// Nothing is in two lists, and everything has a name that the kernel knows.
func TestEveryCallOnce(t *testing.T) {
	seen := map[string]bool{}
	for _, name := range slices.Concat(allowed, never) {
		if seen[name] {
			t.Errorf("%s is there twice", name)
		}
		seen[name] = true
	}
	for _, rule := range conditional(1) {
		if seen[rule.Name] {
			t.Errorf("%s has conditions and is in a list", rule.Name)
		}
	}
	if _, err := program(1); err != nil {
		t.Error(err)
	}
}

func TestOwnGPUOnly(t *testing.T) {
	root := t.TempDir()
	info := filepath.Join(root, "proc/driver/nvidia/gpus/0000:65:00.0")
	for _, dir := range []string{info, filepath.Join(root, "dev")} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(info, "information"), []byte("Model: \t\t NVIDIA H200\nDevice Minor: \t 3\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, node := range []string{"nvidia0", "nvidia3", "nvidiactl"} {
		if err := os.WriteFile(filepath.Join(root, "dev", node), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for address, nodes := range map[string][]string{
		"0000:65:00.0": {"/dev/nvidia3"},
		"0000:66:00.0": {"/dev/nvidia0", "/dev/nvidia3"},
		"0":            {"/dev/nvidia0", "/dev/nvidia3"},
	} {
		if got := gpuNodes(root, address); !slices.Equal(got, nodes) {
			t.Errorf("%s: %q", address, got)
		}
	}
	plan := Plan{}.WithDriver(root, "0", "/opt/driver/lib:relative::/")
	if !slices.Contains(plan.Read, "/opt/driver/lib") || slices.Contains(plan.Read, "relative") || slices.Contains(plan.Read, "/") {
		t.Errorf("read: %q", plan.Read)
	}
}
