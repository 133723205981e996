package main

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"
)

// capacity is what the host could still give; its JSON is for schedulers of
// clouds. Sizes are in bytes.
type capacity struct {
	Pools []poolCapacity `json:"pools"`
}

type poolCapacity struct {
	Name       string   `json:"name"`
	Slots      uint32   `json:"slots"`
	SlotsFree  uint32   `json:"slots_free"`
	Priorities []string `json:"priorities"` // that the pool admits
	Weight     uint32   `json:"weight"`
	// MemoryFree is what is left to promise on all GPUs, LargestMemory the most
	// that one more domain can get: it lies on one GPU.
	MemoryFree    uint64        `json:"memory_free"`
	LargestMemory uint64        `json:"largest_memory"`
	GPUs          []gpuCapacity `json:"gpus"`
}

type gpuCapacity struct {
	Name       string `json:"name"` // as the pool file has it
	Model      string `json:"model"`
	Available  bool   `json:"available"`
	Memory     uint64 `json:"memory"`
	MemoryFree uint64 `json:"memory_free"` // left to promise by this pool
}

func newCapacityCommand(address *string) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "capacity",
		Short: "Show what the host could still give to domains",
		Long: `Shows for each pool its free slots, the priorities that it admits, and the GPU memory
that it can still promise, counted as a start would count it: each GPU's memory
times the pool's overcommit, less the quotas of the pool's domains on it.`,
		Args: takes(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			s, err := readStatus(cmd.Context(), *address)
			if err != nil {
				return err
			}
			left := s.capacity()
			if asJSON {
				return writeJSON(cmd.OutOrStdout(), left)
			}
			return left.print(cmd.OutOrStdout())
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

func (s status) capacity() capacity {
	all := capacity{Pools: []poolCapacity{}}
	for _, p := range s.Pools {
		c := poolCapacity{
			Name: p.Name, Slots: p.Slots, SlotsFree: p.Slots - min(p.Used, p.Slots), Priorities: p.Priorities, Weight: p.Weight, GPUs: []gpuCapacity{},
		}
		for _, name := range p.GPUs {
			g := s.gpuCapacity(p, name)
			c.GPUs = append(c.GPUs, g)
			if c.SlotsFree == 0 || !g.Available {
				continue
			}
			c.MemoryFree += g.MemoryFree
			ceiling := g.Memory
			if p.MaxMemory != 0 {
				ceiling = min(ceiling, p.MaxMemory)
			}
			c.LargestMemory = max(c.LargestMemory, min(g.MemoryFree, ceiling))
		}
		all.Pools = append(all.Pools, c)
	}
	return all
}

func (s status) gpuCapacity(p poolStatus, name string) gpuCapacity {
	c := gpuCapacity{Name: name}
	for _, g := range s.GPUs {
		if g.UUID == name || g.PCI == name {
			c.Model, c.Available, c.Memory = g.Name, g.Available, g.Memory
		}
	}
	var promised uint64
	for _, slot := range s.Slots {
		if slot.Pool == p.Name && slot.GPU == name {
			promised += slot.MemoryQuota
		}
	}
	limit := uint64(float64(c.Memory) * p.Overcommit)
	c.MemoryFree = limit - min(limit, promised)
	return c
}

func (c capacity) print(out io.Writer) error {
	w := tabwriter.NewWriter(out, 0, 8, 2, ' ', 0)
	fmt.Fprintln(w, "POOL\tFREE SLOTS\tFREE MEMORY\tLARGEST\tPRIORITIES\tGPUS")
	for _, p := range c.Pools {
		usable := 0
		for _, g := range p.GPUs {
			if g.Available {
				usable++
			}
		}
		fmt.Fprintf(w, "%s\t%d of %d\t%s\t%s\t%s\t%d of %d\n", plain(p.Name), p.SlotsFree, p.Slots, size(p.MemoryFree), size(p.LargestMemory),
			plain(strings.Join(p.Priorities, ",")), usable, len(p.GPUs))
	}
	return w.Flush()
}
