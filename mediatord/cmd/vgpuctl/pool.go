package main

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"libvirt-vgpu/mediatord/internal/config"
	"libvirt-vgpu/mediatord/internal/gpu"
	"libvirt-vgpu/mediatord/internal/isolation"
)

// poolDirectory is where mediatord looks for pool files.
const poolDirectory = "/etc/vgpu/pools.d"

func newPoolCommand(address *string) *cobra.Command {
	cmd := &cobra.Command{Use: "pool", Short: "Look at pools of GPUs and check them", Args: cobra.ArbitraryArgs, RunE: showHelp, DisableFlagsInUseLine: true}
	cmd.AddCommand(newPoolListCommand(address), newPoolShowCommand(address), newPoolCheckCommand())
	return cmd
}

func newPoolListCommand(address *string) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List the pools with what is left of them",
		Args:  takes(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			s, err := readStatus(cmd.Context(), *address)
			if err != nil {
				return err
			}
			if asJSON {
				return writeJSON(cmd.OutOrStdout(), s.Pools)
			}
			w, row := table(cmd.OutOrStdout())
			row("POOL", "SLOTS FREE", "MEMORY FREE", "GPUS", "PRIORITIES", "ISOLATION")
			for _, p := range s.Pools {
				row(p.Name, fmt.Sprintf("%d of %d", p.Slots-min(p.Slots, p.Used), p.Slots), s.memoryLeft(p), len(p.GPUs), strings.Join(p.Priorities, ","), p.isolation())
			}
			return w.Flush()
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

func newPoolShowCommand(address *string) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "show POOL",
		Short: "Show all of one pool: terms, GPUs, isolation, domains",
		Args:  takes("POOL"),
		RunE: func(cmd *cobra.Command, args []string) error {
			s, err := readStatus(cmd.Context(), *address)
			if err != nil {
				return err
			}
			i := slices.IndexFunc(s.Pools, func(p poolStatus) bool { return p.Name == args[0] })
			if i < 0 {
				return fmt.Errorf("there is no pool %q: see vgpuctl pool list", args[0])
			}
			s = s.of(s.Pools[i])
			if asJSON {
				return writeJSON(cmd.OutOrStdout(), s)
			}
			return s.printPool(cmd.OutOrStdout())
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

func readStatus(ctx context.Context, address string) (status, error) {
	c, err := dial(address)
	if err != nil {
		return status{}, err
	}
	defer c.close()
	return c.status(ctx)
}

// of is what of a status belongs to a pool.
func (s status) of(p poolStatus) status {
	part := status{Pools: []poolStatus{p}, GPUs: []gpuStatus{}, Slots: []slotStatus{}}
	for _, g := range s.GPUs {
		if slices.Contains(g.Pools, p.Name) {
			part.GPUs = append(part.GPUs, g)
		}
	}
	for _, slot := range s.Slots {
		if slot.Pool == p.Name {
			part.Slots = append(part.Slots, slot)
		}
	}
	return part
}

// memoryLeft is what of a pool's GPUs is not promised, "-" before they are known.
func (s status) memoryLeft(p poolStatus) string {
	var total uint64
	for _, g := range s.of(p).GPUs {
		if !g.Available {
			return "-"
		}
		total += uint64(float64(g.Memory) * p.Overcommit)
	}
	return size(total-min(total, p.MemoryPromised)) + " of " + size(total)
}

// printPool prints a status that is one pool's.
func (s status) printPool(out io.Writer) error {
	p := s.Pools[0]
	w, row := table(out)
	row("pool", p.Name)
	row("slots", fmt.Sprintf("%d, %d in use", p.Slots, p.Used))
	row("memory of a domain", orDefault(p.Memory, "an even share")+", at most "+orDefault(p.MaxMemory, "the GPU's"))
	row("memory left", s.memoryLeft(p))
	row("isolation", fmt.Sprintf("demands %s, has %s", p.Isolation, p.IsolationLevel))
	for _, finding := range p.IsolationFindings {
		row("", finding)
	}
	for _, g := range s.GPUs {
		row("gpu", fmt.Sprintf("%s %s %s", orDash(g.PCI), orDash(g.Name), size(g.Memory)))
	}
	for _, slot := range s.Slots {
		row("domain", fmt.Sprintf("%s, %s, weight %d, %s of %s in use", slot.DomainName, slot.Priority, slot.Weight, size(slot.MemoryUsed), size(slot.MemoryQuota)))
	}
	if err := w.Flush(); err != nil {
		return err
	}
	_, err := fmt.Fprintf(out, "\nterms in force, as its file could have them:\n  %s\n", strings.Join(p.Terms, "\n  "))
	return err
}

func orDefault(bytes uint64, otherwise string) string {
	if bytes == 0 {
		return otherwise
	}
	return size(bytes)
}

func orDash(text string) string {
	if text == "" {
		return "-"
	}
	return text
}

// errRefusedPool ends pool check with a status that says that something is wrong,
// after it was printed.
var errRefusedPool = exitCode(1)

func newPoolCheckCommand() *cobra.Command {
	var asJSON bool
	var directory, sysfs string
	cmd := &cobra.Command{
		Use:   "check [POOL...]",
		Short: "Say whether the pools' files are right and their GPUs as isolated as they demand",
		Long: `Reads the pool files and the host's IOMMU groups, without mediatord, and says in
plain words how each pool stands and what to do. The exit status is 1 if a file is
wrong or a pool would be refused.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			pools, err := config.Load(directory)
			if err != nil {
				return err
			}
			inventory := gpu.NewNVML()
			defer inventory.Close()
			gpus, err := inventory.List()
			if err != nil {
				fmt.Fprintln(cmd.ErrOrStderr(), "vgpuctl: the driver does not list its GPUs:", err)
			}
			reports, err := choose(isolation.Check(isolation.Sysfs(sysfs), isolation.Resolve(pools, gpus)), args, directory)
			if err != nil {
				return err
			}
			if asJSON {
				err = writeJSON(cmd.OutOrStdout(), reports)
			} else {
				writeReports(cmd.OutOrStdout(), reports, pools)
			}
			if err == nil && slices.ContainsFunc(reports, isolation.Report.Refused) {
				return errRefusedPool
			}
			return err
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	cmd.Flags().StringVar(&directory, "pools", poolDirectory, "directory of pool files")
	cmd.Flags().StringVar(&sysfs, "sysfs", "/sys", "where sysfs is mounted")
	return cmd
}

// choose keeps the reports of the pools that are named, all if none is.
func choose(reports []isolation.Report, names []string, directory string) ([]isolation.Report, error) {
	if len(reports) == 0 {
		return nil, fmt.Errorf("there is no pool in %s: write one, see man vgpu-pools", directory)
	}
	if len(names) == 0 {
		return reports, nil
	}
	var chosen []isolation.Report
	for _, name := range names {
		i := slices.IndexFunc(reports, func(r isolation.Report) bool { return r.Pool == name })
		if i < 0 {
			return nil, fmt.Errorf("there is no pool %q: there is no %s.toml in %s", name, name, directory)
		}
		chosen = append(chosen, reports[i])
	}
	return chosen, nil
}

// writeReports explains each report in a paragraph.
func writeReports(out io.Writer, reports []isolation.Report, pools []config.Pool) {
	for i, r := range reports {
		if i > 0 {
			fmt.Fprintln(out)
		}
		p := pools[slices.IndexFunc(pools, func(p config.Pool) bool { return p.Name == r.Pool })]
		fmt.Fprintf(out, "pool %s (%s)\n", r.Pool, p.File)
		for _, line := range verdict(r, p) {
			fmt.Fprintln(out, "  "+line)
		}
		for _, f := range r.Findings {
			mark := "note:"
			if f.Breaks {
				mark = "problem:"
			}
			fmt.Fprintln(out, "  "+mark, f.Problem)
			if f.Remedy != "" {
				fmt.Fprintln(out, "    what to do:", f.Remedy)
			}
		}
	}
}

func verdict(r isolation.Report, p config.Pool) []string {
	groups := "no IOMMU group"
	if len(r.Groups) > 0 {
		groups = "IOMMU group " + strings.Trim(strings.ReplaceAll(fmt.Sprint(r.Groups), " ", ", "), "[]")
	}
	switch {
	case p.Backend == config.BackendSoft:
		return []string{"The GPU in software is no device: there is nothing to isolate."}
	case r.Refused():
		return []string{
			"REFUSED: the pool demands isolation by IOMMU group, which does not hold. No domain starts in it.",
			`To do without, write isolation = "none" into its file: then its GPUs may reach memory of the whole host.`,
		}
	case r.Level == isolation.None:
		return []string{fmt.Sprintf("The pool demands no isolation. Its GPUs are in %s; nothing is promised about what they can reach.", groups)}
	}
	lines := []string{fmt.Sprintf("Isolated: its GPUs fill %s and reach only host memory that was mapped for them.", groups)}
	if r.Level == isolation.ByGroupAndMIG {
		lines = append(lines, "Its MIG instances are kept apart by the GPU.")
	} else {
		lines = append(lines, "Two domains on one of its GPUs are kept apart by processes and by the GPU's page tables, not by the IOMMU.")
	}
	return lines
}
