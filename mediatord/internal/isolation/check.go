package isolation

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"libvirt-vgpu/mediatord/internal/config"
)

// Member is a GPU of a pool.
type Member struct {
	Name string // as the pool file has it
	PCI  string // "" = not known; of a MIG instance, its GPU's
	MIG  bool
}

// Pool is a pool with its GPUs.
type Pool struct {
	Name    string
	File    string
	Demand  config.Isolation
	Members []Member
}

// Check reads sysfs and reports on each pool, in order. A pool without members,
// such as that of the GPU in software, has nothing to isolate.
func Check(sysfs Sysfs, pools []Pool) []Report {
	c := checker{sysfs: sysfs, users: map[int][]string{}, owners: map[string]string{}}
	for _, p := range pools {
		c.claim(p)
	}
	reports := make([]Report, 0, len(pools))
	for _, p := range pools {
		reports = append(reports, c.check(p))
	}
	return reports
}

// checker knows who uses which group.
type checker struct {
	sysfs  Sysfs
	users  map[int][]string  // group to the pools that have devices in it
	owners map[string]string // PCI address to its pool
}

func (c *checker) claim(p Pool) {
	for _, m := range p.Members {
		if m.PCI == "" {
			continue
		}
		c.owners[m.PCI] = p.Name
		if g, err := c.sysfs.Group(m.PCI); err == nil && !slices.Contains(c.users[g.Number], p.Name) {
			c.users[g.Number] = append(c.users[g.Number], p.Name)
		}
	}
}

func (c *checker) check(p Pool) Report {
	r := Report{Pool: p.Name, Demand: p.Demand, Level: None, Groups: []int{}, Findings: []Finding{}}
	allMIG := true
	seen := map[int]bool{}
	var lazy []string
	for _, m := range p.Members {
		allMIG = allMIG && m.MIG
		g, finding := c.groupOf(m)
		if finding != nil {
			r.add(*finding)
			continue
		}
		if seen[g.Number] {
			continue
		}
		seen[g.Number] = true
		r.Groups = append(r.Groups, g.Number)
		if g.Type == "DMA-FQ" {
			lazy = append(lazy, strconv.Itoa(g.Number))
		}
		r.add(c.translation(m, g)...)
		r.add(c.others(p, m, g)...)
	}
	slices.Sort(r.Groups)
	if len(lazy) > 0 {
		r.add(Finding{Subject: p.Name, Problem: "the IOMMU is flushed lazily (IOMMU group " + strings.Join(lazy, ", ") +
			"): a device may reach memory for some milliseconds after it was unmapped; boot with iommu.strict=1 to end that"})
	}
	if p.Demand == config.IsolationGroup && len(p.Members) > 0 && !r.broken() {
		r.Level = ByGroup
		if allMIG {
			r.Level = ByGroupAndMIG
		}
	}
	return r
}

func (r *Report) add(findings ...Finding) {
	for _, f := range findings {
		if !slices.Contains(r.Findings, f) {
			r.Findings = append(r.Findings, f)
		}
	}
}

// groupOf finds a member's group, or says why there is none.
func (c *checker) groupOf(m Member) (Group, *Finding) {
	if m.PCI == "" {
		return Group{}, &Finding{Breaks: true, Subject: m.Name,
			Problem: m.Name + " is not in this host, so nothing is known of its IOMMU group",
			Remedy:  "compare the pool file with nvidia-smi -L"}
	}
	g, err := c.sysfs.Group(m.PCI)
	switch {
	case err == nil && g.NoIOMMU, errors.Is(err, ErrNoGroup) && !c.sysfs.Enabled():
		return g, &Finding{Breaks: true, Subject: m.PCI,
			Problem: fmt.Sprintf("the host has no IOMMU, or it is off: GPU %s can read and write all of the host's memory", m.PCI),
			Remedy:  "switch it on in the firmware (VT-d, AMD-Vi) and boot with intel_iommu=on on Intel processors"}
	case err == nil:
		return g, nil
	case errors.Is(err, ErrNoDevice):
		return g, &Finding{Breaks: true, Subject: m.PCI,
			Problem: fmt.Sprintf("there is no PCI device %s", m.PCI), Remedy: "compare the pool file with lspci -D"}
	case errors.Is(err, ErrNoGroup):
		return g, &Finding{Breaks: true, Subject: m.PCI,
			Problem: fmt.Sprintf("GPU %s is in no IOMMU group although the host has an IOMMU", m.PCI),
			Remedy:  "see dmesg for DMAR or AMD-Vi messages about the device"}
	}
	return g, &Finding{Breaks: true, Subject: m.PCI, Problem: err.Error(), Remedy: "see the rights of sysfs"}
}

// translation says whether the IOMMU translates what the group's devices send.
func (c *checker) translation(m Member, g Group) []Finding {
	switch {
	case g.Translated():
		return nil
	case g.Type == "identity":
		return []Finding{{Breaks: true, Subject: m.PCI,
			Problem: fmt.Sprintf("IOMMU group %d is in identity mode: its devices can read and write all of the host's memory", g.Number),
			Remedy:  "boot without iommu=pt and iommu.passthrough=1"}}
	}
	return []Finding{{Breaks: true, Subject: m.PCI,
		Problem: fmt.Sprintf("the kernel does not say whether it translates the addresses of IOMMU group %d (type %q)", g.Number, g.Type),
		Remedy:  "use Linux 5.11 or newer"}}
}

// others looks at who else is in a member's group.
func (c *checker) others(p Pool, m Member, g Group) []Finding {
	var findings []Finding
	for _, other := range c.users[g.Number] {
		if other != p.Name {
			findings = append(findings, Finding{Breaks: true, Subject: m.PCI,
				Problem: fmt.Sprintf("IOMMU group %d is used by pool %q too: no IOMMU keeps the two pools' GPUs apart", g.Number, other),
				Remedy:  "put all GPUs of the group into one pool"})
		}
	}
	for _, d := range g.Devices {
		if f, found := c.other(m, g, d); found {
			findings = append(findings, f)
		}
	}
	return findings
}

// other judges one device of a member's group.
func (c *checker) other(m Member, g Group, d Device) (Finding, bool) {
	_, pooled := c.owners[d.Address]
	switch {
	case pooled || d.Bridge():
		return Finding{}, false
	case d.Physical == m.PCI:
		return Finding{Subject: d.Address, Problem: fmt.Sprintf(
			"%s, a virtual function of GPU %s, shares its IOMMU group %d: it cannot be given to a domain of its own", d.Address, m.PCI, g.Number)}, true
	case sameCard(d.Address, m.PCI):
		return Finding{Subject: d.Address, Problem: fmt.Sprintf(
			"%s, %s of the same card, shares IOMMU group %d with GPU %s and can reach what it can", d.Address, kindOf(d), g.Number, m.PCI)}, true
	case isGPU(d):
		return Finding{Breaks: true, Subject: d.Address,
			Problem: fmt.Sprintf("GPU %s is in IOMMU group %d with %s, but in no pool", d.Address, g.Number, m.PCI),
			Remedy:  "add it to gpus in the pool's file, or move one of them to a slot behind another root port with ACS"}, true
	}
	return Finding{Breaks: true, Subject: d.Address,
		Problem: fmt.Sprintf("%s, %s%s, is in IOMMU group %d with GPU %s: each can reach what the other can", d.Address, kindOf(d), bound(d), g.Number, m.PCI),
		Remedy:  "move one of them to a slot behind another root port, or switch on ACS in the firmware"}, true
}

// sameCard says that two functions have one bus and device number.
func sameCard(a, b string) bool {
	cardA, _, okA := strings.Cut(a, ".")
	cardB, _, okB := strings.Cut(b, ".")
	return okA && okB && cardA == cardB
}

// isGPU: a display controller, with a screen (0300) or without (0302).
func isGPU(d Device) bool { return d.Class>>8 == 0x0300 || d.Class>>8 == 0x0302 }

// kindOf names a device's class for a person.
func kindOf(d Device) string {
	switch d.Class >> 16 {
	case 0x01:
		return "a storage controller"
	case 0x02:
		return "a network controller"
	case 0x03:
		return "a GPU"
	case 0x04:
		return "an audio function"
	case 0x06:
		return "a bridge device"
	case 0x0c:
		return "a serial bus controller"
	}
	return fmt.Sprintf("a device of class %06x", d.Class)
}

func bound(d Device) string {
	if d.Driver == "" {
		return ""
	}
	return " with driver " + d.Driver
}
