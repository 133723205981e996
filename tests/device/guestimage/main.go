// Command guestimage writes the initramfs of a VM that runs programs on its vGPU: the test programs, which it brings along, and the host's own,
// from the host's root directory, which it mounts read-only. stage_vm.py boots it on a machine with a GPU.
//
//	guestimage -build BUILD -cudart LIBCUDART.SO.12 -modules DIR -out FILE
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"libvirt-vgpu/tests/vm"
	"libvirt-vgpu/tests/vm/manifest"
)

const libraries = "/usr/lib/x86_64-linux-gnu/"

func main() {
	build := flag.String("build", "build", "directory of what make build made")
	cudart := flag.String("cudart", "", "unmodified libcudart.so.12 for the guest")
	modules := flag.String("modules", "", "/lib/modules/VERSION of the guest's kernel")
	out := flag.String("out", "initramfs", "file to write")
	flag.Parse()
	if err := write(*build, *cudart, *modules, *out); err != nil {
		fmt.Fprintln(os.Stderr, "guestimage:", err)
		os.Exit(1)
	}
}

func write(build, cudart, modules, out string) error {
	dir, err := os.MkdirTemp("", "guestimage")
	if err != nil {
		return fmt.Errorf("making temporary directory: %w", err)
	}
	defer os.RemoveAll(dir)
	init, err := vm.BuildGuestInit(context.Background(), dir)
	if err != nil {
		return err
	}
	image := vm.Initramfs{
		Init: init,
		Files: []vm.File{
			{Guest: "/lib/modules/vgpu.ko", Host: filepath.Join(build, "guest/vgpu.ko")},
			{Guest: libraries + "libcuda.so.1", Host: filepath.Join(build, "guest/libcuda.so.1")},
			{Guest: libraries + "libnvidia-ml.so.1", Host: filepath.Join(build, "guest/libnvidia-ml.so.1")},
			{Guest: libraries + "libcudart.so.12", Host: cudart},
		},
		Manifest: manifest.Manifest{Modules: []string{"/lib/modules/vgpu.ko"}, Steps: steps()},
	}
	for _, module := range sharing {
		guest := "/lib/modules/" + filepath.Base(module) + ".ko"
		image.Files = append(image.Files, vm.File{Guest: guest, Host: filepath.Join(modules, "kernel", module+".ko")})
		image.Manifest.Modules = append(image.Manifest.Modules, guest)
	}
	for _, program := range []string{"driverapi", "runtimeapi", "spin", "bench"} {
		image.Files = append(image.Files, vm.File{Guest: "/usr/bin/" + program, Host: filepath.Join(build, "tests", program)})
	}
	if vectors := filepath.Join(build, "tests/vectors"); exists(vectors) {
		image.Files = append(image.Files, vm.File{Guest: "/usr/bin/vectors", Host: vectors})
		image.Manifest.Steps = append(image.Manifest.Steps, step("vectors", time.Minute, "/usr/bin/vectors"))
	}
	image.Manifest.Steps = append(image.Manifest.Steps, hostSteps()...)
	return image.Write(out)
}

// sharing is what the guest's kernel needs for a directory of the host, in order.
var sharing = []string{
	"drivers/virtio/virtio_ring", "drivers/virtio/virtio", "drivers/virtio/virtio_pci_legacy_dev",
	"drivers/virtio/virtio_pci_modern_dev", "drivers/virtio/virtio_pci", "fs/fuse/fuse", "fs/fuse/virtiofs",
}

const (
	root   = "/host"              // the host's root directory in the guest
	script = "/tmp/vgpu-in-vm.sh" // on the host; stage_vm.py writes it
)

// hostSteps run the host's own programs: each is a word that the script understands.
func hostSteps() []manifest.Step {
	steps := []manifest.Step{
		{Name: "root", Mount: &manifest.Mount{Type: "virtiofs", Source: "host", Target: root, ReadOnly: true}},
		{Name: "root-dev", Mount: &manifest.Mount{Source: "/dev", Target: root + "/dev"}},
		{Name: "root-proc", Mount: &manifest.Mount{Source: "/proc", Target: root + "/proc"}},
		{Name: "root-sys", Mount: &manifest.Mount{Source: "/sys", Target: root + "/sys"}},
		{Name: "root-run", Mount: &manifest.Mount{Type: "tmpfs", Source: "tmpfs", Target: root + "/run"}},
	}
	for _, program := range []struct {
		name    string
		timeout time.Duration
	}{{"ready", time.Minute}, {"fork", time.Minute}, {"llama", 2 * time.Minute}, {"torch", 4 * time.Minute}, {"ollama", 4 * time.Minute}} {
		one := step(program.name, program.timeout, "/bin/sh", script, program.name)
		one.Root, one.Dir = root, "/"
		steps = append(steps, one)
	}
	return steps
}

func steps() []manifest.Step {
	spin := step("spin", time.Minute, "/usr/bin/spin", "30")
	spin.Background = true
	bench := step("bench", 2*time.Minute, "/usr/bin/bench")
	bench.Env = append(bench.Env, "BENCH_DIVIDE=20")
	return []manifest.Step{
		step("driverapi", 5*time.Minute, "/usr/bin/driverapi"),
		step("fault", time.Minute, "/usr/bin/driverapi", "fault"),
		step("runtimeapi", 3*time.Minute, "/usr/bin/runtimeapi", "--cudart="+libraries+"libcudart.so.12"),
		spin,
		{Name: "spinning", Expect: "spin", Text: "started"},
		{Name: "killed", Kill: "spin"},
		{Name: "gone", Wait: "spin"},
		step("after-kill", time.Minute, "/usr/bin/driverapi", "kernels.vector_add"),
		bench,
	}
}

func step(name string, timeout time.Duration, argv ...string) manifest.Step {
	return manifest.Step{Name: name, Argv: argv, Timeout: timeout, Env: []string{"VGPU_LOG=1"}}
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}
