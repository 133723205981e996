package main

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"
	"libvirt.org/go/libvirt"

	"libvirt-vgpu/mediatord/internal/bus"
	vgpuxml "libvirt-vgpu/xml"
)

// attachTarget is the part of a libvirt domain that attach needs.
type attachTarget interface {
	GetXMLDesc(libvirt.DomainXMLFlags) (string, error)
	IsActive() (bool, error)
	IsPersistent() (bool, error)
	AttachDeviceFlags(xml string, flags libvirt.DomainDeviceModifyFlags) error
}

// reserver takes slots for domains; a running domain needs one before its
// device can connect.
type reserver interface {
	reserve(ctx context.Context, domain vgpuxml.Domain, socketPath string) error
	started(ctx context.Context, domainUUID string) error
	release(ctx context.Context, domainUUID string) error
}

func newAttachCommand(address *string) *cobra.Command {
	var uri string
	var live bool
	cmd := &cobra.Command{
		Use:   "attach DOMAIN",
		Short: "Add to a domain the device that its metadata implies",
		Long: `Adds the shared memory device vgpu0 to the persistent configuration of a libvirt
domain, named by its name or UUID, whose metadata has a vgpu:gpu element. The
rest of the configuration is not touched. A domain that has the device already
stays as it is.

With --live a running domain gets a slot and the device at once as well. Its
machine must have a PCI bridge that takes devices while it runs, with a free
range of addresses as long as the window; most firmware leaves none, and then
the guest sees the device with its next start only.`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			conn, err := libvirt.NewConnect(uri)
			if err != nil {
				return fmt.Errorf("cannot reach libvirt at %s: %s", uri, libvirtText(err))
			}
			defer conn.Close()
			domain, err := lookupDomain(conn, args[0])
			if err != nil {
				return err
			}
			defer domain.Free()
			a := attacher{name: args[0], target: domain, out: cmd.OutOrStdout()}
			if !live {
				return a.persistent()
			}
			c, err := dial(*address)
			if err != nil {
				return err
			}
			defer c.close()
			return a.running(cmd.Context(), c)
		},
	}
	cmd.Flags().StringVar(&uri, "connect", "qemu:///system", "libvirt URI of the hypervisor")
	cmd.Flags().BoolVar(&live, "live", false, "give the device to the running domain too")
	return cmd
}

func lookupDomain(conn *libvirt.Connect, name string) (*libvirt.Domain, error) {
	domain, err := conn.LookupDomainByName(name)
	if uuid, ok := vgpuxml.NormalizeUUID(name); err != nil && ok {
		domain, err = conn.LookupDomainByUUIDString(uuid)
	}
	switch {
	case errors.Is(err, libvirt.ERR_NO_DOMAIN):
		return nil, fmt.Errorf("libvirt knows no domain %q: see virsh list --all", name)
	case err != nil:
		return nil, fmt.Errorf("looking for domain %q: %s", name, libvirtText(err))
	}
	return domain, nil
}

// attacher adds the device to one domain.
type attacher struct {
	name   string // as the user typed it
	target attachTarget
	out    io.Writer
}

// persistent adds the device to the persistent configuration.
func (a attacher) persistent() error {
	keeps, err := a.target.IsPersistent()
	if err != nil {
		return a.failed("asking for its kind", err)
	}
	if !keeps {
		return fmt.Errorf("domain %s is transient and has no persistent configuration: use --live, or create it with the device in its XML", a.name)
	}
	domain, missing, err := a.look(libvirt.DOMAIN_XML_INACTIVE, "persistent configuration")
	if err != nil || !missing {
		return err
	}
	return a.attach(domain, libvirt.DOMAIN_DEVICE_MODIFY_CONFIG, "persistent configuration")
}

// running adds the device to the persistent configuration, if the domain has
// one, and to the running domain.
func (a attacher) running(ctx context.Context, mediatord reserver) error {
	active, err := a.target.IsActive()
	if err != nil {
		return a.failed("asking for its state", err)
	}
	if !active {
		return fmt.Errorf("domain %s does not run: leave --live out, it gets the device with its next start", a.name)
	}
	domain, missing, err := a.look(0, "running domain")
	if err != nil {
		return err
	}
	if missing {
		if err := a.plug(ctx, mediatord, domain); err != nil {
			return err
		}
	}
	if keeps, err := a.target.IsPersistent(); err != nil || !keeps {
		return err
	}
	return a.persistent()
}

// plug reserves a slot first: QEMU connects while the device is attached.
func (a attacher) plug(ctx context.Context, mediatord reserver, domain vgpuxml.Domain) error {
	socket, err := vgpuxml.SocketPath(domain.UUID)
	if err != nil {
		return err
	}
	if err := mediatord.reserve(ctx, domain, socket); err != nil {
		return err
	}
	if err := a.attach(domain, libvirt.DOMAIN_DEVICE_MODIFY_LIVE, "running domain"); err != nil {
		return errors.Join(err, mediatord.release(context.WithoutCancel(ctx), domain.UUID))
	}
	return mediatord.started(ctx, domain.UUID)
}

// look reads one of the domain's configurations and says whether the device is
// to be added to it.
func (a attacher) look(flags libvirt.DomainXMLFlags, where string) (domain vgpuxml.Domain, missing bool, err error) {
	document, err := a.target.GetXMLDesc(flags)
	if err != nil {
		return domain, false, a.failed("reading its XML", err)
	}
	domain, err = vgpuxml.ParseDomain([]byte(document))
	switch {
	case errors.Is(err, vgpuxml.ErrNoGPU):
		return domain, false, fmt.Errorf(`the %s of %s has no vgpu:gpu metadata element: set one with: virsh metadata %s --uri %s --key vgpu --set '<gpu pool="%s"/>' %s`,
			where, a.name, a.name, vgpuxml.Namespace, vgpuxml.DefaultPool, metadataFlag(flags))
	case errors.Is(err, vgpuxml.ErrBadElement):
		return domain, false, fmt.Errorf("the %s of %s: %w: correct it with: virsh metadata %s --uri %s --key vgpu --edit %s",
			where, a.name, err, a.name, vgpuxml.Namespace, metadataFlag(flags))
	case err != nil:
		return domain, false, fmt.Errorf("the %s of %s: %w", where, a.name, err)
	}
	report, err := vgpuxml.FindDevice([]byte(document), vgpuxml.DefaultChannels)
	if err != nil {
		return domain, false, fmt.Errorf("the %s of %s: %w", where, a.name, err)
	}
	switch report.State {
	case vgpuxml.DevicePresent:
		fmt.Fprintf(a.out, "%s: the %s has the device %s already\n", a.name, where, vgpuxml.DeviceName)
	case vgpuxml.DeviceDiffers:
		return domain, false, fmt.Errorf("the %s of %s has another %s device: %s: remove that one with virsh edit or virsh detach-device and try again",
			where, a.name, vgpuxml.DeviceName, report)
	case vgpuxml.DeviceMissing:
	}
	return domain, report.State == vgpuxml.DeviceMissing, nil
}

func (a attacher) attach(domain vgpuxml.Domain, flags libvirt.DomainDeviceModifyFlags, where string) error {
	device, err := vgpuxml.DeviceXML(domain.UUID, vgpuxml.DefaultChannels)
	if err != nil {
		return err
	}
	if err := a.target.AttachDeviceFlags(device, flags); err != nil {
		return a.failed("adding the device to the "+where, err)
	}
	fmt.Fprintf(a.out, "%s: added the device %s to the %s\n", a.name, vgpuxml.DeviceName, where)
	return nil
}

func (a attacher) failed(doing string, err error) error {
	return fmt.Errorf("domain %s: %s: %s", a.name, doing, libvirtText(err))
}

// metadataFlag is virsh metadata's flag for a configuration.
func metadataFlag(flags libvirt.DomainXMLFlags) string {
	if flags&libvirt.DOMAIN_XML_INACTIVE != 0 {
		return "--config"
	}
	return "--live"
}

// libvirtText is libvirt's message without the numbers that the binding puts around it.
func libvirtText(err error) string {
	var failure libvirt.Error
	if errors.As(err, &failure) {
		return failure.Message
	}
	return err.Error()
}

func (c *client) reserve(ctx context.Context, domain vgpuxml.Domain, socketPath string) error {
	var slot string
	return c.call(ctx, bus.ManagerInterface+".Reserve", []any{domain.UUID, domain.Name, domain.GPU.Element(), socketPath}, &slot)
}

func (c *client) started(ctx context.Context, domainUUID string) error {
	return c.call(ctx, bus.ManagerInterface+".Started", []any{domainUUID})
}

func (c *client) release(ctx context.Context, domainUUID string) error {
	return c.call(ctx, bus.ManagerInterface+".Release", []any{domainUUID})
}
