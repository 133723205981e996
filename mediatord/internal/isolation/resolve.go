package isolation

import (
	"strings"

	"libvirt-vgpu/mediatord/internal/config"
	"libvirt-vgpu/mediatord/internal/gpu"
)

// Resolve finds the PCI addresses of the GPUs that pool files name. Names that
// are addresses stay what they are, in the inventory or not.
func Resolve(pools []config.Pool, gpus []gpu.GPU) []Pool {
	resolved := make([]Pool, 0, len(pools))
	for _, cfg := range pools {
		p := Pool{Name: cfg.Name, File: cfg.File, Demand: cfg.Isolation}
		for _, name := range cfg.GPUs {
			if name == config.SoftGPU {
				continue
			}
			m := Member{Name: name, MIG: strings.HasPrefix(name, config.MIGPrefix)}
			if g, err := gpu.Find(gpus, name); err == nil {
				m.PCI = g.PCI
			} else if pci, ok := config.NormalizePCI(name); ok {
				m.PCI = pci
			}
			p.Members = append(p.Members, m)
		}
		resolved = append(resolved, p)
	}
	return resolved
}
