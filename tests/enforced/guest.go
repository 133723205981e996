package enforced

import (
	"context"
	"os"
	"path/filepath"
	"time"

	"libvirt-vgpu/tests/vm"
	"libvirt-vgpu/tests/vm/manifest"
)

// Where things of the domains are in the machine.
const (
	images  = "/var/lib/libvirt/images/"
	packets = "/packages/"
	console = "/var/log/libvirt/console-"
)

// step is the guest's only one: the driver's test program.
const step = "driverapi"

// built is the path of something that make makes.
func built(name string) string { return filepath.Join(vm.Root(), "build", name) }

// guestFiles makes what a guest boots in a folder of the host, and returns where it
// belongs in the machine.
func guestFiles(ctx context.Context, folder string) (map[string]string, error) {
	kernel, err := vm.FindKernel()
	if err != nil {
		return nil, err
	}
	guestInit, err := vm.BuildGuestInit(ctx, folder)
	if err != nil {
		return nil, err
	}
	image := vm.Initramfs{
		Init: guestInit,
		Files: []vm.File{
			{Guest: "/lib/modules/vgpu.ko", Host: built("guest/vgpu.ko")},
			{Guest: "/usr/lib/x86_64-linux-gnu/libcuda.so.1", Host: built("guest/libcuda.so.1")},
			{Guest: "/usr/bin/driverapi", Host: built("tests/driverapi")},
		},
		Manifest: manifest.Manifest{
			Modules: []string{"/lib/modules/vgpu.ko"},
			Steps:   []manifest.Step{{Name: step, Argv: []string{"/usr/bin/driverapi", "init", "kernels"}, Timeout: 5 * time.Minute}},
			Hold:    true,
		},
	}
	initramfs := filepath.Join(folder, "initramfs")
	return map[string]string{images + "kernel": kernel.Image, images + "initramfs": initramfs}, image.Write(initramfs)
}

// domain writes the definition of a domain without a vGPU into a folder of the host.
// It has a port that a device can be plugged into.
func domain(folder, name, uuid string) (string, error) {
	text, err := vm.Domain{
		Type: "kvm", Name: name, UUID: uuid, Kernel: images + "kernel", Initramfs: images + "initramfs", Console: console + name,
		Devices: "<controller type='pci' index='0' model='pcie-root'/><controller type='pci' index='1' model='pcie-root-port'/><controller type='pci' index='2' model='pcie-root-port'/>",
	}.XML()
	if err != nil {
		return "", err
	}
	path := filepath.Join(folder, name+".xml")
	return path, os.WriteFile(path, []byte(text), 0o644)
}
