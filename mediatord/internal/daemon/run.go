package daemon

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/coreos/go-systemd/v22/activation"
	"github.com/coreos/go-systemd/v22/daemon"
	"github.com/sirupsen/logrus"

	"libvirt-vgpu/mediatord/executor/soft/ledger"
	"libvirt-vgpu/mediatord/internal/bus"
	"libvirt-vgpu/mediatord/internal/config"
	"libvirt-vgpu/mediatord/internal/describe"
	"libvirt-vgpu/mediatord/internal/fdstore"
	"libvirt-vgpu/mediatord/internal/gpu"
	"libvirt-vgpu/mediatord/internal/mediator"
	"libvirt-vgpu/mediatord/internal/scope"
)

// run is the daemon's life; it returns nil after a clean shutdown.
func run(ctx context.Context, o options, version string, log *logrus.Logger) error {
	settings, err := o.settings()
	if err != nil {
		return err
	}
	o.takeKept(&settings, log)
	settings.Scopes = scope.New()
	pools, problem := config.Load(o.pools)
	if problem != nil && len(settings.Kept) == 0 {
		return problem
	}
	o.tellPools(pools, problem, log)
	reload := &reloader{options: o, started: os.Getenv(optionsVariable), log: log}
	reload.setProblem(problem)
	if err := mediator.PrepareCaches(settings.ModuleCache, time.Now(), log); err != nil {
		return err
	}
	inventory := gpu.NewNVML()
	defer inventory.Close()
	settings.Processes = inventory
	if settings.Memory, err = newMemory(inventory, os.Getenv(ledger.Variable), log); err != nil {
		return err
	}
	messageBus := bus.New(o.bus, version, o.authority(log), log)
	m, err := mediator.New(settings, pools, inventory, describe.New(settings.Executor), messageBus, log)
	if err != nil {
		return err
	}
	end := m.Close
	if settings.Store != nil { // the next mediatord goes on with what this one leaves
		end = func() {}
	}
	watching, stop := context.WithCancel(ctx)
	defer stop()
	reload.mediator, reload.ctx = m, watching
	serving, err := o.serveMetrics(watching, m, inventory, version, log)
	if err != nil {
		end()
		return err
	}
	watched := o.watch(watching, m, inventory, pools, log)
	hangups := make(chan os.Signal, 1)
	signal.Notify(hangups, syscall.SIGHUP)
	defer signal.Stop(hangups)
	err = messageBus.Serve(ctx, m, reload, func() {
		log.WithFields(logrus.Fields{"bus": o.bus, "version": version}).Info("mediatord ready")
		notify(log, daemon.SdNotifyReady)
		go serviceLoop(watching, reload, log)
		go reload.onSignal(hangups)
	})
	if settings.Store == nil {
		log.Info("mediatord stopping, and all executors with it")
	} else {
		log.WithField("slots", len(m.SlotIDs())).Info("mediatord stopping; slots and executors go on")
	}
	notify(log, daemon.SdNotifyStopping+"\nSTATUS=Stopping")
	stop()
	watched()
	reload.end()
	serving.Wait()
	if settings.Store != nil {
		o.leave(m, settings, log)
	}
	end()
	return err
}

// takeKept puts into settings what an earlier mediatord has left in the file
// descriptor store, or with a holder.
func (o options) takeKept(settings *mediator.Settings, log logrus.FieldLogger) {
	held, safe, err := fdstore.TakeHeld(o.heldSocket())
	if err != nil {
		log.WithError(err).Error("what an earlier mediatord left when it was stopped is lost")
	}
	settings.Store, settings.Kept = fdstore.Open(os.Getenv("NOTIFY_SOCKET"), activation.Files(true), held, log)
	safe()
}

// tellPools logs what is configured, or what is wrong with it.
func (o options) tellPools(pools []config.Pool, problem error, log logrus.FieldLogger) {
	if problem != nil { // domains that run must not suffer from a mistake in a pool file
		log.WithError(problem).Error("the pools cannot be read: running domains go on, every new one will be refused")
	}
	if len(pools) == 0 {
		log.WithField("directory", o.pools).Warn("no pool is configured: every domain with a vGPU will be refused")
	}
	for i := range pools {
		log.WithFields(logrus.Fields{"pool": pools[i].Name, "gpus": pools[i].GPUs, "slots": pools[i].Slots}).Info("pool configured")
	}
}

// withRemedy adds to an error of the start what to do where the error does not say it.
func withRemedy(err error, user int) error {
	if errors.Is(err, os.ErrPermission) && user != 0 {
		return fmt.Errorf("%w; mediatord runs as root, with systemctl start mediatord; another user gives it directories of its own with --run-dir and --module-cache", err)
	}
	return err
}
