package system

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"libvirt-vgpu/tests/vm"
	"libvirt-vgpu/tests/vm/manifest"
)

// Where things of the guests are on the hypervisor.
const (
	images        = "/var/lib/libvirt/images/"
	kernelName    = "guest-kernel"
	initramfsName = "guest-initramfs"
)

// guestFiles are what a guest boots, as the guest's package made them.
type guestFiles struct {
	kernel, initramfs string // on the host
}

// makeGuest installs the guest's package on the machine, and makes a guest of
// what that left there: the module that dkms built, and the libraries.
func makeGuest(ctx context.Context, m *Machine, directory string) (guestFiles, error) {
	files := guestFiles{kernel: filepath.Join(directory, kernelName), initramfs: filepath.Join(directory, initramfsName)}
	version, err := m.Run(ctx, "/bin/sh", "-c", "cd /lib/modules && echo *-cloud-amd64")
	if err != nil {
		return files, err
	}
	module, err := m.Run(ctx, "/bin/sh", "-c", "echo /lib/modules/"+version+"/updates/dkms/vgpu.ko*")
	if err != nil {
		return files, err
	}
	copies := map[string]string{ // from the machine: the host has other libraries
		"vgpu.ko":           module,
		"libcuda.so.1":      "/usr/lib/x86_64-linux-gnu/libcuda.so.1",
		"libnvidia-ml.so.1": "/usr/lib/x86_64-linux-gnu/libnvidia-ml.so.1",
		"nvidia-smi":        "/usr/bin/nvidia-smi",
		kernelName:          "/boot/vmlinuz-" + version,
	}
	for name, inside := range copies {
		data, err := os.ReadFile(m.Path(inside))
		if err != nil {
			return files, fmt.Errorf("making guest: %w", err)
		}
		if err := os.WriteFile(filepath.Join(directory, name), data, 0o755); err != nil {
			return files, fmt.Errorf("making guest: %w", err)
		}
	}
	guestInit, err := vm.BuildGuestInit(ctx, directory)
	if err != nil {
		return files, err
	}
	image := vm.Initramfs{
		Init: guestInit,
		Files: []vm.File{
			{Guest: "/lib/modules/vgpu.ko", Host: filepath.Join(directory, "vgpu.ko")},
			{Guest: "/usr/lib/x86_64-linux-gnu/libcuda.so.1", Host: filepath.Join(directory, "libcuda.so.1")},
			{Guest: "/usr/lib/x86_64-linux-gnu/libnvidia-ml.so.1", Host: filepath.Join(directory, "libnvidia-ml.so.1")},
			{Guest: "/usr/bin/nvidia-smi", Host: filepath.Join(directory, "nvidia-smi")},
		},
		Manifest: manifest.Manifest{Modules: []string{"/lib/modules/vgpu.ko"}, Commands: vm.CommandsPort},
	}
	for _, program := range []string{"driverapi", "nvmlapi", "spin"} {
		image.Files = append(image.Files, vm.File{Guest: "/usr/bin/" + program, Host: built("tests/" + program)})
	}
	return files, image.Write(files.initramfs)
}

// install puts what guests boot where libvirt finds it.
func (g guestFiles) install(m *Machine) error {
	if err := m.Copy(g.kernel, images+kernelName); err != nil {
		return err
	}
	return m.Copy(g.initramfs, images+initramfsName)
}

// Guest is a domain of a machine.
type Guest struct {
	Name    string
	UUID    string
	machine *Machine

	commands *vm.Commands
}

// sandbox is the machine's libvirt as package vm sees it: files below a folder
// of the host.
func (g *Guest) sandbox() *vm.Libvirt { return &vm.Libvirt{Dir: g.machine.Path("/")} }

// inside is the machine's path of a file of sandbox.
func (g *Guest) inside(path string) string {
	return "/" + strings.TrimPrefix(strings.TrimPrefix(path, g.sandbox().Dir), "/")
}

// XML is the domain's, without a vGPU.
func (g *Guest) XML() (string, error) {
	l := g.sandbox()
	return vm.Domain{
		Name: g.Name, UUID: g.UUID, Kernel: images + kernelName, Initramfs: images + initramfsName,
		Console: g.inside(l.Console(g.Name).Path), Commands: g.inside(filepath.Join(l.Path("/var/log/libvirt"), "commands-"+g.Name)),
	}.XML()
}

// Await makes the pipe of its steps, which must be there when it starts, and
// forgets the console of an earlier start.
func (g *Guest) Await() error {
	g.Forget()
	l := g.sandbox()
	_ = os.Remove(l.Console(g.Name).Path)
	var err error
	g.commands, err = l.Commands(g.Name)
	return err
}

// Forget gives the pipe up.
func (g *Guest) Forget() {
	if g.commands != nil {
		g.commands.Close()
		g.commands = nil
	}
}

// Console is that of the current start.
func (g *Guest) Console() *vm.Console { return g.sandbox().Console(g.Name) }

// Booted waits until the guest takes steps.
func (g *Guest) Booted(ctx context.Context) error {
	_, err := g.Console().WaitLine(ctx, "@@ listening")
	return err
}

// Begin sends a step without waiting for anything.
func (g *Guest) Begin(step manifest.Step) error { return g.commands.Send(step) }

// Said waits until a step has written a line that contains text.
func (g *Guest) Said(ctx context.Context, step, text string) error {
	_, err := g.Console().WaitLine(ctx, step+"| "+text)
	return err
}

// Result waits until a step has ended.
func (g *Guest) Result(ctx context.Context, step string) (vm.Result, error) {
	if _, err := g.Console().WaitLine(ctx, "@@ "+step+" exit="); err != nil {
		return vm.Result{}, err
	}
	results, err := g.Console().Results()
	return results[step], err
}

// Do sends a step and waits for its result.
func (g *Guest) Do(ctx context.Context, step manifest.Step) (vm.Result, error) {
	if err := g.Begin(step); err != nil {
		return vm.Result{}, err
	}
	return g.Result(ctx, step.Name)
}
