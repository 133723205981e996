package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"libvirt-vgpu/mediatord/internal/domain"
	vgpuxml "libvirt-vgpu/xml"
)

func newAttachCommand(address, uri *string) *cobra.Command {
	var live, asJSON bool
	cmd := &cobra.Command{
		Use:   "attach DOMAIN",
		Short: "Give a domain a vGPU",
		Long: `Adds the shared memory device vgpu0 to the persistent configuration of a libvirt
domain, named by its name or UUID. Its metadata must have a vgpu:gpu element;
with --pool, --memory and the like vgpuctl writes it, or changes the one that is
there. The rest of the configuration is not touched. A domain that has the
device already keeps it.

With --live a running domain gets a slot and the device at once as well. Its
machine must have a free PCI slot that takes devices while it runs, with room
for addresses as long as the window: on q35 an empty pcie-root-port.`,
		Args: takes("DOMAIN"),
	}
	wanted := addSettings(cmd.Flags())
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		r := newReport(args[0], cmd.OutOrStdout(), cmd.ErrOrStderr(), asJSON)
		return r.end(withDomain(*uri, args[0], func(target domain.Target) error {
			c, err := dial(*address)
			if err != nil && live {
				return err
			}
			a := attacher{name: args[0], target: target, wanted: wanted, report: r}
			if err == nil {
				defer c.close()
				a.mediatord = c
			}
			if live {
				return a.running(cmd.Context())
			}
			return a.persistent(cmd.Context())
		}))
	}
	cmd.Flags().BoolVar(&live, "live", false, "give the device to the running domain too")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

// attacher gives one domain its element and its device.
type attacher struct {
	name      string // as the user typed it
	target    domain.Target
	mediatord mediatorCalls // nil if there is no bus
	wanted    *settings
	report    *report
}

// persistent adds the device to the persistent configuration.
func (a attacher) persistent(ctx context.Context) error {
	keeps, err := a.target.IsPersistent()
	if err != nil {
		return a.failed("asking for its kind", err)
	}
	if !keeps {
		return fmt.Errorf("domain %s is transient and has no persistent configuration: use --live, or create it with the device in its XML", a.name)
	}
	c, missing, err := a.look(ctx, domain.Persistent)
	if err != nil {
		return err
	}
	if missing {
		if err := a.attach(c, domain.Persistent); err != nil {
			return err
		}
	}
	if a.mediatord != nil && len(a.wanted.given()) == 0 {
		// somebody else wrote the element
		if err := a.mediatord.check(ctx, c.GPU); err != nil && !errors.Is(err, errNoMediatord) {
			a.report.note("it will be refused at its next start: %v", err)
		}
	}
	return nil
}

// running adds the device to the running domain and, if the domain has one, to
// the persistent configuration.
func (a attacher) running(ctx context.Context) error {
	active, err := a.target.IsActive()
	if err != nil {
		return a.failed("asking for its state", err)
	}
	if !active {
		return fmt.Errorf("domain %s does not run: leave --live out, it gets the device with its next start", a.name)
	}
	c, missing, err := a.look(ctx, domain.Live)
	if err != nil {
		return err
	}
	if missing {
		if err := a.plug(ctx, c); err != nil {
			return err
		}
	}
	if keeps, err := a.target.IsPersistent(); err != nil || !keeps {
		return err
	}
	return a.persistent(ctx)
}

// plug reserves a slot first: QEMU connects while the device is attached.
func (a attacher) plug(ctx context.Context, c domain.Configuration) error {
	socket, err := vgpuxml.SocketPath(c.UUID)
	if err != nil {
		return err
	}
	if err := a.mediatord.reserve(ctx, c.Domain, socket); err != nil {
		return err
	}
	if err := a.attach(c, domain.Live); err != nil {
		return errors.Join(err, a.mediatord.release(context.WithoutCancel(ctx), c.UUID))
	}
	return a.mediatord.started(ctx, c.UUID)
}

// look reads one of the domain's configurations, writes the element that the user
// wants, and says whether the device is to be added.
func (a attacher) look(ctx context.Context, which domain.Which) (c domain.Configuration, missing bool, err error) {
	c, err = domain.Read(a.target, which)
	if err != nil {
		return c, false, a.failed("looking at it", err)
	}
	if len(a.wanted.given()) > 0 {
		if c, err = a.write(ctx, c, which); err != nil {
			return c, false, err
		}
	}
	if err := elementProblem(a.name, c, which); err != nil {
		return c, false, err
	}
	switch c.Device.State {
	case vgpuxml.DevicePresent:
		a.report.did("add-device", which, false, "the %s has the device %s already", which, vgpuxml.DeviceName)
	case vgpuxml.DeviceDiffers:
		return c, false, fmt.Errorf("the %s of %s has another %s device: %s: remove that one with virsh edit or virsh detach-device and try again",
			which, a.name, vgpuxml.DeviceName, c.Device)
	case vgpuxml.DeviceMissing:
	}
	return c, c.Device.State == vgpuxml.DeviceMissing, nil
}

// write puts what the user wants into the element, on top of what it says.
func (a attacher) write(ctx context.Context, c domain.Configuration, which domain.Which) (domain.Configuration, error) {
	gpu := vgpuxml.DefaultGPU()
	switch {
	case c.HasElement():
		gpu = c.GPU
	case !errors.Is(c.ElementErr, vgpuxml.ErrNoGPU):
		return c, elementProblem(a.name, c, which)
	}
	if err := a.wanted.apply(&gpu); err != nil {
		return c, err
	}
	if c.HasElement() && gpu == c.GPU {
		return c, nil
	}
	if err := checkPool(ctx, a.mediatord, gpu, a.report); err != nil {
		return c, err
	}
	if err := domain.SetElement(a.target, gpu, which); err != nil {
		return c, a.failed("changing it", err)
	}
	a.report.did("set-metadata", which, true, "set the metadata of the %s to %s", which, gpu.Snippet())
	c, err := domain.Read(a.target, which)
	if err != nil {
		return c, a.failed("looking at it", err)
	}
	return c, nil
}

// checkPool asks mediatord whether the element's pool admits it. A mediatord that
// does not run is no reason to refuse: it looks again when the domain starts.
func checkPool(ctx context.Context, mediatord mediatorCalls, gpu vgpuxml.GPU, r *report) error {
	err := errNoMediatord
	if mediatord != nil {
		err = mediatord.check(ctx, gpu)
	}
	if errors.Is(err, errNoMediatord) {
		r.note("not checked against pool %s, as mediatord is not running", gpu.Pool)
		return nil
	}
	return err
}

// elementProblem says what is wrong with a configuration's element.
func elementProblem(name string, c domain.Configuration, which domain.Which) error {
	switch {
	case c.ElementErr == nil:
		return nil
	case errors.Is(c.ElementErr, vgpuxml.ErrNoGPU):
		return fmt.Errorf(`the %s of %s has no vgpu:gpu metadata element: name its pool with --pool %s, or set one with: virsh metadata %s --uri %s --key vgpu --set '<gpu pool="%s"/>' %s`,
			which, name, vgpuxml.DefaultPool, shellQuote(name), vgpuxml.Namespace, vgpuxml.DefaultPool, which.Flag())
	case errors.Is(c.ElementErr, vgpuxml.ErrOtherNamespace):
		return fmt.Errorf("the %s of %s: %w; correct it with: virsh edit %s", which, name, c.ElementErr, shellQuote(name))
	}
	return fmt.Errorf("the %s of %s: %w; correct it with: virsh metadata %s --uri %s --key vgpu --edit %s",
		which, name, c.ElementErr, shellQuote(name), vgpuxml.Namespace, which.Flag())
}

// attach adds the device. mediatord, which follows the metadata too, may have
// been faster.
func (a attacher) attach(c domain.Configuration, which domain.Which) error {
	if err := domain.AddDevice(a.target, c, which); err != nil {
		if now, lookErr := domain.Read(a.target, which); lookErr != nil || now.Device.State != vgpuxml.DevicePresent {
			return a.failed("giving it the device", err)
		}
	}
	if which == domain.Persistent {
		now, err := domain.Agree(a.target)
		switch {
		case err != nil:
			return a.failed("looking at it", err)
		case errors.Is(now.ElementErr, vgpuxml.ErrNoGPU):
			return fmt.Errorf("the metadata element of %s was removed meanwhile, and the device with it", a.name)
		}
	}
	a.report.did("add-device", which, true, "added the device %s to the %s", vgpuxml.DeviceName, which)
	return nil
}

func (a attacher) failed(doing string, err error) error { return domainFailed(a.name, doing, err) }

func domainFailed(name, doing string, err error) error {
	return fmt.Errorf("domain %s: %s: %s", name, doing, domain.Text(err))
}
