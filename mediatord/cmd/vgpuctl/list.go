package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"libvirt.org/go/libvirt"

	"libvirt-vgpu/mediatord/internal/domain"
	vgpuxml "libvirt-vgpu/xml"
)

// listed is a domain with a vGPU, or a session of host processes.
type listed struct {
	Name     string `json:"name"`
	UUID     string `json:"uuid"`
	Kind     string `json:"kind"`  // domain or session
	State    string `json:"state"` // libvirt's: running or shut off; of a session mediatord's
	Pool     string `json:"pool"`
	Priority string `json:"priority"`
	Weight   int    `json:"weight"`
	// Memory is the quota in bytes; 0 is the pool's default, before a start.
	Memory     uint64 `json:"memory"`
	MemoryUsed uint64 `json:"memory_used"`
	// MemoryParked is what of MemoryUsed lies in host memory; ContextsParked is how many
	// processes are not on the GPU at all.
	MemoryParked   uint64 `json:"memory_parked"`
	ContextsParked int    `json:"contexts_parked"`
	GPU            string `json:"gpu"`
	Processes      int    `json:"processes"`
	// Slot says that mediatord has a slot for it.
	Slot bool `json:"slot"`
	// NextStart are attributes of the persistent configuration that differ from
	// what runs; Problem is what keeps it from starting, or from its vGPU.
	NextStart []string `json:"next_start"`
	Problem   string   `json:"problem,omitempty"`

	asks *vgpuxml.GPU // for its next start, while it does not run
}

func newListCommand(address, uri *string) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List the domains that have a vGPU, running or not",
		Long: `Lists the domains that have a vGPU, running or not, and sessions of the host's own
programs. PARKED is how much of a domain's memory lies in host memory because its
processes are idle, and how many of them have left the GPU with their contexts.
NEXT START is what the persistent configuration changes, or what keeps the domain
from its vGPU.`,
		Args: takes(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			s, mediatordErr := readStatus(cmd.Context(), *address)
			all, libvirtErr := listDomains(*uri, s)
			if mediatordErr != nil && libvirtErr != nil {
				return fmt.Errorf("%w; %w", libvirtErr, mediatordErr)
			}
			for _, err := range []error{libvirtErr, mediatordErr} {
				if err != nil {
					fmt.Fprintln(cmd.ErrOrStderr(), "vgpuctl: the list is not whole:", err)
				}
			}
			if mediatordErr == nil {
				checkAdmission(cmd.Context(), *address, all)
			}
			all = append(all, others(s, all)...)
			slices.SortFunc(all, func(a, b listed) int { return strings.Compare(a.Name+a.UUID, b.Name+b.UUID) })
			if asJSON {
				return writeJSON(cmd.OutOrStdout(), append([]listed{}, all...))
			}
			return printList(cmd.OutOrStdout(), all)
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

// listDomains asks libvirt for the domains that have an element or a device.
func listDomains(uri string, s status) ([]listed, error) {
	conn, err := libvirt.NewConnect(uri)
	if err != nil {
		return nil, unreachable(uri, err)
	}
	defer conn.Close()
	domains, err := conn.ListAllDomains(0)
	if err != nil {
		return nil, fmt.Errorf("listing domains: %s", domain.Text(err))
	}
	var all []listed
	for i := range domains {
		l, found, err := describeDomain(&domains[i], s.Slots)
		_ = domains[i].Free()
		if errors.Is(err, libvirt.ERR_NO_DOMAIN) {
			continue // gone meanwhile
		}
		if err != nil {
			return nil, errors.New(domain.Text(err))
		}
		if found {
			all = append(all, l)
		}
	}
	return all, nil
}

// checkAdmission asks mediatord whether the domains that do not run may start.
func checkAdmission(ctx context.Context, address string, all []listed) {
	c, err := dial(address)
	if err != nil {
		return // the list says so already
	}
	defer c.close()
	answers := map[vgpuxml.GPU]error{} // a pool whose GPU is missing looks for it at each question
	for i := range all {
		if all[i].asks == nil || all[i].Problem != "" {
			continue
		}
		asks := *all[i].asks
		asks.Weight, asks.Window = vgpuxml.DefaultGPU().Weight, vgpuxml.DefaultGPU().Window // which no pool refuses
		err, asked := answers[asks]
		if !asked {
			err = c.check(ctx, asks)
			answers[asks] = err
		}
		if err != nil {
			all[i].Problem = err.Error()
		}
	}
}

// describeDomain puts together what libvirt and mediatord say about a domain;
// found is false for one without a vGPU.
func describeDomain(target domain.Target, slots []slotStatus) (l listed, found bool, err error) {
	active, err := target.IsActive()
	if err != nil {
		return l, false, err
	}
	persistent, err := target.IsPersistent()
	if err != nil {
		return l, false, err
	}
	var stored, live domain.Configuration
	if persistent {
		if stored, err = domain.Read(target, domain.Persistent); err != nil {
			return l, false, err
		}
	}
	if active {
		if live, err = domain.Read(target, domain.Live); err != nil {
			return l, false, err
		}
	}
	shown := stored
	l = listed{Kind: "domain", State: "shut off", NextStart: []string{}}
	if active {
		shown, l.State = live, "running"
	}
	l.Name, l.UUID = shown.Name, shown.UUID
	l.take(shown.GPU)
	if !active && stored.HasElement() {
		l.asks = &stored.GPU
	}
	has := func(c domain.Configuration) bool { return c.UUID != "" && !errors.Is(c.ElementErr, vgpuxml.ErrNoGPU) }
	found = has(stored) || has(live)
	running := live.GPU
	if i := slices.IndexFunc(slots, func(slot slotStatus) bool { return slot.UUID == l.UUID }); i >= 0 {
		found = true
		l.fill(slots[i])
		running.Pool, running.Priority, running.Weight = slots[i].Pool, vgpuxml.Priority(slots[i].Priority), int(slots[i].Weight)
		running.Window = slots[i].Window // the live element may say another one already
		if stored.GPU.Memory != 0 {
			running.Memory = slots[i].MemoryQuota
		}
	}
	l.Problem = problem(stored, live, active, l.Slot)
	if active && persistent && l.Problem == "" {
		l.NextStart = differences(running, stored)
	}
	return l, found, nil
}

func (l *listed) take(g vgpuxml.GPU) {
	l.Pool, l.Priority, l.Weight, l.Memory = g.Pool, string(g.Priority), g.Weight, g.Memory
}

func (l *listed) fill(s slotStatus) {
	l.Slot, l.Pool, l.Priority, l.Weight, l.GPU = true, s.Pool, s.Priority, int(s.Weight), s.GPU
	l.Memory, l.MemoryUsed, l.Processes = s.MemoryQuota, s.MemoryUsed, len(s.Channels)
	l.MemoryParked, l.ContextsParked = s.MemoryParked, s.contextsParked()
}

// problem is the first thing that keeps a domain from its vGPU.
func problem(stored, live domain.Configuration, active, slot bool) string {
	switch {
	case stored.UUID != "" && errors.Is(stored.ElementErr, vgpuxml.ErrBadElement):
		return stored.ElementErr.Error()
	case stored.UUID != "" && stored.ElementErr == nil && stored.Device.State != vgpuxml.DevicePresent:
		return "no device in the persistent configuration: vgpuctl attach " + stored.Name
	case active && live.ElementErr == nil && live.Device.State != vgpuxml.DevicePresent:
		return "no device yet: vgpuctl attach --live " + live.Name + ", or start it again"
	case active && live.ElementErr == nil && !slot:
		return "runs without a slot: stop it and start it"
	}
	return ""
}

// differences names what the next start changes.
func differences(running vgpuxml.GPU, stored domain.Configuration) []string {
	next := stored.GPU
	if errors.Is(stored.ElementErr, vgpuxml.ErrNoGPU) {
		return []string{"no vGPU"}
	}
	changes := []string{}
	for _, c := range []struct {
		name   string
		differ bool
		to     string
	}{
		{"pool", running.Pool != next.Pool, next.Pool},
		{"priority", running.Priority != next.Priority, string(next.Priority)},
		{"memory", next.Memory != 0 && running.Memory != next.Memory, vgpuxml.FormatSize(next.Memory)},
		{"weight", running.Weight != next.Weight, fmt.Sprint(next.Weight)},
		{"window", running.Window != next.Window, vgpuxml.FormatSize(next.Window)},
	} {
		if c.differ {
			changes = append(changes, c.name+" "+c.to)
		}
	}
	return changes
}

// others are the slots of no domain that libvirt has: sessions, and all of them
// if libvirt is not there.
func others(s status, known []listed) []listed {
	var rest []listed
	for _, slot := range s.Slots {
		if slices.ContainsFunc(known, func(l listed) bool { return l.UUID == slot.UUID }) {
			continue
		}
		l := listed{Name: slot.DomainName, UUID: slot.UUID, Kind: slot.Kind, State: slot.State, NextStart: []string{}}
		l.fill(slot)
		rest = append(rest, l)
	}
	return rest
}

func printList(out io.Writer, all []listed) error {
	w, row := table(out)
	row("NAME", "KIND", "STATE", "POOL", "PRIORITY", "WEIGHT", "MEMORY", "PARKED", "GPU", "PROCESSES", "NEXT START")
	for _, l := range all {
		memory, weight := "the pool's", fmt.Sprint(l.Weight)
		switch {
		case l.Slot:
			memory = size(l.MemoryUsed) + "/" + size(l.Memory)
		case l.Memory != 0:
			memory = size(l.Memory)
		case l.Pool == "": // its element cannot be read
			memory, weight = "", ""
		}
		next := strings.Join(l.NextStart, ", ")
		if l.Problem != "" {
			next = l.Problem
		}
		row(l.Name, l.Kind, l.State, l.Pool, l.Priority, weight, memory, parked(l.MemoryParked, l.ContextsParked), l.GPU, l.Processes, next)
	}
	return w.Flush()
}
