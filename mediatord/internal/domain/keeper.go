package domain

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/sirupsen/logrus"

	"libvirt-vgpu/mediatord/internal/mediator"
	"libvirt-vgpu/mediatord/internal/refusal"
	"libvirt-vgpu/plugin/window"
	vgpuxml "libvirt-vgpu/xml"
)

// Mediator is what the keeper needs of a mediator.Mediator.
type Mediator interface {
	Change(ctx context.Context, id window.UUID, metadata string) (mediator.Change, error)
}

// Keeper makes a domain's device and running settings follow its metadata.
type Keeper struct {
	Mediator Mediator
	Log      logrus.FieldLogger
}

// Reason says why the keeper looks at a domain.
type Reason int

// The reasons.
const (
	// Seen: the domain was defined, or there when the keeper came.
	Seen Reason = iota
	// MetadataChanged: somebody set, changed or removed our element.
	MetadataChanged
)

// changeTimeout bounds one change of a running domain.
const changeTimeout = 10 * time.Second

// Follow looks at a domain. The persistent configuration gets the device that its
// element implies; the device goes when the element was removed. A running
// domain gets the settings of its live element that can change while it runs.
// What cannot be done is logged, with what to do.
func (k Keeper) Follow(ctx context.Context, target Target, reason Reason) error {
	persistent, err := target.IsPersistent()
	if err != nil {
		return fmt.Errorf("asking for the domain's kind: %w", err)
	}
	var failures []error
	if persistent {
		failures = append(failures, k.followPersistent(target, reason))
	}
	active, err := target.IsActive()
	if err != nil {
		return fmt.Errorf("asking for the domain's state: %w", err)
	}
	if active {
		failures = append(failures, k.followLive(ctx, target, reason))
	}
	return errors.Join(failures...)
}

func (k Keeper) followPersistent(target Target, reason Reason) error {
	c, err := Read(target, Persistent)
	if err != nil {
		return err
	}
	log := k.Log.WithField("domain", c.Name)
	switch {
	case errors.Is(c.ElementErr, vgpuxml.ErrNoGPU):
		if reason != MetadataChanged {
			return nil // the device may be there before its element
		}
		if c.Device.State == vgpuxml.DeviceMissing {
			return nil
		}
		now, err := Agree(target)
		if err == nil && now.Device.State == vgpuxml.DeviceMissing {
			log.Info("removed the device vgpu0, as the metadata element is gone")
		}
		return err
	case c.ElementErr != nil:
		log.WithError(c.ElementErr).Warn("the domain's metadata element cannot be used; it will be refused at its next start")
		return nil
	}
	switch c.Device.State {
	case vgpuxml.DevicePresent:
		return nil
	case vgpuxml.DeviceDiffers:
		removed, err := RemoveDevice(target, c, Persistent)
		if err != nil {
			return err
		}
		if !removed {
			log.Warnf("the domain has another vgpu0 device: %s; remove it with virsh edit %s", c.Device, c.Name)
			return nil
		}
	case vgpuxml.DeviceMissing:
	}
	now, err := Agree(target)
	if err == nil && now.Device.State == vgpuxml.DevicePresent {
		log.Info("added the device vgpu0 that the metadata element implies")
	}
	return err
}

func (k Keeper) followLive(ctx context.Context, target Target, reason Reason) error {
	c, err := Read(target, Live)
	if err != nil {
		return err
	}
	log := k.Log.WithField("domain", c.Name)
	switch {
	case errors.Is(c.ElementErr, vgpuxml.ErrNoGPU):
		if reason == MetadataChanged && c.Device.State == vgpuxml.DevicePresent {
			log.Infof("the running domain keeps its vGPU without its metadata element; take it away with vgpuctl detach --live %s, or stop it", c.Name)
		}
		return nil
	case c.ElementErr != nil:
		log.WithError(c.ElementErr).Warn("the running domain's metadata element cannot be used; it keeps what it has")
		return nil
	}
	id, err := window.ParseUUID(c.UUID)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, changeTimeout)
	defer cancel()
	change, err := k.Mediator.Change(ctx, id, c.GPU.Element())
	switch {
	case errors.Is(err, refusal.ErrNoSuchDomain) && c.Device.State == vgpuxml.DevicePresent:
		return nil // it is starting, or the hook's reservation is about to come
	case errors.Is(err, refusal.ErrNoSuchDomain):
		if reason == MetadataChanged {
			log.Infof("the running domain gets its vGPU with its next start, or now with vgpuctl attach --live %s", c.Name)
		}
		return nil
	case err != nil:
		log.WithError(err).Warn("the running domain keeps its settings: the new ones are refused")
		return nil
	}
	if len(change.Restart) > 0 {
		log.Infof("%s of the running domain changes with its next start: stop it and start it", strings.Join(change.Restart, " and "))
	}
	return nil
}
