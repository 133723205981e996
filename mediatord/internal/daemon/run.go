package daemon

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"syscall"
	"time"

	"github.com/coreos/go-systemd/v22/activation"
	"github.com/coreos/go-systemd/v22/daemon"
	"github.com/sirupsen/logrus"

	"libvirt-vgpu/mediatord/internal/bus"
	"libvirt-vgpu/mediatord/internal/config"
	"libvirt-vgpu/mediatord/internal/describe"
	"libvirt-vgpu/mediatord/internal/domain"
	"libvirt-vgpu/mediatord/internal/fdstore"
	"libvirt-vgpu/mediatord/internal/gpu"
	"libvirt-vgpu/mediatord/internal/mediator"
	"libvirt-vgpu/mediatord/internal/scope"
	"libvirt-vgpu/mediatord/internal/uevent"
)

// run is the daemon's life; it returns nil after a clean shutdown.
func run(ctx context.Context, o options, version string, log *logrus.Logger) error {
	settings, err := o.settings()
	if err != nil {
		return err
	}
	held, safe, err := fdstore.TakeHeld(o.heldSocket())
	if err != nil {
		log.WithError(err).Error("what an earlier mediatord left when it was stopped is lost")
	}
	settings.Store, settings.Kept = fdstore.Open(os.Getenv("NOTIFY_SOCKET"), activation.Files(true), held, log)
	safe()
	settings.Scopes = scope.New()
	pools, err := config.Load(o.pools)
	if err != nil && len(settings.Kept) == 0 {
		return err
	}
	reload := &reloader{options: o, started: os.Getenv(optionsVariable), log: log}
	reload.setProblem(err)
	if err != nil { // domains that run must not suffer from a mistake in a pool file
		log.WithError(err).Error("the pools cannot be read: running domains go on, every new one will be refused")
	}
	if len(pools) == 0 {
		log.WithField("directory", o.pools).Warn("no pool is configured: every domain with a vGPU will be refused")
	}
	for i := range pools {
		log.WithFields(logrus.Fields{"pool": pools[i].Name, "gpus": pools[i].GPUs, "slots": pools[i].Slots}).Info("pool configured")
	}
	if err := makeCacheBase(settings.ModuleCache); err != nil {
		return err
	}
	mediator.SweepCaches(settings.ModuleCache, time.Now(), log)
	inventory := gpu.NewNVML()
	defer inventory.Close()
	settings.Processes = inventory
	messageBus := bus.New(o.bus, version, o.authority(log), log)
	m, err := mediator.New(settings, pools, inventory, describe.New(settings.Executor), messageBus, log)
	if err != nil {
		return err
	}
	end := m.Close
	if settings.Store != nil { // the next mediatord goes on with what this one leaves
		end = func() {}
	}
	warm := make(chan struct{})
	warmCtx, cancelWarm := context.WithCancel(ctx)
	defer cancelWarm()
	reload.mediator, reload.ctx = m, warmCtx
	watching, err := o.serveMetrics(warmCtx, m, inventory, version, log)
	if err != nil {
		end()
		return err
	}
	go func() {
		defer close(warm)
		m.Warm(warmCtx)
		watchDevices(warmCtx, m, log)
	}()
	go watchXids(warmCtx, inventory, m, pools, log)
	watched := make(chan struct{})
	go func() {
		defer close(watched)
		if o.libvirt != "" {
			domain.Watch(warmCtx, o.libvirt, domain.Keeper{Mediator: m, Log: log})
		}
	}()
	hangups := make(chan os.Signal, 1)
	signal.Notify(hangups, syscall.SIGHUP)
	defer signal.Stop(hangups)
	err = messageBus.Serve(ctx, m, reload, func() {
		log.WithFields(logrus.Fields{"bus": o.bus, "version": version}).Info("mediatord ready")
		notify(log, daemon.SdNotifyReady)
		go serviceLoop(warmCtx, reload, log)
		go reload.onSignal(hangups)
	})
	if settings.Store == nil {
		log.Info("mediatord stopping, and all executors with it")
	} else {
		log.WithField("slots", len(m.SlotIDs())).Info("mediatord stopping; slots and executors go on")
	}
	notify(log, daemon.SdNotifyStopping+"\nSTATUS=Stopping")
	cancelWarm()
	<-warm
	reload.end()
	watching.Wait()
	select {
	case <-watched:
	case <-time.After(libvirtEnds): // in a call that libvirt does not answer
	}
	if settings.Store != nil {
		o.leave(m, settings, log)
	}
	end()
	return err
}

// libvirtEnds is how long the end of mediatord waits for a call of libvirt.
const libvirtEnds = 2 * time.Second

// makeCacheBase makes the directory of the module caches mediatord's own, whoever
// had it before; executors reach what is theirs below it. It does without the
// privilege to overrule permissions, which the service does not have.
func makeCacheBase(directory string) error {
	err := os.MkdirAll(directory, 0o711)
	if err == nil {
		err = os.Chown(directory, os.Geteuid(), os.Getegid())
	}
	if err == nil {
		err = os.Chmod(directory, 0o711) // whatever the umask
	}
	if err != nil {
		return fmt.Errorf("making module cache: %w", err)
	}
	return nil
}

// xidRetry is how soon Xid errors are listened for again, when there was no GPU, or
// NVML failed.
const xidRetry = time.Minute

// watchXids has the mediator hear of Xid errors of real GPUs until ctx ends.
func watchXids(ctx context.Context, inventory *gpu.NVML, m *mediator.Mediator, pools []config.Pool, log logrus.FieldLogger) {
	if !slices.ContainsFunc(pools, func(p config.Pool) bool { return p.Backend == config.BackendCUDA }) {
		return
	}
	for ctx.Err() == nil {
		_, err := inventory.List() // a driver that was loaded late
		if err == nil {
			err = inventory.Xids(ctx, m.Xid)
		}
		if err != nil {
			log.WithError(err).Warn("Xid errors of the GPUs are not heard; trying again in a minute")
		}
		select {
		case <-ctx.Done():
		case <-time.After(xidRetry):
		}
	}
}

// devicesSettle is how long after a change of the host's devices they are looked
// at: one device that comes or goes is a dozen events.
const devicesSettle = 500 * time.Millisecond

// watchDevices looks at the pools' isolation again whenever a PCI device or an
// IOMMU group changes, until ctx ends.
func watchDevices(ctx context.Context, m *mediator.Mediator, log logrus.FieldLogger) {
	later := time.AfterFunc(time.Hour, m.Recheck)
	defer later.Stop()
	later.Stop()
	err := uevent.Listen(ctx, func(e uevent.Event) {
		if e.Action == "lost" || e.Subsystem == "pci" || e.Subsystem == "iommu" || e.Subsystem == "vfio" {
			later.Reset(devicesSettle)
		}
	})
	if err != nil {
		log.WithError(err).Warn("changes of the host's devices are not heard; isolation is checked when domains start")
	}
}
