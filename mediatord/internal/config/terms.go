package config

import (
	"fmt"
	"strings"
	"time"

	vgpuxml "libvirt-vgpu/xml"
)

// Terms are the lines of a file that would make the same pool, one for each key, defaults
// too: `slots = 8`, `sharing.turn = "5ms"`. A size that is 0, of which the GPU or the host
// decides, has none. They are in the page's order (docs/pools.md).
func (p *Pool) Terms() []string {
	o := p.Sharing.Options
	t := terms{}
	t.add("gpus", "[%s]", quoted(p.GPUs))
	t.add("backend", "%q", p.Backend)
	t.add("mode", "%q", p.Mode)
	t.add("slots", "%d", p.Slots)
	t.size("memory", p.Memory)
	t.size("max_memory", p.MaxMemory)
	t.add("overcommit", "%v", p.Overcommit)
	t.add("weight", "%d", p.Weight)
	t.add("priorities", "[%s]", quoted(p.Priorities))
	t.add("isolation", "%q", p.Isolation)
	t.add("walls", "%q", p.Walls)
	t.add("warm", "%d", p.Warm)
	t.time("kernel_limit", p.KernelLimit, "none")
	t.add("sharing.leases", "%v", p.Sharing.Leases)
	t.time("sharing.slice", o.Slice, "0s")
	t.add("sharing.run_set", "%d", o.RunSet)
	t.time("sharing.turn", o.Turn, "0s")
	t.time("sharing.budget", o.Budget, "0s")
	t.time("sharing.armed_budget", o.ArmedBudget, "0s")
	t.time("sharing.armed", o.Armed, "0s")
	t.time("sharing.patience", o.Patience, "0s")
	t.add("sharing.predict", "%v", o.Predict)
	t.add("sharing.ahead", "%v", o.Ahead)
	t.add("sharing.least", "%v", o.Least)
	t.add("sharing.delay", "%v", o.Delay)
	t.time("parking.after", p.Parking.After, "never")
	t.time("parking.context_after", p.Parking.ContextAfter, "never")
	t.size("parking.host_memory", p.Parking.HostMemory)
	return t
}

type terms []string

func (t *terms) add(key, format string, value any) {
	*t = append(*t, key+" = "+fmt.Sprintf(format, value))
}

func (t *terms) size(key string, bytes uint64) {
	if bytes != 0 {
		t.add(key, "%q", vgpuxml.FormatSize(bytes))
	}
}

// time writes nothing for no time.
func (t *terms) time(key string, d time.Duration, nothing string) {
	if d != 0 {
		nothing = written(d)
	}
	t.add(key, "%q", nothing)
}

// quoted writes the parts of a list.
func quoted[T ~string](parts []T) string {
	var all []string
	for _, part := range parts {
		all = append(all, fmt.Sprintf("%q", string(part)))
	}
	return strings.Join(all, ", ")
}
