package main

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"libvirt-vgpu/mediatord/internal/domain"
	vgpuxml "libvirt-vgpu/xml"
)

// detachPoll is how often the running domain is looked at while its guest lets go
// of the device.
const detachPoll = 200 * time.Millisecond

func newDetachCommand(address, uri *string) *cobra.Command {
	var live, asJSON bool
	var timeout time.Duration
	cmd := &cobra.Command{
		Use:   "detach DOMAIN",
		Short: "Take a domain's vGPU away",
		Long: `Removes the vgpu:gpu element and the device vgpu0 from the persistent
configuration of a libvirt domain; a domain that runs keeps its vGPU until it
stops. With --live the running domain loses it at once as well: programs that use
it fail, the guest lets go of the device, and the slot is free again.`,
		Args: takes("DOMAIN"),
	}
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		r := newReport(args[0], cmd.OutOrStdout(), cmd.ErrOrStderr(), asJSON)
		return r.end(withDomain(*uri, args[0], func(target domain.Target) error {
			d := detacher{name: args[0], target: target, report: r, timeout: timeout}
			if live {
				c, err := dial(*address)
				if err != nil {
					return err
				}
				defer c.close()
				d.mediatord = c
			}
			return d.detach(cmd.Context(), live)
		}))
	}
	cmd.Flags().BoolVar(&live, "live", false, "take it from the running domain too")
	cmd.Flags().DurationVar(&timeout, "timeout", 30*time.Second, "how long the guest may take to let go of the device")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

// detacher takes element and device from one domain.
type detacher struct {
	name      string // as the user typed it
	target    domain.Target
	mediatord mediatorCalls
	report    *report
	timeout   time.Duration
}

func (d detacher) detach(ctx context.Context, live bool) error {
	active, err := d.target.IsActive()
	if err != nil {
		return domainFailed(d.name, "asking for its state", err)
	}
	persistent, err := d.target.IsPersistent()
	switch {
	case err != nil:
		return domainFailed(d.name, "asking for its kind", err)
	case live && !active:
		return fmt.Errorf("domain %s does not run: leave --live out", d.name)
	case !live && !persistent:
		return fmt.Errorf("domain %s is transient and has no persistent configuration: use --live", d.name)
	}
	if persistent {
		if err := d.clear(domain.Persistent); err != nil {
			return err
		}
	}
	if live {
		return d.unplug(ctx)
	}
	if active {
		c, err := domain.Read(d.target, domain.Live)
		if err == nil && c.Device.State == vgpuxml.DevicePresent {
			d.report.note("the running domain keeps its vGPU until it stops: take it now with --live")
		}
	}
	return nil
}

// clear removes element and device from a configuration.
func (d detacher) clear(which domain.Which) error {
	c, err := domain.Read(d.target, which)
	if err != nil {
		return domainFailed(d.name, "looking at it", err)
	}
	if c.HasElement() {
		if err := domain.RemoveElement(d.target, which); err != nil {
			return domainFailed(d.name, "changing it", err)
		}
	}
	d.report.did("remove-metadata", which, c.HasElement(), map[bool]string{
		true: "removed the metadata of the %s", false: "the %s has no metadata of a vGPU"}[c.HasElement()], which)
	removed, err := domain.RemoveDevice(d.target, c, which)
	if err != nil {
		// mediatord, which follows the metadata, may have been faster.
		if now, lookErr := domain.Read(d.target, which); lookErr != nil || now.Device.State != vgpuxml.DeviceMissing {
			return domainFailed(d.name, "taking the device", err)
		}
		removed = true
	}
	if which == domain.Persistent {
		now, err := domain.Agree(d.target)
		switch {
		case err != nil:
			return domainFailed(d.name, "looking at it", err)
		case now.HasElement():
			return fmt.Errorf("%s was given a metadata element again meanwhile, and the device with it: repeat the command if it is to go", d.name)
		}
	}
	d.report.did("remove-device", which, removed, map[bool]string{
		true: "removed the device %s from the %s", false: "there is no device %s in the %s"}[removed], vgpuxml.DeviceName, which)
	return nil
}

// unplug takes the device from the running domain, waits until its guest has let
// go of it, and gives the slot back.
func (d detacher) unplug(ctx context.Context) error {
	if err := d.clear(domain.Live); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, d.timeout)
	defer cancel()
	told := false
	for {
		c, err := domain.Read(d.target, domain.Live)
		if err != nil {
			return domainFailed(d.name, "looking at it", err)
		}
		if c.Device.State == vgpuxml.DeviceMissing {
			if err := d.mediatord.release(context.WithoutCancel(ctx), c.UUID); err != nil {
				return err
			}
			d.report.did("release-slot", domain.Live, true, "the guest has let go of the device, its slot is free")
			return nil
		}
		if !told {
			told = true
			d.report.waiting("waiting for the guest to let go of the device ...")
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("the guest of %s has not let go of the device within %v: end the programs in it that use the vGPU and repeat the command, or stop the domain", d.name, d.timeout)
		case <-time.After(detachPoll):
		}
	}
}
