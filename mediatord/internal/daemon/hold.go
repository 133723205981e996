package daemon

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/sirupsen/logrus"
	"github.com/spf13/cobra"

	"libvirt-vgpu/mediatord/internal/fdstore"
	"libvirt-vgpu/mediatord/internal/mediator"
	"libvirt-vgpu/mediatord/internal/slot"
)

// holdPatience bounds what systemd is asked while mediatord ends.
const holdPatience = 5 * time.Second

// heldSocket is where a holder listens.
func (o options) heldSocket() string { return filepath.Join(o.runDir, "held.sock") }

// leave starts a holder if systemd is about to forget what domains need that run.
func (o options) leave(m *mediator.Mediator, settings mediator.Settings, log logrus.FieldLogger) {
	if !o.hold || !inUse(m) {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), holdPatience)
	defer cancel()
	stopped, err := settings.Scopes.Stopped(ctx)
	if err != nil {
		log.WithError(err).Warn("whether mediatord is stopped or restarted is not known; if it is stopped, running domains lose their vGPUs")
	}
	if !stopped {
		return
	}
	self, err := os.Executable()
	pid := 0
	if err == nil {
		pid, err = settings.Store.Hold(self, "hold", o.heldSocket())
	}
	if err != nil {
		log.WithError(err).Error("nobody holds what running domains need while mediatord is stopped; they have their vGPUs back when they are started again")
		return
	}
	if err := settings.Scopes.Hold(ctx, pid); err != nil {
		log.WithError(err).Warn("the process that holds what running domains need is left in mediatord's cgroup")
	}
	log.WithField("pid", pid).Warn("mediatord is stopped while domains use vGPUs: their programs go on, no other can begin until it is started again")
}

// inUse says whether somebody would miss what a stop takes away.
func inUse(m *mediator.Mediator) bool {
	for _, id := range m.SlotIDs() {
		if s, err := m.Slot(id); err == nil && (s.Connected || s.Kind == slot.Session) {
			return true
		}
	}
	return false
}

// errByHand is for a person who tries the holder.
var errByHand = errors.New("mediatord starts this itself when it is stopped while domains use vGPUs")

// newHoldCommand is the holder.
func newHoldCommand() *cobra.Command {
	return &cobra.Command{
		Use:    "hold SOCKET",
		Short:  "Hold what running domains need until the next mediatord takes it",
		Hidden: true,
		RunE: func(cmd *cobra.Command, args []string) error {
			err := errByHand
			if len(args) == 1 {
				err = fdstore.ServeHeld(cmd.Context(), args[0], os.Stdout)
			}
			switch {
			case errors.Is(err, context.Canceled):
				return nil
			case errors.Is(err, fdstore.ErrNothingHeld):
				err = errByHand
			}
			if err != nil {
				fmt.Fprintln(cmd.ErrOrStderr(), "mediatord hold:", err)
			}
			return err
		},
	}
}
