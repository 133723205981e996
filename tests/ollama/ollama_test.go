package ollama

import (
	"bufio"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"libvirt-vgpu/tests/stage"
	"libvirt-vgpu/tests/vm"
	"libvirt-vgpu/tests/vm/manifest"
)

func TestReadCompute(t *testing.T) {
	lines := []string{
		`time=2026-11-22T01:00:00.000Z level=INFO source=runner.go:67 msg="discovering available GPUs..."`,
		`time=2026-11-22T01:00:01.000Z level=INFO source=types.go:42 msg="inference compute" id=GPU-1 filter_id="" library=CUDA compute=9.0 description="NVIDIA H200" total="16.0 GiB"`,
	}
	compute, err := ReadCompute(lines)
	if err != nil || compute["library"] != "CUDA" || compute["description"] != "NVIDIA H200" || compute["total"] != "16.0 GiB" || compute["filter_id"] != "" {
		t.Errorf("read %v, %v", compute, err)
	}
	if _, err := ReadCompute(lines[:1]); !errors.Is(err, ErrNoCompute) {
		t.Errorf("without an answer: %v", err)
	}
}

// TestDiscovery lets Ollama look for GPUs: in vain on this machine, then as a host
// process on a vGPU, then in a VM. The first run builds Ollama, which takes eight minutes
// of processor time; later ones find it in build/cache.
func TestDiscovery(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root to start libvirtd")
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Minute)
	defer cancel()
	started := time.Now()
	program, err := Build(ctx, filepath.Join(vm.Root(), "build", "cache"))
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("building Ollama took %v", time.Since(started).Round(time.Second))
	installed, err := os.MkdirTemp("", "ollama") // short: it becomes part of paths in the guest
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(installed) })
	if err := os.Chmod(installed, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := program.Install(ctx, installed); err != nil {
		t.Fatal(err)
	}
	t.Run("without a vGPU", func(t *testing.T) {
		serve := append(Environment(t.TempDir()), filepath.Join(installed, "bin/ollama"), "serve")
		compute := discover(t, exec.CommandContext(ctx, "env", serve...))
		if compute["library"] != "cpu" {
			t.Errorf("Ollama computes on %v", compute)
		}
	})
	s, err := stage.Open(ctx, map[string]string{"default": "gpus = [\"soft\"]\n"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("mediatord:\n%s", s.Mediator.Log())
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	t.Run("host process", func(t *testing.T) {
		serve := append([]string{"run", "--memory", "512MiB", "--lib-dir", filepath.Join(vm.Root(), "build/guest"), "--", "/usr/bin/env"},
			append(Environment(t.TempDir()), filepath.Join(installed, "bin/ollama"), "serve")...)
		check(t, discover(t, s.Command(ctx, s.Binary("vgpuctl"), serve...)), "0000:01:00.0", "512.0 MiB")
	})
	t.Run("VM", func(t *testing.T) { inVM(ctx, t, s, installed) })
}

// discover starts a command and reads its lines until the discovery has ended.
func discover(t *testing.T, cmd *exec.Cmd) Compute {
	t.Helper()
	started := time.Now()
	output, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	timer := time.AfterFunc(2*time.Minute, func() { _ = cmd.Process.Signal(syscall.SIGTERM) })
	defer timer.Stop()
	var lines []string
	for scanner := bufio.NewScanner(output); scanner.Scan(); {
		lines = append(lines, scanner.Text())
		if strings.Contains(scanner.Text(), "inference compute") {
			break
		}
	}
	_ = cmd.Process.Signal(syscall.SIGTERM)
	_ = output.Close()
	_ = cmd.Wait()
	compute, err := ReadCompute(lines)
	if err != nil {
		t.Fatalf("%v:\n%s", err, strings.Join(lines, "\n"))
	}
	t.Logf("after %v: %v", time.Since(started).Round(time.Millisecond), compute)
	return compute
}

// check compares what Ollama says with the software GPU and the domain's quota.
func check(t *testing.T, compute Compute, pci, total string) {
	t.Helper()
	want := Compute{"library": "CUDA", "compute": "9.0", "name": "CUDA0", "description": "vGPU software device", "driver": "13.0",
		"pci_id": pci, "type": "discrete", "total": total, "available": total}
	for name, value := range want {
		if compute[name] != value {
			t.Errorf("%s is %q, want %q", name, compute[name], value)
		}
	}
	if !strings.HasPrefix(compute["id"], "GPU-") {
		t.Errorf("id is %q", compute["id"])
	}
}

func inVM(ctx context.Context, t *testing.T, s *stage.Stage, installed string) {
	image, err := s.Image(ctx, "initramfs-ollama",
		vm.File{Guest: "/opt/ollama/bin/ollama", Host: filepath.Join(installed, "bin/ollama")},
		vm.File{Guest: "/opt/ollama/lib/ollama/cuda_v13/libggml-cuda.so", Host: filepath.Join(installed, "lib/ollama/cuda_v13/libggml-cuda.so")})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Define(ctx, stage.Domain{
		Name: "ollama", UUID: "0b5f3f4e-2f0e-4c8e-8f4e-6f6c2d1a7b21", Device: true, CPUs: 2, MemoryMiB: 1536, Initramfs: image,
		Element: `<vgpu:gpu xmlns:vgpu="urn:libvirt-vgpu:1" pool="default" memory="1GiB" window="256MiB"/>`,
	}); err != nil {
		t.Fatal(err)
	}
	g, err := s.Start(ctx, "ollama")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("console:\n%s", g.Log())
		}
		if err := s.Destroy(context.WithoutCancel(ctx), g); err != nil {
			t.Error(err)
		}
	})
	if err := g.Booted(ctx); err != nil {
		t.Fatal(err)
	}
	serve := manifest.Step{Name: "serve", Argv: []string{"/opt/ollama/bin/ollama", "serve"}, Env: Environment("/tmp"),
		Timeout: 5 * time.Minute, Background: true}
	found, err := g.Do(ctx, serve, manifest.Step{Name: "found", Expect: "serve", Text: "inference compute", Timeout: 3 * time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("after %v", found.Time)
	results, err := g.Do(ctx, manifest.Step{Name: "end", Kill: "serve"}, manifest.Step{Name: "ended", Wait: "serve"})
	if err != nil || results.Exit != 0 {
		t.Fatalf("%+v, %v", results, err)
	}
	lines, err := g.Console.Lines()
	if err != nil {
		t.Fatal(err)
	}
	compute, err := ReadCompute(lines)
	if err != nil {
		t.Fatal(err)
	}
	t.Log(compute)
	check(t, compute, compute["pci_id"], "1.0 GiB")
	if compute["pci_id"] == "" || compute["pci_id"] == "0000:00:00.0" {
		t.Errorf("PCI address %q", compute["pci_id"])
	}
}
