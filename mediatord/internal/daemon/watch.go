package daemon

import (
	"context"
	"slices"
	"time"

	"github.com/sirupsen/logrus"

	"libvirt-vgpu/mediatord/internal/config"
	"libvirt-vgpu/mediatord/internal/domain"
	"libvirt-vgpu/mediatord/internal/gpu"
	"libvirt-vgpu/mediatord/internal/mediator"
	"libvirt-vgpu/mediatord/internal/uevent"
)

// libvirtEnds is how long the end of mediatord waits for a call of libvirt.
const libvirtEnds = 2 * time.Second

// watch makes warm executors, and follows devices, Xid errors and libvirt's domains until
// ctx ends. What it returns waits for the end of that.
func (o options) watch(ctx context.Context, m *mediator.Mediator, inventory *gpu.NVML, pools []config.Pool, log logrus.FieldLogger) (wait func()) {
	devices, domains := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(devices)
		m.Warm(ctx)
		watchDevices(ctx, m, log)
	}()
	go watchXids(ctx, inventory, m, pools, log)
	go func() {
		defer close(domains)
		if o.libvirt != "" {
			domain.Watch(ctx, o.libvirt, domain.Keeper{Mediator: m, Log: log})
		}
	}()
	return func() {
		<-devices
		select {
		case <-domains:
		case <-time.After(libvirtEnds): // in a call that libvirt does not answer
		}
	}
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
