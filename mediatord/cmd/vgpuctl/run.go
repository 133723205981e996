package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"libvirt-vgpu/mediatord/internal/bus"
	"libvirt-vgpu/mediatord/internal/hostproc"
	"libvirt-vgpu/plugin/window"
	vgpuxml "libvirt-vgpu/xml"
)

// Exit statuses of a command that could not run, as shells have them.
const (
	exitNotExecutable = 126
	exitNotFound      = 127
	exitSignal        = 128 // + the signal's number
)

const (
	socketVariable = "VGPU_SOCKET"
	libVariable    = "VGPU_LIB_DIR"
	hostVariable   = "NCCL_HOSTID" // what NCCL takes for the machine's name
	defaultLibDir  = "/usr/lib/vgpu"
	holdTimeout    = 5 * time.Second
)

type runOptions struct {
	pool, priority, memory, libDir string
	weight                         int
}

func newRunCommand(address *string) *cobra.Command {
	var o runOptions
	cmd := &cobra.Command{
		Use:   "run [flags] -- command [argument...]",
		Short: "Run a command of this host on a vGPU",
		Long: `Runs a command of this host on a vGPU of its own, the way a program of a guest runs
on its domain's. Root and members of the group vgpu may, others as polkit decides. The
vGPU is there as long as the command. Signals are passed on to it, and its exit status
is vgpuctl's: 126 if it cannot be run and 127 if it is not found, 128 and the signal's
number if one ended it, as a shell has them. NCCL takes every vGPU for a machine of its
own, unless NCCL_HOSTID is set: ranks on two of them talk over the network.`,
		Args: takes("command..."),
		RunE: func(cmd *cobra.Command, args []string) error {
			return o.run(cmd, *address, args)
		},
	}
	f := cmd.Flags()
	f.SetInterspersed(false) // the command's own flags are not ours
	f.StringVar(&o.pool, "pool", "", "pool of the vGPU (default: mediatord's default pool)")
	f.StringVar(&o.priority, "priority", "", "high, normal or low (default: normal)")
	f.IntVar(&o.weight, "weight", vgpuxml.DefaultGPU().Weight, "share against others of the pool, 1 to 10000")
	f.StringVar(&o.memory, "memory", "", "quota of GPU memory, such as 16GiB (default: the pool's)")
	libDir := os.Getenv(libVariable)
	if libDir == "" {
		libDir = defaultLibDir
	}
	f.StringVar(&o.libDir, "lib-dir", libDir, "directory of the guest's libcuda.so.1; environment variable "+libVariable)
	return cmd
}

func (o runOptions) run(cmd *cobra.Command, address string, args []string) error {
	terms, err := o.terms()
	if err != nil {
		return err
	}
	libDir, err := filepath.Abs(o.libDir)
	if err != nil {
		return fmt.Errorf("--lib-dir: %w", err)
	}
	if _, err := os.Stat(filepath.Join(libDir, "libcuda.so.1")); err != nil {
		return fmt.Errorf("there is no libcuda.so.1 in %s: name its directory with --lib-dir or %s", libDir, libVariable)
	}
	path, err := exec.LookPath(args[0])
	if err != nil {
		return notRun(cmd.ErrOrStderr(), err)
	}
	socket, hold, err := openSession(cmd.Context(), address, o.pool, o.priority, terms.Memory, sessionName(args[0]))
	if err != nil {
		return err
	}
	defer hold.Close() // ends the session
	if terms.Weight != vgpuxml.DefaultGPU().Weight {
		if err := setTerms(cmd.Context(), address, socket, terms); err != nil {
			return err
		}
	}
	child := exec.Command(path, args[1:]...)
	child.Args[0] = args[0]
	child.Env = environment(os.Environ(), socket, libDir)
	child.Stdin, child.Stdout, child.Stderr = cmd.InOrStdin(), cmd.OutOrStdout(), cmd.ErrOrStderr()
	return runForwarding(child)
}

// notRun tells why the command does not run, and is a shell's status for that.
func notRun(errs io.Writer, err error) error {
	fmt.Fprintln(errs, "vgpuctl:", err)
	if errors.Is(err, exec.ErrNotFound) || errors.Is(err, os.ErrNotExist) {
		return exitCode(exitNotFound)
	}
	return exitCode(exitNotExecutable)
}

// terms is what the options ask for, as an element of a domain would.
func (o runOptions) terms() (vgpuxml.GPU, error) {
	terms := vgpuxml.DefaultGPU()
	for _, option := range []struct{ name, value string }{
		{"pool", o.pool}, {"priority", o.priority}, {"memory", o.memory}, {"weight", strconv.Itoa(o.weight)},
	} {
		if option.value == "" {
			continue
		}
		if err := terms.Set(option.name, option.value); err != nil {
			return terms, badOption(option.name, err)
		}
	}
	return terms, nil
}

// setTerms changes the session of a socket.
func setTerms(ctx context.Context, address, socket string, terms vgpuxml.GPU) error {
	c, err := dial(address)
	if err != nil {
		return err
	}
	defer c.close()
	var applied, restart []string
	return c.call(ctx, bus.ManagerInterface+".Change", []any{sessionID(socket), terms.Element()}, &applied, &restart)
}

// sessionID is the UUID of a socket's session.
func sessionID(socket string) string {
	_, id, _ := strings.Cut(filepath.Base(filepath.Dir(socket)), "-") // session-UUID
	return id
}

// openSession asks mediatord for a session and holds it: it lasts until the
// connection closes.
func openSession(ctx context.Context, address, pool, priority string, memory uint64, name string) (socket string, hold *net.UnixConn, err error) {
	c, err := dial(address)
	if err != nil {
		return "", nil, err
	}
	defer c.close()
	var slot string
	err = c.call(ctx, bus.ManagerInterface+".OpenSession", []any{pool, priority, memory, name}, &slot, &socket)
	if err != nil {
		return "", nil, err
	}
	hold, err = net.DialUnix("unixpacket", nil, &net.UnixAddr{Name: socket, Net: "unixpacket"})
	if err != nil {
		return "", nil, fmt.Errorf("connecting to the session: %w", err)
	}
	if err := holdSession(hold); err != nil {
		_ = hold.Close()
		return "", nil, fmt.Errorf("holding the session: %w", err)
	}
	return socket, hold, nil
}

func holdSession(conn *net.UnixConn) error {
	if err := conn.SetDeadline(time.Now().Add(holdTimeout)); err != nil {
		return err
	}
	request := hostproc.Message{Type: hostproc.TypeHold, LayoutVersion: window.LayoutVersion}
	if _, err := conn.Write(request.Encode()); err != nil {
		return err
	}
	answer := make([]byte, hostproc.MessageSize)
	n, err := conn.Read(answer)
	if err != nil {
		return err
	}
	reply, err := hostproc.Decode(answer[:n])
	if err != nil {
		return err
	}
	if reply.Error != 0 {
		return syscall.Errno(reply.Error)
	}
	return conn.SetDeadline(time.Time{})
}

// environment puts our libcuda first and tells it its socket. Every session is a machine of its own
// to NCCL too, which otherwise looks for ways between processes of one host that two vGPUs do not have,
// and not at the network.
func environment(inherited []string, socket, libDir string) []string {
	kept := []string{hostVariable + "=" + sessionID(socket)} // what is inherited comes later, and counts
	libraries := libDir
	for _, variable := range inherited {
		name, value, _ := strings.Cut(variable, "=")
		switch name {
		case socketVariable:
		case "LD_LIBRARY_PATH":
			if value != "" {
				libraries += ":" + value
			}
		default:
			kept = append(kept, variable)
		}
	}
	return append(kept, socketVariable+"="+socket, "LD_LIBRARY_PATH="+libraries)
}

// runForwarding runs the command, passes signals on to it and ends with its
// status.
func runForwarding(child *exec.Cmd) error {
	forwarded := []os.Signal{syscall.SIGTERM, syscall.SIGHUP, syscall.SIGUSR1, syscall.SIGUSR2, syscall.SIGINT, syscall.SIGQUIT}
	signals := make(chan os.Signal, 16)
	signal.Notify(signals, forwarded...)
	defer signal.Stop(signals)
	if err := child.Start(); err != nil {
		return notRun(child.Stderr, err)
	}
	onTerminal := foreground()
	done := make(chan error, 1)
	go func() { done <- child.Wait() }()
	for {
		select {
		case s := <-signals:
			if onTerminal && (s == syscall.SIGINT || s == syscall.SIGQUIT) {
				continue // the terminal sent it to the command too
			}
			_ = child.Process.Signal(s)
		case err := <-done:
			return ending(child, err)
		}
	}
}

func ending(child *exec.Cmd, err error) error {
	if child.ProcessState == nil {
		return fmt.Errorf("waiting for command: %w", err)
	}
	status, ok := child.ProcessState.Sys().(syscall.WaitStatus)
	switch {
	case ok && status.Signaled():
		return exitCode(exitSignal + int(status.Signal()))
	case child.ProcessState.ExitCode() != 0:
		return exitCode(child.ProcessState.ExitCode())
	}
	return nil
}

// foreground says that a terminal sends its signals to our process group.
func foreground() bool {
	group, err := unix.IoctlGetInt(0, unix.TIOCGPGRP)
	return err == nil && group == unix.Getpgrp()
}

// sessionName is the command's name as mediatord takes it.
func sessionName(command string) string {
	name := strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return '?'
		}
		return r
	}, filepath.Base(command))
	return name[:min(len(name), 64)]
}
