package scope

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/coreos/go-systemd/v22/dbus"
	godbus "github.com/godbus/dbus/v5"
)

// fakeManager remembers what it was asked for.
type fakeManager struct {
	started           map[string]map[string]any
	set               map[string]any // last value by unit and property
	stopped           string
	stopErr           error
	result            string
	err               error
	failures          int // of err; 0 = all
	connected, closed int
}

func (f *fakeManager) StartTransientUnitContext(_ context.Context, name, _ string, properties []dbus.Property, done chan<- string) (int, error) {
	if err := f.err; err != nil {
		if f.failures--; f.failures == 0 {
			f.err = nil
		}
		return 0, err
	}
	f.started[name] = map[string]any{}
	for _, p := range properties {
		f.started[name][p.Name] = p.Value.Value()
	}
	done <- f.result
	return 1, nil
}

func (f *fakeManager) SetUnitPropertiesContext(_ context.Context, name string, _ bool, properties ...dbus.Property) error {
	for _, p := range properties {
		f.set[name+" "+p.Name] = p.Value.Value()
	}
	return nil
}

func (f *fakeManager) StopUnitContext(_ context.Context, name, _ string, done chan<- string) (int, error) {
	f.stopped = name
	done <- "done"
	return 1, f.stopErr
}

func (f *fakeManager) Close() { f.closed++ }

func newScopes() (*Scopes, *fakeManager) {
	f := &fakeManager{started: map[string]map[string]any{}, set: map[string]any{}, result: "done"}
	return &Scopes{connect: func() (manager, error) { f.connected++; return f, nil }}, f
}

func TestPlace(t *testing.T) {
	s, f := newScopes()
	e := Executor{
		Domain: Domain{Pool: "gold", Name: "web-1", UUID: "6ba7b810-9dad-11d1-80b4-00c04fd430c8", Weight: 300},
		PID:    77, Channel: 3, Memory: 1 << 30, Devices: []string{"/dev/nvidia0"},
	}
	if err := s.Place(e); err != nil {
		t.Fatal(err)
	}
	const slice = `vgpu-gold-web\x2d1.slice`
	got := f.started["vgpu-executor-77.scope"]
	if got["Slice"] != slice || got["MemoryMax"] != uint64(5<<30) || got["DevicePolicy"] != "closed" || !slices.Equal(got["PIDs"].([]uint32), []uint32{77}) {
		t.Errorf("the scope is %v", got)
	}
	if weight := f.started[slice]["CPUWeight"]; weight != uint64(300) {
		t.Errorf("the weight is %v", weight)
	}
	e.Weight = 7
	if err := s.Weigh(e.Domain); err != nil || f.set[slice+" CPUWeight"] != uint64(7) {
		t.Errorf("the weight is %v, %v", f.set, err)
	}
	if err := s.Clear(e.Domain); err != nil || f.stopped != slice {
		t.Errorf("%q was stopped, %v", f.stopped, err)
	}
	f.stopErr = godbus.Error{Name: "org.freedesktop.systemd1.NoSuchUnit"}
	if err := s.Clear(e.Domain); err != nil {
		t.Errorf("clearing a slice that is not there: %v", err)
	}
}

func TestPlaceSaysWhyNot(t *testing.T) {
	s, f := newScopes()
	f.result = "failed"
	if err := s.Place(Executor{PID: 5}); err == nil || !strings.Contains(err.Error(), `"failed"`) {
		t.Errorf("a job that fails: %v", err)
	}
	f.err = errors.New("no such process")
	if err := s.Place(Executor{PID: 5}); !errors.Is(err, f.err) || f.closed != 2 {
		t.Errorf("a call that fails: %v, closed %d times", err, f.closed)
	}
	f.err, f.result = nil, "done"
	if err := s.Place(Executor{PID: 5}); err != nil {
		t.Fatal(err)
	}
	f.err, f.failures = errors.New("connection closed"), 1
	before := f.connected
	if err := s.Place(Executor{PID: 6}); err != nil || f.connected != before+1 {
		t.Errorf("on a connection that was lost: %v, %d new connections", err, f.connected-before)
	}
	f.failures, f.err = 0, godbus.Error{Name: "org.freedesktop.systemd1.UnitExists"}
	if err := s.Place(Executor{PID: 6}); err != nil {
		t.Errorf("placing again: %v", err)
	}
	if err := (*Scopes)(nil).Place(Executor{PID: 5}); err != nil {
		t.Errorf("without systemd: %v", err)
	}
}

func TestSliceName(t *testing.T) {
	for name, d := range map[string]Domain{
		"vgpu-default-web.slice":              {Pool: "default", Name: "web"},
		`vgpu-a\x2db-x\x20y.slice`:            {Pool: "a-b", Name: "x y"},
		"vgpu-default-6ba7b8109dad11d1.slice": {Pool: "default", Name: strings.Repeat("-", 30), UUID: "6ba7b810-9dad-11d1"},
	} {
		if got := sliceName(d); got != name {
			t.Errorf("%+v: %s, want %s", d, got, name)
		}
	}
}

func TestDevices(t *testing.T) {
	proc := t.TempDir()
	directory := filepath.Join(proc, "driver/nvidia/gpus/0000:1b:00.0")
	if err := os.MkdirAll(directory, 0o755); err != nil {
		t.Fatal(err)
	}
	text := "Model: \t\t NVIDIA H200\nGPU UUID: \t GPU-1\nDevice Minor: \t 3\nGPU Excluded:\t No\n"
	if err := os.WriteFile(filepath.Join(directory, "information"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if got := Devices(proc, "0000:1b:00.0"); !slices.Contains(got, "/dev/nvidia3") || slices.Contains(got, "char-nvidia") {
		t.Errorf("devices are %v", got)
	}
	if got := Devices(proc, "0000:ff:00.0"); !slices.Contains(got, "char-nvidia") {
		t.Errorf("an unknown GPU's devices are %v", got)
	}
	if got := Devices(proc, ""); len(got) != 0 {
		t.Errorf("the GPU in software needs %v", got)
	}
}
