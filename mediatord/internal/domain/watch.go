package domain

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sirupsen/logrus"
	"libvirt.org/go/libvirt"

	vgpuxml "libvirt-vgpu/xml"
)

// Pauses between attempts to reach libvirt.
const (
	shortPause = time.Second
	longPause  = 30 * time.Second
)

// Keepalive of the connection, so that a libvirtd that hangs is noticed:
// seconds, and answers that may be missing.
const (
	keepAliveInterval = 5
	keepAliveCount    = 5
)

// Watch keeps the domains of the libvirt at uri until ctx ends. It looks for
// libvirt again when it is not there or goes away; then every domain is looked
// at once.
func Watch(ctx context.Context, uri string, keeper Keeper) {
	log := keeper.Log.WithField("libvirt", uri)
	pause := shortPause
	silent := false
	for ctx.Err() == nil {
		began := time.Now()
		err := watch(ctx, uri, keeper, log)
		if ctx.Err() != nil {
			return
		}
		if time.Since(began) > longPause {
			pause, silent = shortPause, false
		}
		if !silent {
			log.WithError(errors.New(Text(err))).Warn("libvirt is not there: metadata that is set now gets its device when it is back")
			silent = true
		}
		select {
		case <-ctx.Done():
		case <-time.After(pause):
		}
		pause = min(2*pause, longPause)
	}
}

// watch serves one connection until it breaks.
func watch(ctx context.Context, uri string, keeper Keeper, log logrus.FieldLogger) error {
	if err := libvirt.EventRegisterDefaultImpl(); err != nil {
		return fmt.Errorf("starting libvirt's event loop: %w", err)
	}
	end, err := runEvents()
	if err != nil {
		return err
	}
	defer end()
	conn, err := libvirt.NewConnect(uri)
	if err != nil {
		return fmt.Errorf("connecting to libvirt: %w", err)
	}
	defer conn.Close()
	broken := make(chan struct{})
	var once sync.Once
	if err := conn.RegisterCloseCallback(func(*libvirt.Connect, libvirt.ConnectCloseReason) { once.Do(func() { close(broken) }) }); err != nil {
		return fmt.Errorf("watching the connection to libvirt: %w", err)
	}
	defer conn.UnregisterCloseCallback()
	if err := conn.SetKeepAlive(keepAliveInterval, keepAliveCount); err != nil {
		log.WithError(err).Debug("libvirt has no keepalive")
	}
	seen := newQueue()
	for _, register := range []func(*libvirt.Connect, *queue) (int, error){onDefined, onMetadata} {
		id, err := register(conn, seen)
		if err != nil {
			return fmt.Errorf("asking libvirt for events: %w", err)
		}
		defer conn.DomainEventDeregister(id)
	}
	// The list comes after the events, so that nothing falls between.
	if err := listAll(conn, seen); err != nil {
		return err
	}
	log.Info("keeping the domains' devices as their metadata says")
	for {
		uuid, reason, ok := seen.next(ctx, broken)
		if !ok {
			return errors.New("the connection to libvirt broke")
		}
		if err := follow(ctx, conn, keeper, uuid, reason); err != nil {
			log.WithField("domain_uuid", uuid).Warn(Text(err))
		}
	}
}

// runEvents runs libvirt's event loop until end, which waits for it.
func runEvents() (end func(), err error) {
	const never = -1
	alarm, err := libvirt.EventAddTimeout(never, func(int) {})
	if err != nil {
		return nil, fmt.Errorf("starting libvirt's event loop: %w", err)
	}
	var stop atomic.Bool
	var loop sync.WaitGroup
	loop.Go(func() {
		for !stop.Load() {
			if libvirt.EventRunDefaultImpl() != nil {
				return
			}
		}
	})
	return func() {
		stop.Store(true)
		libvirt.EventUpdateTimeout(alarm, 0) // wakes it
		loop.Wait()
		_ = libvirt.EventRemoveTimeout(alarm)
	}, nil
}

func onDefined(conn *libvirt.Connect, seen *queue) (int, error) {
	return conn.DomainEventLifecycleRegister(nil, func(_ *libvirt.Connect, d *libvirt.Domain, e *libvirt.DomainEventLifecycle) {
		if e.Event == libvirt.DOMAIN_EVENT_DEFINED {
			seen.add(d, Seen)
		}
	})
}

func onMetadata(conn *libvirt.Connect, seen *queue) (int, error) {
	return conn.DomainEventMetadataChangeRegister(nil, func(_ *libvirt.Connect, d *libvirt.Domain, e *libvirt.DomainEventMetadataChange) {
		if e.Type == libvirt.DOMAIN_METADATA_ELEMENT && e.NSURI == vgpuxml.Namespace {
			seen.add(d, MetadataChanged)
		}
	})
}

func listAll(conn *libvirt.Connect, seen *queue) error {
	domains, err := conn.ListAllDomains(0)
	if err != nil {
		return fmt.Errorf("listing domains: %w", err)
	}
	for i := range domains {
		seen.add(&domains[i], Seen)
		_ = domains[i].Free()
	}
	return nil
}

func follow(ctx context.Context, conn *libvirt.Connect, keeper Keeper, uuid string, reason Reason) error {
	d, err := conn.LookupDomainByUUIDString(uuid)
	if errors.Is(err, libvirt.ERR_NO_DOMAIN) {
		return nil // gone again
	}
	if err != nil {
		return fmt.Errorf("looking for the domain: %w", err)
	}
	defer d.Free()
	err = keeper.Follow(ctx, d, reason)
	if errors.Is(err, libvirt.ERR_NO_DOMAIN) {
		return nil
	}
	return err
}
