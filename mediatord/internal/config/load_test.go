package config

import (
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"libvirt-vgpu/mediatord/internal/sched"

	vgpuxml "libvirt-vgpu/xml"
)

func TestParseFillsInDefaults(t *testing.T) {
	pool, err := Parse("/etc/vgpu/pools.d/default.toml", `gpus = ["01:00.0"]`)
	if err != nil {
		t.Fatal(err)
	}
	want := Pool{
		Name: "default", File: "/etc/vgpu/pools.d/default.toml", GPUs: []string{"0000:01:00.0"},
		Backend: BackendCUDA, Mode: Shared, Slots: DefaultSlots, Overcommit: 1, Weight: DefaultWeight,
		Sharing:    Sharing{Leases: true, Options: sched.Defaults()},
		Priorities: []vgpuxml.Priority{"high", "normal", "low"}, Isolation: IsolationGroup, Warm: 1, Walls: "available",
		Parking: Parking{After: 10 * time.Minute},
	}
	if !reflect.DeepEqual(pool, want) {
		t.Errorf("got %+v\nwant %+v", pool, want)
	}
}

func TestParseReadsEveryKey(t *testing.T) {
	pool, err := Parse("gold.toml", `
gpus = ["00000000:AB:00.0", "GPU-6BA7B810-9dad-11d1-80b4-00c04fd430c8", "MIG-6BA7B810-9dad-11d1-80b4-00c04fd430c9"]
backend = "cuda"
slots = 2
memory = "16GiB"
max_memory = "64GiB"
overcommit = 1.5
weight = 200
priorities = ["high", "low"]
isolation = "none"
warm = 3
walls = "required"
kernel_limit = "30s"
[sharing]
run_set = 3
turn = "8ms"
budget = "3ms"
armed_budget = "100us"
armed = "1s"
patience = "50ms"
predict = false
ahead = false
delay = 0.5
least = 0.25
slice = "500us"
[parking]
after = "90s"
context_after = "2h"
host_memory = "2GiB"
`)
	if err != nil {
		t.Fatal(err)
	}
	want := Pool{
		Name: "gold", File: "gold.toml", GPUs: []string{"0000:ab:00.0", "GPU-6ba7b810-9dad-11d1-80b4-00c04fd430c8", "MIG-6ba7b810-9dad-11d1-80b4-00c04fd430c9"},
		Backend: BackendCUDA, Mode: Shared, Slots: 2, Memory: 16 << 30, MaxMemory: 64 << 30, Overcommit: 1.5, Weight: 200,
		Parking:     Parking{After: 90 * time.Second, ContextAfter: 2 * time.Hour, HostMemory: 2 << 30},
		KernelLimit: 30 * time.Second,
		Sharing: Sharing{Leases: true, Options: sched.Options{
			RunSet: 3, Turn: 8 * time.Millisecond, Budget: 3 * time.Millisecond, ArmedBudget: 100 * time.Microsecond,
			Armed: time.Second, Patience: 50 * time.Millisecond, Delay: .5, Least: .25, Slice: 500 * time.Microsecond,
		}},
		Priorities: []vgpuxml.Priority{"high", "low"}, Isolation: IsolationNone, Warm: 3, Walls: "required",
	}
	if !reflect.DeepEqual(pool, want) {
		t.Errorf("got %+v\nwant %+v", pool, want)
	}
	if !pool.Allows("high") || pool.Allows("normal") || pool.PriorityNames() != "high, low" {
		t.Error("wrong priorities")
	}
}

func TestParseNamesFileKeyAndAllowedValues(t *testing.T) {
	for _, tc := range []struct {
		name, file, text string
		mentions         []string
	}{
		{"no gpus", "p.toml", ``, []string{"p.toml", "gpus", "PCI addresses"}},
		{"no list", "p.toml", `gpus = "soft"`, []string{"p.toml", "line 1: gpus: is text in quotes; allowed: a list in brackets"}},
		{"text for a number", "p.toml", "gpus = [\"soft\"]\nslots = \"four\"", []string{"line 2: slots: is text in quotes; allowed: a whole number"}},
		{"a number for text", "p.toml", "gpus = [\"soft\"]\nkernel_limit = 3", []string{"line 2: kernel_limit: is a whole number; allowed: text in quotes"}},
		{"no table", "p.toml", "gpus = [\"soft\"]\nsharing = 3", []string{"line 2: sharing: is a whole number; allowed: a table"}},
		{"in a table", "p.toml", "gpus = [\"soft\"]\n[sharing]\nleases = \"yes\"", []string{"line 3: sharing.leases: is text in quotes; allowed: true or false"}},
		{"no quotes", "p.toml", "gpus = [\"soft\"]\nmemory = 16GiB", []string{"line 2", "stand in quotes"}},
		{"a key twice", "p.toml", "gpus = [\"soft\"]\nslots = 1\nslots = 2", []string{"line 3", "slots"}},
		{"gpu", "p.toml", `gpus = ["gpu0"]`, []string{"gpus", `"gpu0"`}},
		{"pci device number", "p.toml", `gpus = ["01:20.0"]`, []string{"gpus", `"01:20.0"`}},
		{"twice", "p.toml", `gpus = ["01:00.0", "0000:01:00.0"]`, []string{"twice"}},
		{"soft mixed", "p.toml", `gpus = ["soft", "01:00.0"]`, []string{"mixes"}},
		{"backend", "p.toml", "gpus = [\"soft\"]\nbackend = \"opencl\"", []string{"backend", `"opencl"`, `"cuda" or "soft"`}},
		{"backend of soft", "p.toml", "gpus = [\"soft\"]\nbackend = \"cuda\"", []string{"backend", "does not fit"}},
		{"slots", "p.toml", "gpus = [\"soft\"]\nslots = 0", []string{"slots", "1 to 1024"}},
		{"weight", "p.toml", "gpus = [\"soft\"]\nweight = 10001", []string{"weight", "1 to 10000"}},
		{"overcommit", "p.toml", "gpus = [\"soft\"]\novercommit = nan", []string{"overcommit", "1.0 to 16"}},
		{"memory", "p.toml", "gpus = [\"soft\"]\nmemory = \"16GB\"", []string{"memory", `"16GB"`, "64MiB"}},
		{"memory type", "p.toml", "gpus = [\"soft\"]\nmemory = 5", []string{"p.toml", "memory"}},
		{"memory over maximum", "p.toml", "gpus = [\"soft\"]\nmemory = \"2GiB\"\nmax_memory = \"1GiB\"", []string{"memory", "2GiB", "1GiB"}},
		{"priority", "p.toml", "gpus = [\"soft\"]\npriorities = [\"urgent\"]", []string{"priorities", `"urgent"`}},
		{"walls", "p.toml", "gpus = [\"soft\"]\nwalls = \"high\"", []string{"walls", `"high"`, "required"}},
		{"no priority", "p.toml", "gpus = [\"soft\"]\npriorities = []", []string{"priorities", "empty"}},
		{"isolation", "p.toml", "gpus = [\"01:00.0\"]\nisolation = \"strict\"", []string{"isolation", `"strict"`, `"group" or "none"`}},
		{"isolation of soft", "p.toml", "gpus = [\"soft\"]\nisolation = \"group\"", []string{"isolation", "does not fit"}},
		{"warm", "p.toml", "gpus = [\"soft\"]\nwarm = 65", []string{"warm", "0 to 64"}},
		{"run set", "p.toml", "gpus = [\"soft\"]\n[sharing]\nrun_set = 0", []string{"sharing.run_set", "1 to 16"}},
		{"turn", "p.toml", "gpus = [\"soft\"]\n[sharing]\nturn = \"5\"", []string{"sharing.turn", `"5"`, `"100us" to "1s"`}},
		{"parking too soon", "p.toml", "gpus = [\"soft\"]\n[parking]\nafter = \"10ms\"", []string{"parking.after", `"10ms"`, `"1s" to "720h"`, "never"}},
		{"contexts parked too soon", "p.toml", "gpus = [\"soft\"]\n[parking]\ncontext_after = \"0\"", []string{"parking.context_after", `"0"`, `"1s"`, "never"}},
		{"host memory", "p.toml", "gpus = [\"soft\"]\n[parking]\nhost_memory = \"a lot\"", []string{"parking.host_memory", `"a lot"`, "64MiB"}},
		{"mode", "p.toml", "gpus = [\"soft\"]\nmode = \"private\"", []string{"mode", `"private"`, `"shared" or "exclusive"`}},
		{"slots of an exclusive pool", "p.toml", "gpus = [\"soft\"]\nmode = \"exclusive\"\nslots = 2", []string{"slots", "exclusive", "one for each GPU"}},
		{"overcommit of an exclusive pool", "p.toml", "gpus = [\"soft\"]\nmode = \"exclusive\"\novercommit = 2.0", []string{"overcommit", "exclusive"}},
		{"kernel limit", "p.toml", "gpus = [\"soft\"]\nkernel_limit = \"30\"", []string{"kernel_limit", `"30"`, `"1s" to "24h", or "none"`}},
		{"slice too short", "p.toml", "gpus = [\"soft\"]\n[sharing]\nslice = \"49us\"", []string{"sharing.slice", `"49us"`, `"0s"`, `"50us" to "10ms"`}},
		{"slice too long", "p.toml", "gpus = [\"soft\"]\n[sharing]\nslice = \"11ms\"", []string{"sharing.slice", `"11ms"`}},
		{"slice below nothing", "p.toml", "gpus = [\"soft\"]\n[sharing]\nslice = \"-1us\"", []string{"sharing.slice", `"-1us"`}},
		{"slice of no time", "p.toml", "gpus = [\"soft\"]\n[sharing]\nslice = \"short\"", []string{"sharing.slice", `"short"`}},
		{"kernel limit without leases", "p.toml", "gpus = [\"soft\"]\nkernel_limit = \"30s\"\n[sharing]\nleases = false", []string{"kernel_limit", "leases"}},
		{"unknown key of sharing", "p.toml", "gpus = [\"soft\"]\n[sharing]\nturns = 1", []string{"sharing.turns: is not a key of [sharing]; allowed: leases, run_set, turn,"}},
		{"unknown key", "p.toml", "gpus = [\"soft\"]\nslot = 3", []string{"slot: is not a key of a pool; allowed: gpus,", "slots"}},
		{"unknown table", "p.toml", "gpus = [\"soft\"]\n[share]\nturn = \"1ms\"", []string{"share: is not a key of a pool", "sharing"}},
		{"a key in capitals", "p.toml", "gpus = [\"soft\"]\nslots = 2\nSlots = 3", []string{"Slots: is not a key", "slots"}},
		{"a table in capitals", "p.toml", "gpus = [\"soft\"]\n[Parking]\nafter = \"1h\"", []string{"Parking: is not a key of a pool", "parking"}},
		{"a key of a key", "p.toml", "gpus = [\"soft\"]\nslots.most = 3", []string{"slots: is a table; allowed: a whole number"}},
		{"name", "Gold Pool.toml", `gpus = ["soft"]`, []string{"Gold Pool.toml", "lower case"}},
		{"syntax", "p.toml", `gpus = [`, []string{"p.toml"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, err := Parse(tc.file, tc.text)
			if !errors.Is(err, ErrInvalid) {
				t.Fatalf("error is %v", err)
			}
			for _, text := range tc.mentions {
				if !strings.Contains(err.Error(), text) {
					t.Errorf("%q does not mention %q", err, text)
				}
			}
		})
	}
}

func TestLoad(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("b.toml", `gpus = ["01:00.0"]`)
	write("a.toml", `gpus = ["soft"]`)
	write("c.toml", `gpus = ["soft"]`)
	write("notes.txt", `not a pool`)
	pools, err := Load(dir)
	if err != nil {
		t.Fatal(err)
	}
	if len(pools) != 3 || pools[0].Name != "a" || pools[1].Name != "b" || pools[0].Backend != BackendSoft {
		t.Errorf("loaded %+v", pools)
	}
	write("d.toml", `gpus = ["0000:01:00.0"]`)
	if _, err := Load(dir); !errors.Is(err, ErrInvalid) || !strings.Contains(err.Error(), "b.toml") {
		t.Errorf("a GPU in two pools: %v", err)
	}
	if _, err := Load(filepath.Join(dir, "notes.txt")); err == nil || !strings.Contains(err.Error(), "notes.txt is no directory") {
		t.Errorf("a file for the directory: %v", err)
	}
	if pools, err := Load(filepath.Join(dir, "absent")); err != nil || len(pools) != 0 {
		t.Errorf("absent directory: %v, %v", pools, err)
	}
}

// Without leases the hardware's slices are set all the same, unless the pool has none.
func TestSlicesWithoutLeases(t *testing.T) {
	for text, want := range map[string]time.Duration{"": sched.Defaults().Slice, "slice = \"0s\"\n": 0} {
		pool, err := Parse("p.toml", "gpus = [\"soft\"]\n[sharing]\nleases = false\n"+text)
		if err != nil || pool.Sharing.Leases || pool.Sharing.Options.Slice != want {
			t.Errorf("sharing is %+v, %v", pool.Sharing, err)
		}
	}
}
