package daemon

import (
	"context"
	"fmt"
	"os"

	"github.com/coreos/go-systemd/v22/daemon"
	"github.com/sirupsen/logrus"

	"libvirt-vgpu/mediatord/internal/bus"
	"libvirt-vgpu/mediatord/internal/config"
	"libvirt-vgpu/mediatord/internal/describe"
	"libvirt-vgpu/mediatord/internal/gpu"
	"libvirt-vgpu/mediatord/internal/mediator"
)

// run is the daemon's life; it returns nil after a clean shutdown.
func run(ctx context.Context, o options, version string, log *logrus.Logger) error {
	settings, err := o.settings()
	if err != nil {
		return err
	}
	pools, err := config.Load(o.pools)
	if err != nil {
		return err
	}
	if len(pools) == 0 {
		log.WithField("directory", o.pools).Warn("no pool is configured: every domain with a vGPU will be refused")
	}
	for i := range pools {
		log.WithFields(logrus.Fields{"pool": pools[i].Name, "gpus": pools[i].GPUs, "slots": pools[i].Slots}).Info("pool configured")
	}
	if err := os.MkdirAll(settings.ModuleCache, 0o750); err != nil {
		return fmt.Errorf("making module cache: %w", err)
	}
	if settings.Credential != nil {
		if err := os.Chown(settings.ModuleCache, int(settings.Credential.Uid), int(settings.Credential.Gid)); err != nil {
			return fmt.Errorf("giving module cache to executors: %w", err)
		}
	}
	inventory := gpu.NewNVML()
	defer inventory.Close()
	messageBus := bus.New(o.bus, version, log)
	m, err := mediator.New(settings, pools, inventory, describe.New(settings.Executor), messageBus, log)
	if err != nil {
		return err
	}
	warm := make(chan struct{})
	warmCtx, cancelWarm := context.WithCancel(ctx)
	go func() {
		defer close(warm)
		m.Warm(warmCtx)
	}()
	err = messageBus.Serve(ctx, m, func() {
		log.WithFields(logrus.Fields{"bus": o.bus, "version": version}).Info("mediatord ready")
		notify(log, daemon.SdNotifyReady+"\nSTATUS=Serving "+fmt.Sprint(len(pools))+" pools")
	})
	log.Info("mediatord stopping")
	notify(log, daemon.SdNotifyStopping+"\nSTATUS=Ending executors")
	cancelWarm()
	<-warm
	m.Close()
	return err
}

// notify tells systemd, if it started us.
func notify(log logrus.FieldLogger, state string) {
	if _, err := daemon.SdNotify(false, state); err != nil {
		log.WithError(err).Warn("notifying systemd failed")
	}
}
