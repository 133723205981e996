package stage

import (
	"context"
	"path/filepath"

	"libvirt-vgpu/tests/vm"
	"libvirt-vgpu/tests/vm/manifest"
	"libvirt-vgpu/tests/wheel"
)

// Where things are in the guest.
const (
	guestLibraries = "/usr/lib/x86_64-linux-gnu/"
	guestModule    = "/lib/modules/vgpu.ko"
)

// Runtime is an unmodified NVIDIA runtime, by its wheel.
type Runtime struct{ Distribution, Version string }

// Runtimes are those that the test programs run on.
func Runtimes() []Runtime {
	return []Runtime{
		{Distribution: "nvidia-cuda-runtime-cu12", Version: "12.9.79"},
		{Distribution: "nvidia-cuda-runtime", Version: "13.0.96"},
	}
}

// Library is the path of the runtime on the host; it is fetched when it is not
// there yet.
func (r Runtime) Library(ctx context.Context) (string, error) {
	return wheel.Cudart(ctx, built("cache"), r.Distribution, r.Version)
}

// InGuest is the path of the runtime in the guest.
func (r Runtime) InGuest() string { return "/opt/cudart-" + r.Version + "/libcudart.so" }

// makeRoom is what udev runs in a guest for a device that was plugged in.
const makeRoom = "/usr/lib/vgpu/vgpu-make-room"

// MakeRoom is the step that does what udev would for the device at a PCI address.
func MakeRoom(name, address string) manifest.Step {
	return manifest.Step{Name: name, Argv: []string{makeRoom, address}}
}

// makeImages makes what the guests boot: the kernel and one initramfs for all.
func (s *Stage) makeImages(ctx context.Context) error {
	kernel, err := vm.FindKernel()
	if err != nil {
		return err
	}
	if s.kernel, err = s.Libvirt.Image(kernel.Image); err != nil {
		return err
	}
	s.initramfs, err = s.Image(ctx, "initramfs")
	return err
}

// Image makes an initramfs that holds more files than the stage's own, for
// Domain.Initramfs.
func (s *Stage) Image(ctx context.Context, name string, more ...vm.File) (string, error) {
	init, err := vm.BuildGuestInit(ctx, s.Libvirt.Dir)
	if err != nil {
		return "", err
	}
	image := vm.Initramfs{
		Init: init,
		Files: []vm.File{
			{Guest: guestModule, Host: built("guest/vgpu.ko")},
			{Guest: guestLibraries + "libcuda.so.1", Host: built("guest/libcuda.so.1")},
			{Guest: guestLibraries + "libnvidia-ml.so.1", Host: built("guest/libnvidia-ml.so.1")},
			{Guest: "/usr/bin/nvidia-smi", Host: built("guest/nvidia-smi")},
			{Guest: "/usr/bin/cat", Host: "/bin/cat"},
			{Guest: "/usr/bin/rm", Host: "/bin/rm"},
			{Guest: "/bin/sh", Host: "/bin/sh"},
			{Guest: makeRoom, Host: filepath.Join(vm.Root(), "guest/udev/vgpu-make-room")},
		},
		Manifest: manifest.Manifest{Modules: []string{guestModule}, Commands: vm.CommandsPort},
	}
	for _, name := range []string{"driverapi", "runtimeapi", "nvmlapi", "spin", "steady"} {
		image.Files = append(image.Files, vm.File{Guest: "/usr/bin/" + name, Host: built("tests/" + name)})
	}
	for _, r := range Runtimes() {
		library, err := r.Library(ctx)
		if err != nil {
			return "", err
		}
		image.Files = append(image.Files, vm.File{Guest: r.InGuest(), Host: library})
	}
	image.Files = append(image.Files, more...)
	file := filepath.Join(s.Libvirt.Dir, name)
	if err := image.Write(file); err != nil {
		return "", err
	}
	return s.Libvirt.Image(file)
}
