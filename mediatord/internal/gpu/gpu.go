// Package gpu lists the physical GPUs of the host.
package gpu

import "errors"

// ErrNotFound: no GPU of the host has this address or UUID.
var ErrNotFound = errors.New("gpu not found")

// GPU is one physical GPU, or one MIG instance of one.
type GPU struct {
	Index  int
	UUID   string // "GPU-6ba7b810-...", of an instance "MIG-..."
	PCI    string // "0000:01:00.0"; an instance has that of its GPU
	Name   string // "NVIDIA H200", of an instance "NVIDIA H200 MIG 1g.18gb"
	Memory uint64 // bytes
	Driver string // "580.159.04"
	// MIG is set for an instance, Divided for a GPU in MIG mode, of which only
	// the instances can compute.
	MIG, Divided bool
}

// Sensors is what a GPU reports of itself; 0 is unknown.
type Sensors struct {
	Utilization uint32 // percent of the last sample period
	Temperature uint32 // degrees C
	Milliwatts  uint32
}

// Inventory knows the GPUs of the host.
type Inventory interface {
	// List returns all GPUs, each followed by its MIG instances; none without
	// a driver.
	List() ([]GPU, error)
	// Sensors reads the GPU at a PCI address. It fails with ErrNotFound.
	Sensors(pci string) (Sensors, error)
}

// Find returns the GPU that a pool file names by PCI address or "GPU-<uuid>",
// or the instance that it names by "MIG-<uuid>". It fails with ErrNotFound.
func Find(gpus []GPU, name string) (GPU, error) {
	for _, g := range gpus {
		if g.PCI == name && !g.MIG || g.UUID == name {
			return g, nil
		}
	}
	return GPU{}, ErrNotFound
}
