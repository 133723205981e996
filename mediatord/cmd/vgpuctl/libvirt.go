package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"libvirt.org/go/libvirt"

	"libvirt-vgpu/mediatord/internal/bus"
	"libvirt-vgpu/mediatord/internal/domain"
	vgpuxml "libvirt-vgpu/xml"
)

// mediatorCalls is what the commands that change a domain need of mediatord.
type mediatorCalls interface {
	// reserve takes a slot for a domain; a running one needs it before its
	// device can connect.
	reserve(ctx context.Context, domain vgpuxml.Domain, socketPath string) error
	started(ctx context.Context, domainUUID string) error
	release(ctx context.Context, domainUUID string) error
	// check says whether the pool admits what an element asks for.
	check(ctx context.Context, gpu vgpuxml.GPU) error
	// change gives a domain in use other settings.
	change(ctx context.Context, domainUUID string, gpu vgpuxml.GPU) (applied, restart []string, err error)
}

// withDomain calls work with a domain of libvirt, by name or UUID.
func withDomain(uri, name string, work func(domain.Target) error) error {
	conn, err := libvirt.NewConnect(uri)
	if err != nil {
		return unreachable(uri, err)
	}
	defer conn.Close()
	d, err := lookupDomain(conn, name)
	if err != nil {
		return err
	}
	defer d.Free()
	return work(d)
}

// unreachable says why libvirt is not there, and what to do if it is not even
// installed.
func unreachable(uri string, err error) error {
	text := domain.Text(err)
	switch {
	case strings.Contains(text, "libvirt.so"):
		text = "libvirt is not installed on this host: install libvirt-daemon-system, or name another host with --connect"
	case strings.Contains(text, "Permission denied"), strings.Contains(text, "authenti"):
		text += ": do it as root, or as a member of the group libvirt"
	}
	return fmt.Errorf("cannot reach libvirt at %s: %s", uri, text)
}

func lookupDomain(conn *libvirt.Connect, name string) (*libvirt.Domain, error) {
	d, err := conn.LookupDomainByName(name)
	if uuid, ok := vgpuxml.NormalizeUUID(name); err != nil && ok {
		d, err = conn.LookupDomainByUUIDString(uuid)
	}
	switch {
	case errors.Is(err, libvirt.ERR_NO_DOMAIN):
		return nil, fmt.Errorf("libvirt knows no domain %q: see virsh list --all", name)
	case err != nil:
		return nil, fmt.Errorf("looking for domain %q: %s", name, domain.Text(err))
	}
	return d, nil
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

func (c *client) check(ctx context.Context, gpu vgpuxml.GPU) error {
	return c.call(ctx, bus.ManagerInterface+".Check", []any{gpu.Element()})
}

func (c *client) change(ctx context.Context, domainUUID string, gpu vgpuxml.GPU) (applied, restart []string, err error) {
	err = c.call(ctx, bus.ManagerInterface+".Change", []any{domainUUID, gpu.Element()}, &applied, &restart)
	return applied, restart, err
}
