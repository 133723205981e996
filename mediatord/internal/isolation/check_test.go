package isolation

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"libvirt-vgpu/mediatord/internal/config"
	"libvirt-vgpu/mediatord/internal/isolationtest"
)

var update = flag.Bool("update", false, "write golden files instead of comparing with them")

// gpus are members of a pool by PCI address.
func gpus(addresses ...string) []Member {
	var members []Member
	for _, address := range addresses {
		members = append(members, Member{Name: address, PCI: address})
	}
	return members
}

func demanding(name string, members []Member) Pool {
	return Pool{Name: name, Demand: config.IsolationGroup, Members: members}
}

// TestCheck holds, per kind of host, what a pool's check says: one golden file
// each.
func TestCheck(t *testing.T) {
	hgx := []string{"0000:18:00.0", "0000:2a:00.0", "0000:3a:00.0", "0000:5d:00.0", "0000:9a:00.0", "0000:ab:00.0", "0000:ba:00.0", "0000:db:00.0"}
	hgxTree := func(t *testing.T, kind string) string {
		groups := isolationtest.Each(kind, isolationtest.Addresses(isolationtest.GPU3D, "nvidia", hgx...))
		return isolationtest.Sysfs(t, append(groups, isolationtest.Group{Type: kind, Devices: isolationtest.Addresses("0x068000", "nvidia-nvswitch",
			"0000:05:00.0", "0000:06:00.0", "0000:07:00.0", "0000:08:00.0")}))
	}
	const one, two = "0000:01:00.0", "0000:02:00.0"
	card := isolationtest.Addresses(isolationtest.VGA, "nvidia", one)
	for _, tc := range []struct {
		name    string
		sysfs   func(t *testing.T) string
		pools   []Pool
		levels  string
		refused string // names of the pools that are
	}{
		{"hgx", func(t *testing.T) string { return hgxTree(t, "DMA") },
			[]Pool{demanding("gold", gpus(hgx[:4]...)), demanding("silver", gpus(hgx[4:]...))}, "group group", ""},
		{"hgx-lazy", func(t *testing.T) string { return hgxTree(t, "DMA-FQ") }, []Pool{demanding("all", gpus(hgx...))}, "group", ""},
		{"hgx-identity", func(t *testing.T) string { return hgxTree(t, "identity") },
			[]Pool{demanding("gold", gpus(hgx[0])), {Name: "free", Demand: config.IsolationNone, Members: gpus(hgx[1])}}, "none none", "gold"},
		{"audio", func(t *testing.T) string {
			return isolationtest.Sysfs(t, []isolationtest.Group{{Type: "DMA", Devices: append(card, isolationtest.Device{Address: "0000:01:00.1", Class: isolationtest.Audio, Driver: "snd_hda_intel"})}})
		}, []Pool{demanding("desk", gpus(one))}, "group", ""},
		{"no-acs", func(t *testing.T) string {
			shared := append(isolationtest.Addresses(isolationtest.GPU3D, "nvidia", one, two), isolationtest.Device{Address: "0000:00:01.0", Class: isolationtest.Bridge, Driver: "pcieport"},
				isolationtest.Device{Address: "0000:03:00.0", Class: isolationtest.NVMe, Driver: "nvme"}, isolationtest.Device{Address: "0000:04:00.0", Class: isolationtest.Network})
			return isolationtest.Sysfs(t, []isolationtest.Group{{Type: "DMA-FQ", Devices: shared}})
		}, []Pool{demanding("gold", gpus(one))}, "none", "gold"},
		{"two-pools-one-group", func(t *testing.T) string {
			return isolationtest.Sysfs(t, []isolationtest.Group{{Type: "DMA", Devices: isolationtest.Addresses(isolationtest.GPU3D, "nvidia", one, two)}})
		}, []Pool{demanding("gold", gpus(one)), {Name: "free", Demand: config.IsolationNone, Members: gpus(two)}}, "none none", "gold"},
		{"whole-group", func(t *testing.T) string {
			return isolationtest.Sysfs(t, []isolationtest.Group{{Type: "DMA", Devices: isolationtest.Addresses(isolationtest.GPU3D, "nvidia", one, two)}})
		}, []Pool{demanding("gold", gpus(one, two))}, "group", ""},
		{"no-iommu", func(t *testing.T) string { return isolationtest.Sysfs(t, nil, card...) },
			[]Pool{demanding("gold", gpus(one)), {Name: "free", Demand: config.IsolationNone, Members: gpus(one)}}, "none none", "gold"},
		{"vfio-noiommu", func(t *testing.T) string {
			return isolationtest.Sysfs(t, []isolationtest.Group{{Name: "vfio-noiommu", Devices: card}})
		},
			[]Pool{demanding("gold", gpus(one))}, "none", "gold"},
		{"no-group", func(t *testing.T) string {
			return isolationtest.Sysfs(t, []isolationtest.Group{{Type: "DMA", Devices: isolationtest.Addresses(isolationtest.NVMe, "nvme", "0000:03:00.0")}}, card...)
		}, []Pool{demanding("gold", gpus(one))}, "none", "gold"},
		{"old-kernel", func(t *testing.T) string { return isolationtest.Sysfs(t, []isolationtest.Group{{Devices: card}}) },
			[]Pool{demanding("gold", gpus(one))}, "none", "gold"},
		{"mig", func(t *testing.T) string { return isolationtest.Sysfs(t, isolationtest.Each("DMA", card)) },
			[]Pool{demanding("slices", []Member{{Name: "MIG-a", PCI: one, MIG: true}, {Name: "MIG-b", PCI: one, MIG: true}})}, "group+mig", ""},
		{"mig-in-two-pools", func(t *testing.T) string { return isolationtest.Sysfs(t, isolationtest.Each("DMA", card)) },
			[]Pool{demanding("a", []Member{{Name: "MIG-a", PCI: one, MIG: true}}), demanding("b", []Member{{Name: "MIG-b", PCI: one, MIG: true}})}, "none none", "a b"},
		{"mig-and-whole", func(t *testing.T) string {
			return isolationtest.Sysfs(t, isolationtest.Each("DMA", isolationtest.Addresses(isolationtest.GPU3D, "nvidia", one, two)))
		},
			[]Pool{demanding("mixed", []Member{{Name: "MIG-a", PCI: one, MIG: true}, {Name: two, PCI: two}})}, "group", ""},
		{"sriov", func(t *testing.T) string {
			return isolationtest.Sysfs(t, []isolationtest.Group{{Type: "DMA", Devices: card}, {Type: "DMA", Devices: []isolationtest.Device{{Address: "0000:01:00.4", Class: isolationtest.GPU3D, Driver: "nvidia", Physical: one}}}})
		}, []Pool{demanding("virtual", gpus("0000:01:00.4")), demanding("physical", gpus(one))}, "group group", ""},
		{"sriov-shared", func(t *testing.T) string {
			return isolationtest.Sysfs(t, []isolationtest.Group{{Type: "DMA", Devices: append(card, isolationtest.Device{Address: "0000:01:00.4", Class: isolationtest.GPU3D, Driver: "vfio-pci", Physical: one})}})
		}, []Pool{demanding("physical", gpus(one))}, "group", ""},
		{"absent", func(t *testing.T) string { return isolationtest.Sysfs(t, isolationtest.Each("DMA", card)) },
			[]Pool{demanding("gold", append(gpus(two), Member{Name: "GPU-6ba7b810-9dad-11d1-80b4-00c04fd430c8"}))}, "none", "gold"},
		{"software", func(t *testing.T) string { return isolationtest.Sysfs(t, nil) },
			[]Pool{{Name: "default", Demand: config.IsolationNone}}, "none", ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var text strings.Builder
			var levels, refused []string
			for _, r := range Check(Sysfs(tc.sysfs(t)), tc.pools) {
				levels = append(levels, string(r.Level))
				if r.Refused() {
					refused = append(refused, r.Pool)
				}
				fmt.Fprintf(&text, "pool %s: demands %s, has %s, groups %v\n", r.Pool, r.Demand, r.Level, r.Groups)
				for _, f := range r.Findings {
					fmt.Fprintf(&text, "  %s breaks=%t: %s\n", f.Subject, f.Breaks, f)
				}
			}
			if got := strings.Join(levels, " "); got != tc.levels {
				t.Errorf("levels are %q, want %q", got, tc.levels)
			}
			if got := strings.Join(refused, " "); got != tc.refused {
				t.Errorf("refused are %q, want %q", got, tc.refused)
			}
			golden(t, tc.name, text.String())
		})
	}
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name+".golden")
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatalf("%v; run go test -update", err)
	}
	if got != string(want) {
		t.Errorf("got\n%swant\n%s", got, want)
	}
}
