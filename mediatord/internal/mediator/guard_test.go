package mediator

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/sirupsen/logrus"

	"libvirt-vgpu/mediatord/internal/config"
	"libvirt-vgpu/mediatord/internal/gpu"
	"libvirt-vgpu/mediatord/internal/isolationtest"
	"libvirt-vgpu/mediatord/internal/refusal"
	"libvirt-vgpu/plugin/window"
)

// fakeInventory is a host with these GPUs.
type fakeInventory []gpu.GPU

func (f fakeInventory) List() ([]gpu.GPU, error)            { return f, nil }
func (f fakeInventory) Sensors(string) (gpu.Sensors, error) { return gpu.Sensors{}, gpu.ErrNotFound }

func TestIsolationIsCheckedAtEveryReservation(t *testing.T) {
	const address = "0000:01:00.0"
	sysfs := isolationtest.Sysfs(t, isolationtest.Each("DMA", isolationtest.Addresses(isolationtest.GPU3D, "nvidia", address)))
	cfg, err := config.Parse("default.toml", `gpus = ["GPU-6ba7b810-9dad-11d1-80b4-00c04fd430c8"]`)
	if err != nil {
		t.Fatal(err)
	}
	log := logrus.New()
	log.SetOutput(io.Discard)
	runDir, err := os.MkdirTemp("", "vgpu") // short: a socket's path has 107 bytes
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(runDir)
	s := &stage{T: t, describer: &fakeDescriber{}, observer: &fakeObserver{}, runDir: runDir}
	settings := Settings{RunDir: s.runDir, Executor: "/nonexistent", ModuleCache: s.runDir, Sysfs: sysfs, SocketUID: os.Getuid(), SocketGID: -1, SocketMode: 0o600}
	inventory := fakeInventory{{UUID: cfg.GPUs[0], PCI: address}}
	if s.Mediator, err = New(settings, []config.Pool{cfg}, inventory, s.describer, s.observer, log); err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	s.Recheck()
	if err := s.Reserve(context.Background(), s.request(window.UUID{1})); err != nil {
		t.Fatal(err)
	}
	if p, err := s.Pool("default"); err != nil || p.IsolationLevel != "group" || len(p.IsolationFindings) != 0 {
		t.Errorf("pool is %+v, %v", p, err)
	}
	s.Recheck()
	if err := os.WriteFile(filepath.Join(sysfs, "kernel/iommu_groups/0/type"), []byte("identity\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	err = s.Reserve(context.Background(), s.request(window.UUID{2}))
	if !errors.Is(err, refusal.ErrIsolationRefused) || !strings.Contains(err.Error(), "identity mode") || !strings.Contains(err.Error(), "default.toml") {
		t.Errorf("error is %v", err)
	}
	s.Recheck()
	if p, err := s.Pool("default"); err != nil || p.IsolationLevel != "none" || len(p.IsolationFindings) != 1 {
		t.Errorf("pool is %+v, %v", p, err)
	}
	if _, err := s.Slot(window.UUID{1}); err != nil {
		t.Errorf("the domain that runs: %v", err)
	}
	heard := slices.DeleteFunc(s.observer.list(), func(what string) bool { return !strings.HasPrefix(what, "pool") })
	if !slices.Equal(heard, []string{"pool default", "pool default"}) {
		t.Errorf("heard %q", heard)
	}
}

func TestWholeGPUInMIGModeIsRefused(t *testing.T) {
	const address = "0000:01:00.0"
	p := newProber(fakeInventory{{UUID: "GPU-a", PCI: address, Divided: true}, {UUID: "MIG-a", PCI: address, MIG: true}}, &fakeDescriber{})
	if _, err := p.Probe(context.Background(), config.BackendCUDA, address); err == nil || !strings.Contains(err.Error(), "MIG instances") {
		t.Errorf("error is %v", err)
	}
	device, err := p.Probe(context.Background(), config.BackendCUDA, "MIG-a")
	if err != nil || device.Argument != "MIG-a" || device.PCI != address {
		t.Errorf("instance is %+v, %v", device, err)
	}
}
