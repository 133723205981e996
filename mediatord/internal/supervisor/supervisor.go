// Package supervisor starts executors, listens to them and makes sure that
// they are gone.
//
// An executor is its own session and process group. It ends when its control
// socket closes, so none survives mediatord; it gets SIGTERM and, KillAfter
// later, SIGKILL for its whole group when it is to stop.
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

	"libvirt-vgpu/mediatord/internal/rights"
)

// CUresults that mediatord itself answers.
const (
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
	Credential  *syscall.Credential
	KillAfter   time.Duration // from SIGTERM to SIGKILL
	ReadyWithin time.Duration // from start to "ready"
}

// Files are what an executor shares with its guest process and with mediatord.
type Files struct {
	Window    *os.File // memfd
	Doorbell  *os.File // eventfd, read: the guest rang
	Interrupt *os.File // eventfd, write: wakes the guest process
	Account   *os.File // memfd
}

// Launch starts the executor of a channel. sink gets its events, Exited last; it
// is called from several goroutines and may block without harm to the caller.
func Launch(s Settings, files Files, channel int, generation uint32, sink func(Event)) (*Executor, error) {
	ours, theirs, err := controlSocket()
	if err != nil {
		return nil, fmt.Errorf("starting executor: %w", err)
	}
	defer theirs.Close()
	e := &Executor{
		settings: s, sink: sink, control: ours, lines: rights.New(ours),
		wake: make(chan struct{}, 1), gone: make(chan struct{}),
	}
	e.stderr = &lineWriter{limit: maxText, emit: func(line string) {
		sink(Event{Kind: Log, Level: "warning", Text: "stderr: " + line})
	}}
	e.cmd = exec.Command(s.Path,
		"--backend", s.Backend, "--gpu", s.GPU,
		"--channel", strconv.Itoa(channel), "--generation", strconv.FormatUint(uint64(generation), 10),
		"--domain", s.Domain, "--domain-uuid", s.DomainUUID, "--module-cache", s.ModuleCache)
	e.cmd.ExtraFiles = []*os.File{theirs, files.Window, files.Doorbell, files.Interrupt, files.Account} // 3..7
	e.cmd.Env = environment(os.Environ())
	e.cmd.Dir = "/"
	e.cmd.Stdout, e.cmd.Stderr = e.stderr, e.stderr
	e.cmd.WaitDelay = time.Second
	e.cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Credential: s.Credential}
	if err := e.cmd.Start(); err != nil {
		_ = ours.Close()
		return nil, fmt.Errorf("starting executor: %w", err)
	}
	e.readyTimer = time.AfterFunc(s.ReadyWithin, e.late)
	go e.write()
	go e.supervise()
	return e, nil
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

// environment leaves out what belongs to mediatord's own service manager and
// to host-process mode.
func environment(all []string) []string {
	var kept []string
	for _, variable := range all {
		name, _, _ := strings.Cut(variable, "=")
		if name == "NOTIFY_SOCKET" || name == "WATCHDOG_USEC" || name == "WATCHDOG_PID" ||
			strings.HasPrefix(name, "LISTEN_") || strings.HasPrefix(name, "VGPU_") || strings.HasPrefix(name, "DBUS_") {
			continue
		}
		kept = append(kept, variable)
	}
	return kept
}
