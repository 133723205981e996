package config

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/BurntSushi/toml"

	"libvirt-vgpu/mediatord/executor/sandbox"
	vgpuxml "libvirt-vgpu/xml"
)

// ErrInvalid marks every error in a pool file; its text names file, key and
// what is allowed.
var ErrInvalid = errors.New("invalid pool file")

// poolFile is the TOML document; a nil pointer is an absent key.
type poolFile struct {
	GPUs        []string     `toml:"gpus"`
	Backend     *string      `toml:"backend"`
	Mode        *string      `toml:"mode"`
	Slots       *int64       `toml:"slots"`
	Memory      *string      `toml:"memory"`
	MaxMemory   *string      `toml:"max_memory"`
	Overcommit  *float64     `toml:"overcommit"`
	Weight      *int64       `toml:"weight"`
	Priorities  []string     `toml:"priorities"`
	Isolation   *string      `toml:"isolation"`
	Walls       *string      `toml:"walls"`
	Warm        *int64       `toml:"warm"`
	KernelLimit *string      `toml:"kernel_limit"`
	Sharing     sharingTable `toml:"sharing"`
	Parking     parkingTable `toml:"parking"`
}

// Load reads all *.toml files of a directory, sorted by name. An absent
// directory has no pools. The error is ErrInvalid for the first bad file.
func Load(directory string) ([]Pool, error) {
	if info, err := os.Stat(directory); err == nil && !info.IsDir() {
		return nil, fmt.Errorf("listing pools: %s is no directory; name the one that has the pool files", directory)
	}
	files, err := filepath.Glob(filepath.Join(directory, "*.toml"))
	if err != nil {
		return nil, fmt.Errorf("listing pools: %w", err)
	}
	pools := make([]Pool, 0, len(files))
	users := map[string]string{} // GPU to the pool file that has it
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			return nil, fmt.Errorf("reading pool: %w", err)
		}
		pool, err := Parse(file, string(text))
		if err != nil {
			return nil, err
		}
		for _, gpu := range pool.GPUs {
			if other, used := users[gpu]; used && gpu != SoftGPU {
				return nil, invalid(file, "gpus", fmt.Sprintf("%q is already in %s", gpu, other), "a GPU in one pool only")
			}
			users[gpu] = file
		}
		pools = append(pools, pool)
	}
	return pools, nil
}

// Parse reads one pool file's text. The error is ErrInvalid.
func Parse(file, text string) (Pool, error) {
	var doc poolFile
	meta, err := toml.Decode(text, &doc)
	if err != nil {
		return Pool{}, syntaxError(file, err)
	}
	if err := unknownKey(file, meta); err != nil {
		return Pool{}, err
	}
	pool := Pool{
		Name: strings.TrimSuffix(filepath.Base(file), ".toml"), File: file,
		Mode: Shared, Slots: DefaultSlots, Overcommit: 1, Weight: DefaultWeight, Walls: sandbox.Available,
		Priorities: []vgpuxml.Priority{vgpuxml.PriorityHigh, vgpuxml.PriorityNormal, vgpuxml.PriorityLow},
	}
	for _, step := range []func(*poolFile) error{
		pool.setName, pool.setGPUs, pool.setBackend, pool.setMode, pool.setCounts, pool.setMemory, pool.setPriorities, pool.setIsolation, pool.setWarm, pool.setWalls,
		pool.setSharing, pool.setKernelLimit, pool.setParking,
	} {
		if err := step(&doc); err != nil {
			return Pool{}, err
		}
	}
	return pool, nil
}

func (p *Pool) setName(*poolFile) error {
	if !vgpuxml.ValidPoolName(p.Name) {
		return fmt.Errorf("%w %s: the file's name is not a pool's: allowed are lower case letters, digits, dot, underscore and dash", ErrInvalid, p.File)
	}
	return nil
}

func (p *Pool) setGPUs(doc *poolFile) error {
	const allowed = `a list of PCI addresses such as "0000:01:00.0" and UUIDs such as "GPU-6ba7b810-9dad-11d1-80b4-00c04fd430c8" or "MIG-...", or ["soft"]`
	if len(doc.GPUs) == 0 {
		return invalid(p.File, "gpus", "is missing or empty", allowed)
	}
	for _, text := range doc.GPUs {
		gpu, ok := normalizeGPU(text)
		if !ok {
			return invalid(p.File, "gpus", fmt.Sprintf("%q names no GPU", text), allowed)
		}
		if slices.Contains(p.GPUs, gpu) {
			return invalid(p.File, "gpus", fmt.Sprintf("%q is there twice", text), allowed)
		}
		p.GPUs = append(p.GPUs, gpu)
	}
	if slices.Contains(p.GPUs, SoftGPU) && len(p.GPUs) > 1 {
		return invalid(p.File, "gpus", `mixes "soft" with real GPUs`, allowed)
	}
	return nil
}

func (p *Pool) setBackend(doc *poolFile) error {
	p.Backend = BackendCUDA
	if p.GPUs[0] == SoftGPU {
		p.Backend = BackendSoft
	}
	if doc.Backend == nil {
		return nil
	}
	switch wanted := Backend(*doc.Backend); {
	case wanted != BackendCUDA && wanted != BackendSoft:
		return invalid(p.File, "backend", fmt.Sprintf("is %q", wanted), `"cuda" or "soft"`)
	case wanted != p.Backend:
		return invalid(p.File, "backend", fmt.Sprintf("%q does not fit gpus = %q", wanted, p.GPUs), `"soft" with gpus = ["soft"], "cuda" with real GPUs`)
	}
	return nil
}

func (p *Pool) setMode(doc *poolFile) error {
	if doc.Mode == nil || *doc.Mode == string(Shared) {
		return nil
	}
	if *doc.Mode != string(Exclusive) {
		return invalid(p.File, "mode", fmt.Sprintf("is %q", *doc.Mode), `"shared" or "exclusive"`)
	}
	p.Mode, p.Slots = Exclusive, len(p.GPUs)
	if doc.Slots != nil && *doc.Slots > int64(len(p.GPUs)) {
		return invalid(p.File, "slots", fmt.Sprintf("is %d in an exclusive pool of %d GPUs", *doc.Slots, len(p.GPUs)), "at most one for each GPU")
	}
	if doc.Overcommit != nil && *doc.Overcommit != 1 {
		return invalid(p.File, "overcommit", fmt.Sprintf("is %g in an exclusive pool, where nobody shares memory", *doc.Overcommit), "1.0")
	}
	return nil
}

func (p *Pool) setCounts(doc *poolFile) error {
	if doc.Slots != nil {
		if *doc.Slots < 1 || *doc.Slots > MaxSlots {
			return invalid(p.File, "slots", fmt.Sprintf("is %d", *doc.Slots), fmt.Sprintf("1 to %d", MaxSlots))
		}
		p.Slots = int(*doc.Slots)
	}
	if doc.Weight != nil {
		if *doc.Weight < 1 || *doc.Weight > MaxWeight {
			return invalid(p.File, "weight", fmt.Sprintf("is %d", *doc.Weight), fmt.Sprintf("1 to %d", MaxWeight))
		}
		p.Weight = int(*doc.Weight)
	}
	if doc.Overcommit != nil {
		if !(*doc.Overcommit >= 1 && *doc.Overcommit <= MaxOvercommit) { // also refuses NaN
			return invalid(p.File, "overcommit", fmt.Sprintf("is %g", *doc.Overcommit), fmt.Sprintf("1.0 to %g", MaxOvercommit))
		}
		p.Overcommit = *doc.Overcommit
	}
	return nil
}

func (p *Pool) setWalls(doc *poolFile) error {
	if doc.Walls == nil {
		return nil
	}
	mode, err := sandbox.ParseMode(*doc.Walls)
	if err != nil {
		return invalid(p.File, "walls", fmt.Sprintf("is %q", *doc.Walls),
			fmt.Sprintf("%q, %q, %q, %q", sandbox.Available, sandbox.Required, sandbox.Off, sandbox.Trial))
	}
	p.Walls = mode
	return nil
}

func (p *Pool) setMemory(doc *poolFile) error {
	var err error
	if p.Memory, err = p.size("memory", doc.Memory); err != nil {
		return err
	}
	if p.MaxMemory, err = p.size("max_memory", doc.MaxMemory); err != nil {
		return err
	}
	if p.MaxMemory != 0 && p.Memory > p.MaxMemory {
		return invalid(p.File, "memory", fmt.Sprintf("%s is more than max_memory %s", vgpuxml.FormatSize(p.Memory), vgpuxml.FormatSize(p.MaxMemory)), "at most max_memory")
	}
	return nil
}

func (p *Pool) size(key string, text *string) (uint64, error) {
	if text == nil {
		return 0, nil
	}
	size, err := vgpuxml.ParseSize(*text)
	if err != nil || size < vgpuxml.MinMemory || size > vgpuxml.MaxMemory {
		return 0, invalid(p.File, key, fmt.Sprintf("is %q", *text), `a size from "64MiB" to "16TiB"`)
	}
	return size, nil
}

func (p *Pool) setPriorities(doc *poolFile) error {
	if doc.Priorities == nil {
		return nil
	}
	const allowed = `a list of "high", "normal", "low"`
	all := p.Priorities
	p.Priorities = nil
	for _, text := range doc.Priorities {
		priority := vgpuxml.Priority(text)
		if !slices.Contains(all, priority) || slices.Contains(p.Priorities, priority) {
			return invalid(p.File, "priorities", fmt.Sprintf("%q is unknown or there twice", text), allowed)
		}
		p.Priorities = append(p.Priorities, priority)
	}
	if len(p.Priorities) == 0 {
		return invalid(p.File, "priorities", "is empty", allowed)
	}
	return nil
}

func (p *Pool) setIsolation(doc *poolFile) error {
	p.Isolation = IsolationGroup
	if p.Backend == BackendSoft {
		p.Isolation = IsolationNone
	}
	if doc.Isolation == nil {
		return nil
	}
	switch wanted := Isolation(*doc.Isolation); {
	case wanted != IsolationGroup && wanted != IsolationNone:
		return invalid(p.File, "isolation", fmt.Sprintf("is %q", wanted), `"group" or "none"`)
	case wanted == IsolationGroup && p.Backend == BackendSoft:
		return invalid(p.File, "isolation", `"group" does not fit the GPU in software, which is no device`, `"none" with gpus = ["soft"]`)
	default:
		p.Isolation = wanted
	}
	return nil
}

func (p *Pool) setWarm(doc *poolFile) error {
	if p.Backend == BackendCUDA {
		p.Warm = DefaultWarm
	}
	if doc.Warm != nil {
		if *doc.Warm < 0 || *doc.Warm > MaxWarm {
			return invalid(p.File, "warm", fmt.Sprintf("is %d", *doc.Warm), fmt.Sprintf("0 to %d", MaxWarm))
		}
		p.Warm = int(*doc.Warm)
	}
	return nil
}

// setKernelLimit needs what setSharing has set: without leases nobody measures.
func (p *Pool) setKernelLimit(doc *poolFile) error {
	if doc.KernelLimit == nil || *doc.KernelLimit == "none" {
		return nil
	}
	limit, err := time.ParseDuration(*doc.KernelLimit)
	if err != nil || limit < MinKernelLimit || limit > MaxKernelLimit {
		return invalid(p.File, "kernel_limit", fmt.Sprintf("is %q", *doc.KernelLimit), between(MinKernelLimit, MaxKernelLimit)+`, or "none"`)
	}
	if !p.Sharing.Leases {
		return invalid(p.File, "kernel_limit", "is set while sharing.leases is false, without which nobody measures kernels", "kernel_limit with leases = true")
	}
	p.KernelLimit = limit
	return nil
}

func invalid(file, key, what, allowed string) error {
	return fmt.Errorf("%w %s: %s: %s; allowed: %s", ErrInvalid, file, key, what, allowed)
}
