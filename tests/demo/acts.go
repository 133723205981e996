package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"libvirt-vgpu/tests/stage"
	"libvirt-vgpu/tests/vm/manifest"
)

const (
	domain  = "web"
	uuid    = "5d1f6c2e-8a47-4b0e-9c35-7e2ab4d8f016"
	quota   = 1 << 30
	element = `<vgpu:gpu xmlns:vgpu="urn:libvirt-vgpu:1" priority="high" memory="1GiB" window="256MiB"/>`

	soon = 30 * time.Second // for what takes an instant on an idle machine
)

// start defines the domain, gives it the device and boots it.
func (d *demo) start(ctx context.Context) (*stage.Guest, error) {
	d.title("virsh define: a domain whose metadata asks for a vGPU")
	d.say("%s", element)
	if err := d.stage.Define(ctx, stage.Domain{Name: domain, UUID: uuid, Element: element, CPUs: 2}); err != nil {
		return nil, err
	}
	d.title("vgpuctl attach %s", domain)
	said, err := d.stage.Vgpuctl(ctx, "attach", domain)
	if err != nil {
		return nil, err
	}
	d.say("%s", said)

	d.title("virsh start %s", domain)
	started := time.Now()
	g, err := d.stage.Start(ctx, domain)
	if err != nil {
		return nil, err
	}
	status, err := d.stage.Status(ctx)
	if err != nil {
		return nil, err
	}
	slot := status.Slot(domain)
	d.say("libvirt's hook reserved a slot of pool %s, priority %s, %d MiB of GPU memory", slot.Pool, slot.Priority, slot.MemoryQuota>>20)
	if err := g.Booted(ctx); err != nil {
		return nil, err
	}
	log, err := g.Console.KernelLog()
	if err != nil {
		return nil, err
	}
	for _, line := range log {
		if strings.Contains(line, "vgpu0: ") {
			d.say("the guest's kernel: %s", line)
		}
	}
	d.say("the VM is up, after %.1f s", time.Since(started).Seconds())
	return g, nil
}

// programs run one after the other.
func (d *demo) programs(ctx context.Context, g *stage.Guest) error {
	d.title("CUDA programs in the VM, on our libcuda.so.1 and NVIDIA's unmodified runtimes")
	for i, p := range append(stage.Programs(stage.Runtime.InGuest), stage.NVML(quota)) {
		result, err := g.Do(ctx, p.Step(fmt.Sprintf("program-%d", i)))
		if err != nil {
			return err
		}
		d.report(p, p.Title, result)
	}
	return nil
}

// two programs run at once.
func (d *demo) two(ctx context.Context, g *stage.Guest) error {
	d.title("Two programs at once: each has a channel and an executor of its own")
	p := stage.Neighbour()
	names := []string{"first", "second"}
	for _, name := range names {
		step := p.Step(name)
		step.Background = true
		if err := g.Begin(step); err != nil {
			return err
		}
	}
	if _, err := d.stage.Until(ctx, soon, func(s stage.Status) bool {
		channels := s.Slot(domain).Channels
		return len(channels) == 2 && channels[0].ExecutorPID != 0 && channels[1].ExecutorPID != 0
	}); err != nil {
		return err
	}
	d.say("vgpuctl status:")
	table, err := d.stage.Vgpuctl(ctx, "status")
	if err != nil {
		return err
	}
	for _, line := range strings.Split(table, "\n") {
		d.say("  %s", line)
	}
	for _, name := range names {
		result, err := g.Result(ctx, name)
		if err != nil {
			return err
		}
		d.report(p, p.Title, result)
	}
	return nil
}

// kill ends a program the hard way.
func (d *demo) kill(ctx context.Context, g *stage.Guest) error {
	d.title("kill -9 of a program that computes and holds 64 MiB")
	if err := g.Begin(manifest.Step{Name: "spin", Argv: []string{"/usr/bin/spin", "600", "600000", "64"}, Background: true, Timeout: limit}); err != nil {
		return err
	}
	if err := g.Said(ctx, "spin", "started"); err != nil {
		return err
	}
	before, err := d.stage.Status(ctx)
	if err != nil {
		return err
	}
	slot := before.Slot(domain)
	executor := slot.Process("spin").ExecutorPID
	d.say("its executor is process %d, it uses %d MiB", executor, slot.MemoryUsed>>20)
	killed := time.Now()
	result, err := g.Do(ctx, manifest.Step{Name: "kill", Kill: "spin"}, manifest.Step{Name: "killed", Wait: "spin"})
	if err != nil {
		return err
	}
	_, err = d.stage.Until(ctx, soon, func(s stage.Status) bool { return len(s.Slot(domain).Channels) == 0 && s.Slot(domain).MemoryUsed == 0 })
	left, lookErr := d.stage.Mediator.Executors()
	if err := errors.Join(err, lookErr); err != nil {
		return err
	}
	d.check("kill -9: executor and memory are gone", time.Since(killed), executor != 0 && result.Exit == 0 && !slices.Contains(left, executor))
	return nil
}

// destroy ends the domain.
func (d *demo) destroy(ctx context.Context, g *stage.Guest) error {
	d.title("virsh destroy %s", domain)
	started := time.Now()
	if err := d.stage.Destroy(ctx, g); err != nil {
		return err
	}
	status, err := d.stage.Status(ctx)
	if err != nil {
		return err
	}
	executors, err := d.stage.Mediator.Executors()
	if err != nil {
		return err
	}
	_, err = os.Stat(d.stage.Libvirt.Path(filepath.Join("/run/vgpu/domain-"+uuid, "ivshmem.sock")))
	d.check("virsh destroy: no slot, socket or executor left", time.Since(started),
		len(status.Slots) == 0 && len(executors) == 0 && errors.Is(err, os.ErrNotExist))
	return nil
}

// refused is a domain that asks for what there is not.
func (d *demo) refused(ctx context.Context) error {
	d.title("virsh start of a domain that names an unknown pool")
	other := stage.Domain{
		Name: "other", UUID: "e0b3a9d7-41c8-4f26-b5e9-62d07c8f1a34", Device: true,
		Element: `<vgpu:gpu xmlns:vgpu="urn:libvirt-vgpu:1" pool="gold"/>`,
	}
	if err := d.stage.Define(ctx, other); err != nil {
		return err
	}
	started := time.Now()
	_, err := d.stage.Virsh(ctx, "start", other.Name)
	var refusal *stage.CommandError
	if err != nil && !errors.As(err, &refusal) {
		return err
	}
	_, why, found := "", "", false
	if refusal != nil {
		_, why, found = strings.Cut(refusal.Stderr, "vgpu: ")
		d.say("virsh says: ... vgpu: %s", why)
	}
	d.check("a domain of an unknown pool is refused", time.Since(started), found && strings.Contains(why, `there is no pool "gold"`))
	return nil
}
