// Package daemon is the mediatord program: its command line and its life.
package daemon

import (
	"fmt"
	"io"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/sirupsen/logrus"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"libvirt-vgpu/mediatord/internal/authority"
	"libvirt-vgpu/mediatord/internal/mediator"
	vgpuxml "libvirt-vgpu/xml"
)

// options are the command line.
type options struct {
	bus, pools, runDir, executor, moduleCache, sysfs, libvirt string
	qemuUsers                                                 []string
	pidFiles                                                  string
	sessionGroup                                              string
	socketGroup                                               string
	socketWorld                                               bool
	executorUser                                              string
	sessionWindow                                             string
	readyWithin                                               time.Duration
	metrics                                                   []string
	logFormat, logLevel                                       string
	environmentFile                                           string
	hold                                                      bool
}

// NewCommand is mediatord; it logs to stderr and ends cleanly with its context.
func NewCommand(version string, stderr io.Writer) *cobra.Command {
	var o options
	mistyped := func(err error) error {
		if err != nil {
			fmt.Fprintf(stderr, "mediatord: %v; try mediatord --help\n", err)
		}
		return err
	}
	cmd := &cobra.Command{
		Use:           "mediatord",
		Short:         "Share the host's GPUs among libvirt domains",
		Args:          func(cmd *cobra.Command, args []string) error { return mistyped(cobra.NoArgs(cmd, args)) },
		Version:       version,
		SilenceUsage:  true,
		SilenceErrors: true,
		RunE: func(cmd *cobra.Command, _ []string) error {
			log, err := o.logger(stderr)
			if err != nil {
				fmt.Fprintln(stderr, "mediatord:", err)
				return err
			}
			toJournal(log)
			if err := withRemedy(run(cmd.Context(), o, version, log), os.Geteuid()); err != nil {
				log.WithError(err).Error("mediatord ends")
				return err
			}
			return nil
		},
	}
	cmd.SetErr(stderr)
	cmd.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return mistyped(err) })
	o.declare(cmd.Flags())
	cmd.AddCommand(newHoldCommand())
	// for a person it is one command
	cmd.CompletionOptions.DisableDefaultCmd = true
	cmd.SetHelpCommand(&cobra.Command{Hidden: true})
	return cmd
}

// declare makes the options of the command line.
func (o *options) declare(f *pflag.FlagSet) {
	f.StringVar(&o.bus, "bus", "system", `message bus: "system", "session" or a D-Bus address`)
	f.StringVar(&o.pools, "pools", "/etc/vgpu/pools.d", "directory of pool files")
	f.StringVar(&o.runDir, "run-dir", "/run/vgpu", "directory of the domains' sockets")
	f.StringVar(&o.executor, "executor", defaultExecutor(), "vgpu-executor binary")
	f.StringVar(&o.moduleCache, "module-cache", "/var/cache/vgpu/modules", "directory in which executors keep GPU code")
	f.StringVar(&o.sysfs, "sysfs", "/sys", "where sysfs is mounted, for the IOMMU groups of the GPUs")
	f.StringVar(&o.libvirt, "libvirt", "qemu:///system", "libvirt whose domains' devices follow their metadata; \"\" for none")
	f.StringSliceVar(&o.qemuUsers, "qemu-users", []string{"libvirt-qemu", "qemu", "root"}, "users that QEMU may run as; the first that exists owns the sockets")
	f.StringVar(&o.pidFiles, "qemu-pid-files", "/run/libvirt/qemu", "directory in which --libvirt says which process is which domain's QEMU: others are turned away; \"\" for not looking")
	f.StringVar(&o.socketGroup, "socket-group", "", "group that may connect to the sockets too")
	f.BoolVar(&o.socketWorld, "socket-world", false, "give every user access to the sockets; who connects is still checked")
	f.StringVar(&o.sessionGroup, "session-group", "vgpu", "group whose members may run programs on vGPUs; others may if polkit lets them")
	f.StringVar(&o.executorUser, "executor-user", "", "user that executors run as (default: mediatord's)")
	f.StringVar(&o.sessionWindow, "session-window", "4GiB", "size of the shared window of host processes")
	f.DurationVar(&o.readyWithin, "executor-timeout", time.Minute, "time an executor may take to start")
	f.StringSliceVar(&o.metrics, "metrics", nil, "where to serve Prometheus metrics: unix:/PATH, 127.0.0.1:PORT, or both with a comma (default: nowhere)")
	f.StringVar(&o.logFormat, "log-format", "text", "text or json")
	f.StringVar(&o.logLevel, "log-level", "info", "debug, info, warning or error")
	f.BoolVar(&o.hold, "hold", false, "leave what running domains need with a process of its own when systemd stops the service, as its store does not")
	f.StringVar(&o.environmentFile, "environment-file", "", "file whose "+optionsVariable+" is looked at when the configuration is read again")
}

// defaultExecutor is the binary beside our own, if there is one, else the
// packages' place.
func defaultExecutor() string {
	if self, err := os.Executable(); err == nil {
		beside := filepath.Join(filepath.Dir(self), "vgpu-executor")
		if info, err := os.Stat(beside); err == nil && info.Mode().IsRegular() {
			return beside
		}
	}
	return "/usr/libexec/vgpu/vgpu-executor"
}

func (o options) logger(out io.Writer) (*logrus.Logger, error) {
	log := logrus.New()
	log.SetOutput(out)
	level, err := o.level()
	if err != nil {
		return nil, err
	}
	log.SetLevel(level)
	switch o.logFormat {
	case "text":
		log.SetFormatter(&logrus.TextFormatter{FullTimestamp: true})
	case "json":
		log.SetFormatter(&logrus.JSONFormatter{})
	default:
		return nil, fmt.Errorf("--log-format is %q: allowed are text, json", o.logFormat)
	}
	return log, nil
}

func (o options) level() (logrus.Level, error) {
	level, err := logrus.ParseLevel(o.logLevel)
	if err != nil {
		return level, fmt.Errorf("--log-level is %q: allowed are debug, info, warning, error", o.logLevel)
	}
	return level, nil
}

// settings resolves users and sizes.
func (o options) settings() (mediator.Settings, error) {
	s := mediator.Settings{
		Executor: o.executor, ModuleCache: o.moduleCache, Sysfs: o.sysfs,
		SocketUID: os.Geteuid(), SocketGID: -1, SocketMode: 0o600,
		KillAfter: 2 * time.Second, ReadyWithin: o.readyWithin, HoldWithin: 30 * time.Second,
		ReleaseWithin: 10 * time.Second,
	}
	var err error
	if s.RunDir, err = filepath.Abs(o.runDir); err != nil {
		return s, fmt.Errorf("--run-dir: %w", err)
	}
	if s.SessionWindow, err = vgpuxml.ParseSize(o.sessionWindow); err != nil ||
		s.SessionWindow < vgpuxml.MinWindow || s.SessionWindow > vgpuxml.MaxWindow || s.SessionWindow&(s.SessionWindow-1) != 0 {
		return s, fmt.Errorf("--session-window is %q: allowed is a power of two from 64MiB to 64GiB", o.sessionWindow)
	}
	if o.libvirt != "" {
		s.PIDFiles = o.pidFiles
	}
	if o.readyWithin <= 0 {
		return s, fmt.Errorf("--executor-timeout is %v: allowed is any time longer than 0s", o.readyWithin)
	}
	owned := false
	for _, name := range o.qemuUsers {
		id, found := lookupUser(name)
		if !found {
			continue
		}
		s.QEMUUsers = append(s.QEMUUsers, id.Uid)
		if !owned && os.Geteuid() == 0 {
			s.SocketUID, owned = int(id.Uid), true
		}
	}
	if len(o.qemuUsers) > 0 && len(s.QEMUUsers) == 0 {
		return s, fmt.Errorf("--qemu-users: none of them exists, so no QEMU could connect: %s", strings.Join(o.qemuUsers, ", "))
	}
	if o.socketGroup != "" {
		group, err := user.LookupGroup(o.socketGroup)
		if err != nil {
			return s, fmt.Errorf("--socket-group: %w", err)
		}
		if s.SocketGID, err = strconv.Atoi(group.Gid); err != nil {
			return s, fmt.Errorf("--socket-group: group id %q: %w", group.Gid, err)
		}
		s.SocketMode = 0o660
	}
	if o.socketWorld {
		s.SocketMode = 0o666
	}
	if o.executorUser != "" {
		id, found := lookupUser(o.executorUser)
		if !found {
			return s, fmt.Errorf("--executor-user: there is no user %q", o.executorUser)
		}
		s.Credential = &id
	}
	return s, nil
}

// lookupUser finds a user by name with its groups.
func lookupUser(name string) (syscall.Credential, bool) {
	u, err := user.Lookup(name)
	if err != nil {
		return syscall.Credential{}, false
	}
	uid, err := strconv.ParseUint(u.Uid, 10, 32)
	if err != nil {
		return syscall.Credential{}, false
	}
	gid, err := strconv.ParseUint(u.Gid, 10, 32)
	if err != nil {
		return syscall.Credential{}, false
	}
	id := syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
	groups, err := u.GroupIds()
	if err != nil {
		return id, true // its primary group will do
	}
	for _, text := range groups {
		if group, err := strconv.ParseUint(text, 10, 32); err == nil {
			id.Groups = append(id.Groups, uint32(group))
		}
	}
	return id, true
}

// authority finds who may do what without polkit. A group that does not exist
// has no members.
func (o options) authority(log logrus.FieldLogger) authority.Authority {
	a := authority.Authority{Self: uint32(os.Geteuid()), SessionGroup: -1}
	if o.sessionGroup == "" {
		return a
	}
	g, err := user.LookupGroup(o.sessionGroup)
	if err == nil {
		a.SessionGroup, err = strconv.ParseInt(g.Gid, 10, 64)
	}
	if err != nil {
		a.SessionGroup = -1
		log.WithField("group", o.sessionGroup).Debug("there is no group for sessions")
	}
	return a
}
