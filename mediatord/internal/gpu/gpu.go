// Package gpu lists the physical GPUs of the host.
package gpu

import "errors"

// ErrNotFound: no GPU of the host has this address or UUID.
var ErrNotFound = errors.New("gpu not found")

// GPU is one physical GPU.
type GPU struct {
	Index  int
	UUID   string // "GPU-6ba7b810-..."
	PCI    string // "0000:01:00.0"
	Name   string // "NVIDIA H200"
	Memory uint64 // bytes
	Driver string // "580.159.04"
}

// Sensors is what a GPU reports of itself; 0 is unknown.
type Sensors struct {
	Utilization uint32 // percent of the last sample period
	Temperature uint32 // degrees C
	Milliwatts  uint32
}

// Inventory knows the GPUs of the host.
type Inventory interface {
	// List returns all GPUs, none without a driver.
	List() ([]GPU, error)
	// Sensors reads the GPU at a PCI address. It fails with ErrNotFound.
	Sensors(pci string) (Sensors, error)
}

// None is the inventory of a host without the NVIDIA driver.
type None struct{}

// List returns no GPU.
func (None) List() ([]GPU, error) { return nil, nil }

// Sensors fails with ErrNotFound.
func (None) Sensors(string) (Sensors, error) { return Sensors{}, ErrNotFound }

// Find returns the GPU that a pool file names by PCI address or "GPU-<uuid>".
// It fails with ErrNotFound.
func Find(gpus []GPU, name string) (GPU, error) {
	for _, g := range gpus {
		if g.PCI == name || g.UUID == name {
			return g, nil
		}
	}
	return GPU{}, ErrNotFound
}
