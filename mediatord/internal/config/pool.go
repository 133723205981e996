// Package config reads the pools: one TOML file per pool in a directory, the
// file's name without ".toml" being the pool's.
//
//	# /etc/vgpu/pools.d/gold.toml
//	gpus = ["0000:01:00.0"]          # PCI addresses, GPU-<uuid>, MIG-<uuid>, or "soft"
//	backend = "cuda"                 # cuda or soft
//	mode = "shared"                  # shared; exclusive: one domain on each GPU
//	slots = 8                        # domains at the same time
//	memory = "16GiB"                 # quota of a domain that asks for none
//	max_memory = "64GiB"             # most that a domain may ask for
//	overcommit = 1.0                 # sum of the quotas : memory of the GPU
//	weight = 100                     # share among pools
//	priorities = ["high", "normal", "low"]
//	isolation = "group"              # group: whole, translated IOMMU groups; none
//	walls = "available"              # around executors: available, required, off, trial
//	warm = 1                         # executors that wait with the driver loaded, per GPU
//	kernel_limit = "30s"             # longest that a kernel or graph may run; default: for ever
package config

import (
	"strings"
	"time"

	"libvirt-vgpu/mediatord/executor/sandbox"
	vgpuxml "libvirt-vgpu/xml"
)

// Backend is what an executor drives.
type Backend string

// The backends of vgpu-executor.
const (
	BackendCUDA Backend = "cuda"
	BackendSoft Backend = "soft"
)

// Isolation is what a pool demands of the host's IOMMU.
type Isolation string

// The demands. Package isolation says what they cover.
const (
	IsolationGroup Isolation = "group" // whole IOMMU groups of its own, translated
	IsolationNone  Isolation = "none"
)

// Mode says how many domains a GPU of a pool has.
type Mode string

// The modes.
const (
	Shared    Mode = "shared"
	Exclusive Mode = "exclusive" // one
)

// SoftGPU is the name of the GPU in software; it needs no hardware.
const SoftGPU = "soft"

// Limits and defaults.
const (
	DefaultSlots = 8
	MaxSlots     = 1024

	DefaultWeight = 100
	MaxWeight     = 10000

	MaxOvercommit = 16.0

	DefaultWarm = 1 // of real GPUs; 0 of the one in software
	MaxWarm     = 64

	MinKernelLimit = time.Second
	MaxKernelLimit = 24 * time.Hour
)

// Pool is one validated pool file.
type Pool struct {
	Name string // as vgpuxml.ValidPoolName allows
	File string // for messages
	// GPUs are PCI addresses ("0000:01:00.0"), UUIDs ("GPU-...", "MIG-..."), or
	// SoftGPU.
	GPUs       []string
	Backend    Backend
	Mode       Mode
	Slots      int     // 1..MaxSlots
	Memory     uint64  // bytes; 0 = the GPU's memory shared evenly among the slots
	MaxMemory  uint64  // bytes; 0 = the GPU's memory
	Overcommit float64 // 1..MaxOvercommit
	Weight     int     // 1..MaxWeight
	Priorities []vgpuxml.Priority
	Sharing    Sharing
	Parking    Parking
	// KernelLimit is the longest that a kernel or graph may run, 0: for ever.
	KernelLimit time.Duration
	Isolation   Isolation
	Warm        int          // 0..MaxWarm, per GPU
	Walls       sandbox.Mode // around each executor
}

// Allows says whether the pool admits a priority class.
func (p *Pool) Allows(priority vgpuxml.Priority) bool {
	for _, allowed := range p.Priorities {
		if allowed == priority {
			return true
		}
	}
	return false
}

// PriorityNames lists the admitted classes for messages, "high, normal".
func (p *Pool) PriorityNames() string {
	names := make([]string, len(p.Priorities))
	for i, priority := range p.Priorities {
		names[i] = string(priority)
	}
	return strings.Join(names, ", ")
}
