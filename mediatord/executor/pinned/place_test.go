package pinned

import (
	"errors"
	"testing"

	"libvirt-vgpu/mediatord/executor/guesttest"
	"libvirt-vgpu/plugin/window"
)

// places are free addresses for pinned memory and for device memory.
func places(t *testing.T) (base, device uint64) {
	t.Helper()
	all := guesttest.FreeRange(t, growth+uintptr(window.DeviceSize)+rangeSize)
	return all + growth + window.DeviceSize, all + growth
}

func TestPlaceMovesTheRange(t *testing.T) {
	g, r, old := newRange(t)
	g.Own(0, 2)
	base, device := places(t)
	if baseTaken, deviceTaken, err := r.Place(base, device); baseTaken || deviceTaken || err != nil {
		t.Fatalf("taken %t %t, %v", baseTaken, deviceTaken, err)
	}
	if r.Device() != device {
		t.Errorf("device memory is at %#x", r.Device())
	}
	if _, err := r.Map(old, 0, 1); !errors.Is(err, ErrRange) {
		t.Errorf("mapping where the range was: %v", err)
	}
	if _, err := r.Map(base+chunk, 0, 1); err != nil {
		t.Error(err)
	}
	// the guest process may have memory of its own where the range was, not where device memory is
	if _, err := r.MapElsewhere(old, chunk, 4096); err != nil {
		t.Error(err)
	}
	if _, err := r.MapElsewhere(device+4096, chunk, 4096); !errors.Is(err, ErrRange) {
		t.Errorf("mapping in device memory: %v", err)
	}
	if _, _, err := r.Place(base, device); !errors.Is(err, ErrRange) {
		t.Errorf("placing with memory mapped: %v", err)
	}
}

func TestPlaceTellsWhatIsTaken(t *testing.T) {
	_, r, old := newRange(t)
	base, device := places(t)
	own := executorAddress() &^ (chunk - 1)
	if baseTaken, deviceTaken, err := r.Place(own, device); !baseTaken || deviceTaken || err != nil {
		t.Errorf("pinned memory over the executor's: taken %t %t, %v", baseTaken, deviceTaken, err)
	}
	if err := r.Check(old, 0); r.base != old || !errors.Is(err, ErrRange) {
		t.Errorf("the range went to %#x", r.base)
	}
	if baseTaken, deviceTaken, err := r.Place(base, own); baseTaken || !deviceTaken || err != nil {
		t.Errorf("device memory over the executor's: taken %t %t, %v", baseTaken, deviceTaken, err)
	}
	if r.base != base || r.Device() != device {
		t.Errorf("the ranges went to %#x and %#x", r.base, r.Device())
	}
	// something of the executor's could grow into it
	if _, deviceTaken, err := r.Place(base, own+2*chunk); !deviceTaken || err != nil {
		t.Errorf("device memory behind the executor's: taken %t, %v", deviceTaken, err)
	}
	// what was only looked at is free again
	if err := reserve(device, window.DeviceSize); err != nil {
		t.Error(err)
	} else if err := release(device, window.DeviceSize); err != nil {
		t.Error(err)
	}
}

func TestPlaceRefusesWhatNoProcessNames(t *testing.T) {
	_, r, old := newRange(t)
	base, device := places(t)
	for name, tc := range map[string][2]uint64{
		"misaligned pinned":           {base + 4096, device},
		"misaligned device":           {base, device + 4096},
		"pinned at zero":              {0, device},
		"device at zero":              {base, 0},
		"pinned in the kernel":        {1 << 63, device},
		"device in the kernel":        {base, 1<<64 - chunk},
		"pinned across the end":       {1<<47 - rangeSize + chunk, device},
		"device across the end":       {base, 1<<47 - window.DeviceSize + chunk},
		"pinned in device":            {device + chunk, device},
		"pinned into device":          {device - rangeSize + chunk, device},
		"device into pinned":          {device + window.DeviceSize - chunk, device},
		"both at the same place":      {base, base},
		"sum of size and place wraps": {1<<64 - rangeSize, device},
	} {
		if _, _, err := r.Place(tc[0], tc[1]); !errors.Is(err, ErrRange) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if r.base != old || r.Device() != window.DeviceBase {
		t.Errorf("the ranges went to %#x and %#x", r.base, r.Device())
	}
}
