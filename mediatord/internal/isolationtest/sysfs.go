// Package isolationtest builds sysfs trees for tests.
package isolationtest

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Classes of PCI devices as sysfs has them.
const (
	GPU3D   = "0x030200"
	VGA     = "0x030000"
	Audio   = "0x040300"
	Bridge  = "0x060400"
	NVMe    = "0x010802"
	Network = "0x020000"
)

// Device is a PCI function of the tree.
type Device struct {
	Address  string
	Class    string
	Driver   string
	Physical string // physical function of a virtual one
}

// Group is an IOMMU group of the tree.
type Group struct {
	Type    string // "" = no file, as before Linux 5.11
	Name    string
	Devices []Device
}

// Sysfs makes a tree with these groups, numbered from 0, and devices without a
// group, and returns its root.
func Sysfs(t testing.TB, groups []Group, alone ...Device) string {
	t.Helper()
	b := builder{TB: t, root: t.TempDir()}
	b.directory("bus/pci/devices")
	b.directory("kernel/iommu_groups")
	for number, g := range groups {
		directory := fmt.Sprintf("kernel/iommu_groups/%d", number)
		b.directory(directory + "/devices")
		if g.Type != "" {
			b.file(directory+"/type", g.Type+"\n")
		}
		if g.Name != "" {
			b.file(directory+"/name", g.Name+"\n")
		}
		for _, d := range g.Devices {
			b.device(d)
			b.link("../../../kernel/iommu_groups/"+fmt.Sprint(number), "bus/pci/devices/"+d.Address+"/iommu_group")
			b.link("../../../../bus/pci/devices/"+d.Address, directory+"/devices/"+d.Address)
		}
	}
	for _, d := range alone {
		b.device(d)
	}
	return b.root
}

// Addresses makes functions of one class and driver.
func Addresses(class, driver string, addresses ...string) []Device {
	devices := make([]Device, 0, len(addresses))
	for _, address := range addresses {
		devices = append(devices, Device{Address: address, Class: class, Driver: driver})
	}
	return devices
}

// Each gives every device a group of its own.
func Each(kind string, devices []Device) []Group {
	groups := make([]Group, 0, len(devices))
	for _, d := range devices {
		groups = append(groups, Group{Type: kind, Devices: []Device{d}})
	}
	return groups
}

type builder struct {
	testing.TB
	root string
}

func (b builder) device(d Device) {
	directory := "bus/pci/devices/" + d.Address
	b.directory(directory)
	b.file(directory+"/class", d.Class+"\n")
	if d.Driver != "" {
		b.link("../../drivers/"+d.Driver, directory+"/driver")
	}
	if d.Physical != "" {
		b.link("../"+d.Physical, directory+"/physfn")
	}
}

func (b builder) directory(name string) {
	if err := os.MkdirAll(filepath.Join(b.root, name), 0o755); err != nil {
		b.Fatal(err)
	}
}

func (b builder) file(name, text string) {
	if err := os.WriteFile(filepath.Join(b.root, name), []byte(text), 0o644); err != nil {
		b.Fatal(err)
	}
}

func (b builder) link(target, name string) {
	if err := os.Symlink(strings.ReplaceAll(target, "//", "/"), filepath.Join(b.root, name)); err != nil {
		b.Fatal(err)
	}
}
