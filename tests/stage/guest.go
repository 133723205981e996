package stage

import (
	"context"
	"fmt"
	"os"
	"strings"

	"libvirt-vgpu/tests/vm"
	"libvirt-vgpu/tests/vm/manifest"
	vgpuxml "libvirt-vgpu/xml"
)

// Domain is what differs between the stage's domains.
type Domain struct {
	Name, UUID string
	Element    string // of the metadata, "" for none
	Device     bool   // with the <shmem> device that the element implies
	Devices    string // XML of more devices
	MemoryMiB  int    // 0 is 512
	CPUs       int    // 0 is 1
	Initramfs  string // of Image, "" is the stage's own
}

// Define defines the domain with virsh. It boots the stage's initramfs.
func (s *Stage) Define(ctx context.Context, d Domain) error {
	devices := d.Devices
	if d.Device {
		device, err := vgpuxml.DeviceXML(d.UUID, vgpuxml.DefaultChannels)
		if err != nil {
			return err
		}
		devices += device
	}
	commands, err := s.Libvirt.Commands(d.Name)
	if err != nil {
		return err
	}
	commands.Close() // Start makes it anew
	initramfs := d.Initramfs
	if initramfs == "" {
		initramfs = s.initramfs
	}
	text, err := vm.Domain{
		Name: d.Name, UUID: d.UUID, Metadata: d.Element, Devices: devices, MemoryMiB: d.MemoryMiB, CPUs: d.CPUs,
		Kernel: s.kernel, Initramfs: initramfs, Console: s.Libvirt.Console(d.Name).Path, Commands: commands.Path,
	}.XML()
	if err != nil {
		return err
	}
	file := s.Libvirt.Path("/etc/vgpu/" + d.Name + ".xml")
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		return fmt.Errorf("defining domain: %w", err)
	}
	_, err = s.Virsh(ctx, "define", "--validate", file)
	return err
}

// Guest is a running domain whose programs a test starts.
type Guest struct {
	Name    string
	Console *vm.Console

	commands *vm.Commands
}

// Start starts the domain with virsh.
func (s *Stage) Start(ctx context.Context, name string) (*Guest, error) {
	g := &Guest{Name: name, Console: s.Libvirt.Console(name)}
	_ = os.Remove(g.Console.Path) // of an earlier start
	var err error
	if g.commands, err = s.Libvirt.Commands(name); err != nil {
		return nil, err
	}
	if _, err := s.Virsh(ctx, "start", name); err != nil {
		g.commands.Close()
		return nil, err
	}
	return g, nil
}

// Booted waits until the guest takes steps.
func (g *Guest) Booted(ctx context.Context) error {
	_, err := g.Console.WaitLine(ctx, "@@ listening")
	return err
}

// Do sends steps and waits for the last one's result. Names are unique in a guest's life.
func (g *Guest) Do(ctx context.Context, steps ...manifest.Step) (vm.Result, error) {
	if err := g.Begin(steps...); err != nil {
		return vm.Result{}, err
	}
	return g.Result(ctx, steps[len(steps)-1].Name)
}

// Begin sends steps without waiting for anything.
func (g *Guest) Begin(steps ...manifest.Step) error {
	for _, step := range steps {
		if err := g.commands.Send(step); err != nil {
			return err
		}
	}
	return nil
}

// Result waits until a step has ended.
func (g *Guest) Result(ctx context.Context, step string) (vm.Result, error) {
	if _, err := g.Console.WaitLine(ctx, "@@ "+step+" exit="); err != nil {
		return vm.Result{}, err
	}
	results, err := g.Console.Results()
	return results[step], err
}

// Ended says whether a step has ended by now.
func (g *Guest) Ended(step string) (bool, error) {
	results, err := g.Console.Results()
	_, ended := results[step]
	return ended, err
}

// Said waits until a step has written a line that contains text.
func (g *Guest) Said(ctx context.Context, step, text string) error {
	_, err := g.Console.WaitLine(ctx, step+"| "+text)
	return err
}

// Log is the whole console.
func (g *Guest) Log() string {
	lines, err := g.Console.Lines()
	if err != nil {
		return err.Error()
	}
	return strings.Join(lines, "\n")
}

// Destroy ends the domain with virsh.
func (s *Stage) Destroy(ctx context.Context, g *Guest) error {
	_, err := s.Virsh(ctx, "destroy", g.Name)
	g.commands.Close()
	return err
}
