package main

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"

	"github.com/godbus/dbus/v5"
	"github.com/spf13/cobra"

	"libvirt-vgpu/mediatord/internal/bus"
	"libvirt-vgpu/mediatord/internal/config"
	"libvirt-vgpu/mediatord/internal/isolation"
	vgpuxml "libvirt-vgpu/xml"
)

// status is everything mediatord shows; its JSON is vgpuctl's interface for
// programs. Sizes are in bytes.
type status struct {
	GPUs  []gpuStatus  `json:"gpus"`
	Pools []poolStatus `json:"pools"`
	Slots []slotStatus `json:"slots"`
	// ConfigurationError is why the files that are there are not in force.
	ConfigurationError string `json:"configuration_error,omitempty"`
}

type gpuStatus struct {
	Number        int      `json:"number"`
	Name          string   `json:"name"`
	UUID          string   `json:"uuid"`
	PCI           string   `json:"pci"`
	Memory        uint64   `json:"memory"`
	DriverVersion string   `json:"driver_version"`
	Pools         []string `json:"pools"`
	Available     bool     `json:"available"`
}

type poolStatus struct {
	Name           string   `json:"name"`
	Backend        string   `json:"backend"`
	GPUs           []string `json:"gpus"`
	Slots          uint32   `json:"slots"`
	Used           uint32   `json:"used"`
	Memory         uint64   `json:"memory"`
	MaxMemory      uint64   `json:"max_memory"`
	MemoryPromised uint64   `json:"memory_promised"`
	Weight         uint32   `json:"weight"`
	Overcommit     float64  `json:"overcommit"`
	Priorities     []string `json:"priorities"`
	// ParkAfter is seconds of idleness, 0: never by itself.
	ParkAfter           uint64 `json:"park_after"`
	ParkContextAfter    uint64 `json:"park_context_after"` // the contexts too
	ParkedHostMemory    uint64 `json:"parked_host_memory"`
	MaxParkedHostMemory uint64 `json:"max_parked_host_memory"`
	// Isolation is what the pool demands, IsolationLevel what holds.
	Isolation         string   `json:"isolation"`
	IsolationLevel    string   `json:"isolation_level"`
	IsolationFindings []string `json:"isolation_findings"`
	Terms             []string `json:"terms"` // lines of a file that would make the same pool
}

// isolation is the level that holds; one below the demand, with which no domain
// starts, says so.
func (p poolStatus) isolation() string {
	if p.Isolation != string(config.IsolationNone) && p.IsolationLevel == string(isolation.None) {
		return p.IsolationLevel + ", demands " + p.Isolation
	}
	return p.IsolationLevel
}

type slotStatus struct {
	UUID         string            `json:"uuid"`
	DomainName   string            `json:"domain_name"`
	Kind         string            `json:"kind"`
	Pool         string            `json:"pool"`
	Priority     string            `json:"priority"`
	Weight       uint32            `json:"weight"`
	State        string            `json:"state"`
	Connected    bool              `json:"connected"`
	SocketPath   string            `json:"socket_path"`
	GPU          string            `json:"gpu"`
	Window       uint64            `json:"window"` // bytes
	MemoryQuota  uint64            `json:"memory_quota"`
	MemoryUsed   uint64            `json:"memory_used"`
	MemoryParked uint64            `json:"memory_parked"` // of it, in host memory
	Channels     []channelStatus   `json:"channels"`
	RefusedCalls map[string]uint64 `json:"refused_calls"`
	activity
	Faults           map[uint32]uint64 `json:"faults"` // contexts lost, by CUresult
	ExecutorsStarted uint64            `json:"executors_started"`
	ExecutorsDied    uint64            `json:"executors_died"`
	ExecutorsExpired uint64            `json:"executors_expired"` // by the watchdog
}

// activity counts what executors did: Calls, Waits, Launches, GraphLaunches,
// BytesIn, BytesOut, BytesWithin, and GPUTime in nanoseconds, 0 if not measured.
type activity struct {
	Statistics map[string]uint64 `json:"statistics"`
}

type channelStatus struct {
	Channel     uint32 `json:"channel"`
	PID         uint32 `json:"pid"`
	UID         uint32 `json:"uid"`
	Comm        string `json:"comm"`
	State       string `json:"state"`
	ExecutorPID uint32 `json:"executor_pid"`
	MemoryUsed  uint64 `json:"memory_used"`
	Message     string `json:"message"`
	Walls       string `json:"walls"`  // around the executor
	Queued      uint64 `json:"queued"` // bytes of commands that wait
	Parked      uint64 `json:"parked"` // of MemoryUsed, in host memory
	ParkedHost  uint64 `json:"parked_host_memory"`
	// ContextParked: so are its contexts.
	ContextParked bool   `json:"context_parked"`
	Idle          uint64 `json:"idle"` // seconds since its last call
	activity
}

// state is the executor's; parked is one that is ready, whose process's memory lies in
// the host's, with its contexts or without.
func (c channelStatus) state() string {
	if c.State == "ready" && (c.Parked > 0 || c.ContextParked) {
		return "parked"
	}
	return c.State
}

// longState tells parked contexts apart.
func (c channelStatus) longState() string {
	if state := c.state(); state != "parked" || !c.ContextParked {
		return state
	}
	return "parked+context"
}

// contextsParked is how many of the slot's processes are not on the GPU at all.
func (s slotStatus) contextsParked() (count int) {
	for _, c := range s.Channels {
		if c.ContextParked {
			count++
		}
	}
	return count
}

// parked says how much memory and how many contexts lie in host memory; "": nothing.
func parked(memory uint64, contexts int) string {
	var what []string
	if memory > 0 {
		what = append(what, size(memory))
	}
	switch {
	case contexts == 1:
		what = append(what, "1 context")
	case contexts > 1:
		what = append(what, fmt.Sprintf("%d contexts", contexts))
	}
	return strings.Join(what, ", ")
}

func newStatusCommand(address *string) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "status",
		Short: "Show GPUs, pools, slots and the processes on them",
		Args:  takes(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := dial(*address)
			if err != nil {
				return err
			}
			defer c.close()
			s, err := c.status(cmd.Context())
			if err != nil {
				return err
			}
			if s.ConfigurationError, err = c.managerProperty(cmd.Context(), "ConfigurationError"); err != nil {
				return err
			}
			if asJSON {
				return writeJSON(cmd.OutOrStdout(), s)
			}
			return s.print(cmd.OutOrStdout())
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

// status asks mediatord for everything.
func (c *client) status(ctx context.Context) (status, error) {
	var managed map[dbus.ObjectPath]map[string]map[string]dbus.Variant
	if err := c.call(ctx, "org.freedesktop.DBus.ObjectManager.GetManagedObjects", nil, &managed); err != nil {
		return status{}, err
	}
	return decodeStatus(managed)
}

// managerProperty reads a text of the root object.
func (c *client) managerProperty(ctx context.Context, name string) (text string, err error) {
	err = c.call(ctx, "org.freedesktop.DBus.Properties.Get", []any{bus.ManagerInterface, name}, &text)
	return text, err
}

// decodeStatus sorts out what GetManagedObjects answered.
func decodeStatus(managed map[dbus.ObjectPath]map[string]map[string]dbus.Variant) (status, error) {
	s := status{GPUs: []gpuStatus{}, Pools: []poolStatus{}, Slots: []slotStatus{}}
	for path, object := range managed {
		if values, ok := object[bus.GPUInterface]; ok {
			number, err := strconv.Atoi(string(path[strings.LastIndexByte(string(path), '/')+1:]))
			if err != nil {
				return s, fmt.Errorf("reading status: unexpected object %s", path)
			}
			g := gpuStatus{Number: number}
			if err := take(values, fields{"Name": &g.Name, "UUID": &g.UUID, "PCI": &g.PCI, "Memory": &g.Memory,
				"DriverVersion": &g.DriverVersion, "Pools": &g.Pools, "Available": &g.Available}); err != nil {
				return s, err
			}
			s.GPUs = append(s.GPUs, g)
		}
		if values, ok := object[bus.PoolInterface]; ok {
			var p poolStatus
			if err := take(values, fields{"Name": &p.Name, "Backend": &p.Backend, "GPUs": &p.GPUs, "Slots": &p.Slots, "Used": &p.Used,
				"Memory": &p.Memory, "MaxMemory": &p.MaxMemory, "MemoryPromised": &p.MemoryPromised, "Weight": &p.Weight,
				"Overcommit": &p.Overcommit, "Priorities": &p.Priorities,
				"ParkAfter": &p.ParkAfter, "ParkContextAfter": &p.ParkContextAfter, "ParkedHostMemory": &p.ParkedHostMemory, "MaxParkedHostMemory": &p.MaxParkedHostMemory,
				"Isolation": &p.Isolation, "IsolationLevel": &p.IsolationLevel, "IsolationFindings": &p.IsolationFindings,
				"Terms": &p.Terms}); err != nil {
				return s, err
			}
			s.Pools = append(s.Pools, p)
		}
		if values, ok := object[bus.SlotInterface]; ok {
			slot, err := decodeSlot(values)
			if err != nil {
				return s, err
			}
			s.Slots = append(s.Slots, slot)
		}
	}
	slices.SortFunc(s.GPUs, func(a, b gpuStatus) int { return a.Number - b.Number })
	slices.SortFunc(s.Pools, func(a, b poolStatus) int { return strings.Compare(a.Name, b.Name) })
	slices.SortFunc(s.Slots, func(a, b slotStatus) int { return strings.Compare(a.DomainName+a.UUID, b.DomainName+b.UUID) })
	return s, nil
}

func decodeSlot(values map[string]dbus.Variant) (slotStatus, error) {
	slot := slotStatus{Channels: []channelStatus{}}
	var channels []map[string]dbus.Variant
	err := take(values, fields{"UUID": &slot.UUID, "DomainName": &slot.DomainName, "Kind": &slot.Kind, "Pool": &slot.Pool,
		"Priority": &slot.Priority, "Weight": &slot.Weight, "State": &slot.State, "Connected": &slot.Connected,
		"SocketPath": &slot.SocketPath, "GPU": &slot.GPU, "Window": &slot.Window, "MemoryQuota": &slot.MemoryQuota, "MemoryUsed": &slot.MemoryUsed, "MemoryParked": &slot.MemoryParked,
		"Channels": &channels, "RefusedCalls": &slot.RefusedCalls, "Statistics": &slot.Statistics, "Faults": &slot.Faults,
		"ExecutorsStarted": &slot.ExecutorsStarted, "ExecutorsDied": &slot.ExecutorsDied,
		"ExecutorsExpired": &slot.ExecutorsExpired})
	if err != nil {
		return slot, err
	}
	for _, values := range channels {
		var c channelStatus
		if err := take(values, fields{"Channel": &c.Channel, "PID": &c.PID, "UID": &c.UID, "Comm": &c.Comm, "State": &c.State,
			"ExecutorPID": &c.ExecutorPID, "MemoryUsed": &c.MemoryUsed, "Message": &c.Message, "Walls": &c.Walls,
			"Parked": &c.Parked, "ParkedHostMemory": &c.ParkedHost, "ContextParked": &c.ContextParked, "Idle": &c.Idle,
			"Queued": &c.Queued, "Statistics": &c.Statistics}); err != nil {
			return slot, err
		}
		slot.Channels = append(slot.Channels, c)
	}
	return slot, nil
}

// fields names the variables that properties go to.
type fields map[string]any

func take(values map[string]dbus.Variant, into fields) error {
	for name, target := range into {
		value, found := values[name]
		if !found {
			return fmt.Errorf("reading status: mediatord shows no %s: vgpuctl and mediatord are of different versions", name)
		}
		if err := dbus.Store([]any{value.Value()}, target); err != nil {
			return fmt.Errorf("reading status: property %s: %w", name, err)
		}
	}
	return nil
}

// table writes rows in columns; an empty cell is a dash. Flush ends it.
func table(out io.Writer) (w *tabwriter.Writer, row func(cells ...any)) {
	w = tabwriter.NewWriter(out, 0, 8, 2, ' ', 0)
	return w, func(cells ...any) {
		for i, cell := range cells {
			if i > 0 {
				fmt.Fprint(w, "\t")
			}
			text := plain(fmt.Sprint(cell))
			if text == "" {
				text = "-"
			}
			fmt.Fprint(w, text)
		}
		fmt.Fprintln(w)
	}
}

// print writes the tables.
func (s status) print(out io.Writer) error {
	w, row := table(out)
	row("GPU", "NAME", "PCI", "MEMORY", "DRIVER", "POOLS", "AVAILABLE")
	for _, g := range s.GPUs {
		row(g.Number, g.Name, g.PCI, size(g.Memory), g.DriverVersion, strings.Join(g.Pools, ","), yes(g.Available))
	}
	fmt.Fprintln(w)
	row("POOL", "BACKEND", "SLOTS", "PROMISED", "PARKED IN HOST", "WEIGHT", "PRIORITIES", "ISOLATION")
	for _, p := range s.Pools {
		row(p.Name, p.Backend, fmt.Sprintf("%d/%d", p.Used, p.Slots), size(p.MemoryPromised),
			size(p.ParkedHostMemory)+"/"+size(p.MaxParkedHostMemory), p.Weight, strings.Join(p.Priorities, ","), p.isolation())
	}
	fmt.Fprintln(w)
	row("SLOT", "UUID", "KIND", "POOL", "PRIORITY", "STATE", "CONNECTED", "MEMORY", "PARKED", "PROCESSES")
	for _, slot := range s.Slots {
		row(slot.DomainName, slot.UUID, slot.Kind, slot.Pool, slot.Priority, slot.State, yes(slot.Connected),
			size(slot.MemoryUsed)+"/"+size(slot.MemoryQuota), parked(slot.MemoryParked, slot.contextsParked()), len(slot.Channels))
	}
	fmt.Fprintln(w)
	row("PROCESS OF", "CHANNEL", "PID", "UID", "COMMAND", "STATE", "MEMORY", "EXECUTOR", "MESSAGE")
	for _, slot := range s.Slots {
		for _, c := range slot.Channels {
			row(slot.DomainName, c.Channel, c.PID, c.UID, c.Comm, c.longState(), size(c.MemoryUsed), c.ExecutorPID, c.Message)
		}
	}
	for _, slot := range s.Slots {
		for _, name := range sortedKeys(slot.RefusedCalls) {
			fmt.Fprintf(w, "\n%s called %s %d times, which is not carried\n", plain(slot.DomainName), plain(name), slot.RefusedCalls[name])
		}
		if slot.ExecutorsExpired > 0 {
			fmt.Fprintf(w, "\nThe watchdog has ended %d processes of %s\n", slot.ExecutorsExpired, plain(slot.DomainName))
		}
	}
	if len(s.Pools)+len(s.Slots) == 0 {
		fmt.Fprintf(w, "\nThere is no pool, so no domain gets a vGPU: write one, see man vgpu-pools, then vgpuctl reload\n")
	}
	if s.ConfigurationError != "" {
		fmt.Fprintf(w, "\nThe configuration is not valid, an earlier one is in force: %s\n", plain(s.ConfigurationError))
	}
	return w.Flush()
}

func sortedKeys(m map[string]uint64) []string {
	keys := make([]string, 0, len(m))
	for key := range m {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	return keys
}

// plain replaces what would move the cursor or a column.
func plain(text string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r >= 0x80 && r < 0xa0 {
			return '?'
		}
		return r
	}, text)
}

func yes(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}

// size rounds down to a tenth of the largest unit that fits.
func size(bytes uint64) string {
	for _, unit := range []struct {
		name  string
		shift uint
	}{{"TiB", 40}, {"GiB", 30}, {"MiB", 20}, {"KiB", 10}} {
		if bytes>>unit.shift == 0 {
			continue
		}
		if bytes&(1<<unit.shift-1) == 0 {
			return vgpuxml.FormatSize(bytes)
		}
		tenths := bytes >> (unit.shift - 10) * 10 >> 10
		return fmt.Sprintf("%d.%d%s", tenths/10, tenths%10, unit.name)
	}
	return strconv.FormatUint(bytes, 10) + "B"
}
