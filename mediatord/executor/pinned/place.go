package pinned

import (
	"fmt"

	"libvirt-vgpu/plugin/window"
)

// Device is where the range of device memory begins, which the driver keeps.
func (r *Range) Device() uint64 { return r.device }

// Place moves the range to base, and takes note that device memory begins at
// device. What it reports taken is where this process has something of its own: the
// range of pinned memory then stays where it was, and of device memory nothing is noted.
// It fails with ErrRange for places that no honest process names, or once
// something is mapped.
func (r *Range) Place(base, device uint64) (baseTaken, deviceTaken bool, err error) {
	switch {
	case len(r.mappings) > 0:
		return false, false, fmt.Errorf("%w: ranges placed at %#x and %#x when memory was mapped", ErrRange, base, device)
	case base%window.ChunkSize != 0, device%window.ChunkSize != 0, !inUserHalf(base, r.size), !inUserHalf(device, window.DeviceSize):
		return false, false, fmt.Errorf("%w: ranges placed at %#x and %#x", ErrRange, base, device)
	case base < device+window.DeviceSize && device < base+r.size:
		return false, false, fmt.Errorf("%w: ranges placed at %#x and %#x meet", ErrRange, base, device)
	}
	baseTaken = base != r.base && !r.move(base)
	deviceTaken = device != r.device && !free(device)
	if !deviceTaken {
		r.device = device
	}
	return baseTaken, deviceTaken, nil
}

// move reserves the range's size of addresses at base in place of the present ones.
func (r *Range) move(base uint64) bool {
	if reserve(base, r.size) != nil {
		return false
	}
	_ = release(r.base, r.size) // what cannot be given back stays reserved
	r.base = base
	return true
}

// growth is how far below device memory this process may have nothing: Go's heap
// grows upwards, and the driver takes the addresses with the first allocation only.
const growth = 1 << 40

// free says whether device memory can begin at device.
func free(device uint64) bool {
	from := max(device, lowest+growth) - growth
	size := device + window.DeviceSize - from
	if reserve(from, size) != nil {
		return false
	}
	return release(from, size) == nil
}
