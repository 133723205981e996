// Package supervisor starts executors, listens to them and makes sure that
// they are gone.
//
// An executor is its own session and process group. It ends when its control
// socket closes, so it survives mediatord only if somebody keeps that: the next
// mediatord adopts it then. It gets SIGTERM and, KillAfter later, SIGKILL for its
// whole group when it is to stop.
package supervisor

import (
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// CUresults that mediatord itself answers.
const (
	ResultLaunchTimeout  uint32 = 702 // CUDA_ERROR_LAUNCH_TIMEOUT: a kernel ran too long
	ResultLaunchFailed   uint32 = 719 // CUDA_ERROR_LAUNCH_FAILED: the executor died
	ResultSystemNotReady uint32 = 802 // CUDA_ERROR_SYSTEM_NOT_READY: no executor could be started
)

// Settings are the same for all executors of a domain.
type Settings struct {
	Path        string // of vgpu-executor
	Backend     string // "cuda" or "soft"
	GPU         string // PCI address or ordinal
	Domain      string // name
	DomainUUID  string
	ModuleCache string // directory
	Walls       string // --walls
	Credential  *syscall.Credential
	KillAfter   time.Duration // from SIGTERM to SIGKILL
	ReadyWithin time.Duration // from start to "ready"
	// Place puts the process where it belongs before it loads the driver. Keep gets
	// what Adopt needs; what it returns is called when the executor is gone. Either
	// may be nil.
	Place func(channel, pid int)
	Stock *Stock // of warm executors; nil: none
	Keep  func(pid int, files ...syscall.Conn) (forget func())
}

// Files are what an executor shares with its guest process and with mediatord.
type Files struct {
	Window    *os.File // memfd
	Doorbell  *os.File // eventfd, read: the guest rang
	Interrupt *os.File // eventfd, write: wakes the guest process
	Account   *os.File // memfd
	Leases    *os.File // memfd; nil: the executor works without a lease
	Report    *os.File // eventfd, write: the executor changed its state; with Leases
}

// Launch starts the executor of a channel, or takes a warm one of the stock.
// sink gets its events, Exited last; it is called from several goroutines and may
// block without harm to the caller.
func Launch(s Settings, files Files, channel int, generation uint32, sink func(Event)) (*Executor, error) {
	shared := []*os.File{files.Window, files.Doorbell, files.Interrupt, files.Account} // 4..7
	args := s.arguments("--channel", strconv.Itoa(channel), "--generation", strconv.FormatUint(uint64(generation), 10),
		"--domain", s.Domain, "--domain-uuid", s.DomainUUID)
	if files.Leases != nil {
		shared, args = append(shared, files.Leases, files.Report), append(args, "--lease") // 8, 9
	}
	p, err := s.Stock.take(shared, args)
	if p == nil && err == nil {
		p, err = spawn(s, shared, args)
	}
	if err != nil {
		return nil, fmt.Errorf("starting executor: %w", err)
	}
	e := newExecutor(s, sink, p.cmd.Process.Pid, p.control, p.pidfd, p.output)
	e.cmd = p.cmd
	e.readyTimer = time.AfterFunc(s.ReadyWithin, e.late)
	e.run(func() {
		if s.Place != nil {
			s.Place(channel, e.pid)
		}
		e.command(outgoing{Type: "go"})
	})
	return e, nil
}

// process is a started vgpu-executor with our ends of what it was given.
type process struct {
	cmd                    *exec.Cmd
	control, pidfd, output *os.File
}

// arguments are those that do not depend on a domain, then others.
func (s *Settings) arguments(others ...string) []string {
	own := []string{"--backend", s.Backend, "--gpu", s.GPU, "--module-cache", s.ModuleCache}
	if s.Walls != "" {
		own = append(own, "--walls", s.Walls)
	}
	return append(own, others...)
}

// spawn starts vgpu-executor with files from descriptor 4 on.
func spawn(s Settings, files []*os.File, args []string) (*process, error) {
	ours, theirs, err := controlSocket()
	if err != nil {
		return nil, err
	}
	defer theirs.Close()
	output, stderr, err := os.Pipe()
	if err != nil {
		_ = ours.Close()
		return nil, err
	}
	defer stderr.Close()
	cmd := exec.Command(s.Path, args...)
	cmd.ExtraFiles = append([]*os.File{theirs}, files...)
	cmd.Env = environment(os.Environ())
	cmd.Dir = "/"
	cmd.Stdout, cmd.Stderr = stderr, stderr
	pidfd := -1
	// A group, which is ended as a whole, and no session: where no cgroups are, Linux shares processors among sessions
	// (autogroups), and on a loaded machine threads of an executor were runnable for many seconds without one.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Credential: s.Credential, PidFD: &pidfd}
	if err := cmd.Start(); err != nil {
		_, _ = ours.Close(), output.Close()
		return nil, err
	}
	return &process{cmd: cmd, control: ours, pidfd: os.NewFile(uintptr(pidfd), "pidfd"), output: output}, nil
}

// controlSocket makes the pair whose second end becomes the executor's
// descriptor 3.
func controlSocket() (ours, theirs *os.File, err error) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, nil, fmt.Errorf("making control socket: %w", err)
	}
	if err := unix.SetNonblock(fds[0], true); err != nil { // ours goes through the runtime's poller
		_, _ = unix.Close(fds[0]), unix.Close(fds[1])
		return nil, nil, fmt.Errorf("making control socket: %w", err)
	}
	return os.NewFile(uintptr(fds[0]), "control socket"), os.NewFile(uintptr(fds[1]), "executor's control socket"), nil
}

// uninterrupted keeps Go's runtime from sending signals to threads that have run
// for 10 ms: the consumer of a busy ring always has. It gives way where it calls a function.
const uninterrupted = "asyncpreemptoff=1"

// environment leaves out what belongs to mediatord's own service manager and
// to host-process mode.
func environment(all []string) []string {
	var kept []string
	debug := "GODEBUG=" + uninterrupted
	for _, variable := range all {
		name, _, _ := strings.Cut(variable, "=")
		if name == "NOTIFY_SOCKET" || name == "WATCHDOG_USEC" || name == "WATCHDOG_PID" ||
			strings.HasPrefix(name, "LISTEN_") || strings.HasPrefix(name, "VGPU_") || strings.HasPrefix(name, "DBUS_") {
			continue
		}
		if name == "GODEBUG" {
			debug = variable + "," + uninterrupted
			continue
		}
		kept = append(kept, variable)
	}
	return append(kept, debug)
}
