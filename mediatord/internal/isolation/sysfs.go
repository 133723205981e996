// Package isolation says what the GPUs of a pool can reach by DMA, from the
// kernel's IOMMU groups.
//
// A group is the smallest set of devices that an IOMMU can keep apart from the
// rest of the host. A pool is isolated when it is made of whole groups whose
// addresses are translated, and shares none of them with another pool. That
// bounds what host memory the pool's devices can touch. It says nothing about
// two domains on one GPU.
//
// Everything is read again at each call; nothing is kept. The root of sysfs is a
// parameter.
package isolation

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

var (
	// ErrNoDevice: no PCI device of the host has this address.
	ErrNoDevice = errors.New("no such PCI device")
	// ErrNoGroup: the kernel has the device in no IOMMU group.
	ErrNoGroup = errors.New("device is in no IOMMU group")
)

// Sysfs is a mounted sysfs, "/sys".
type Sysfs string

// Group is one IOMMU group as the kernel shows it in kernel/iommu_groups/N.
type Group struct {
	Number int
	// Type is "DMA" (strict), "DMA-FQ" (lazy), "identity" (not translated),
	// "auto", or "" with kernels before 5.11, which do not say.
	Type string
	// NoIOMMU is a group that VFIO made up for a device without an IOMMU.
	NoIOMMU bool
	Devices []Device // by address
}

// Device is one PCI function.
type Device struct {
	Address  string // "0000:01:00.0"
	Class    uint32 // 0x030200: base class, subclass, interface
	Driver   string // "" = none bound
	Physical string // of a virtual function (SR-IOV): the physical one's address
}

// Bridge says that the device is a PCI bridge, which forwards and, of its own,
// transfers no data.
func (d Device) Bridge() bool { return d.Class>>8 == 0x0604 }

// Translated says that the IOMMU translates the group's addresses.
func (g Group) Translated() bool { return g.Type == "DMA" || g.Type == "DMA-FQ" }

// Enabled says whether the kernel has any IOMMU group.
func (s Sysfs) Enabled() bool {
	entries, err := os.ReadDir(s.path("kernel/iommu_groups"))
	return err == nil && len(entries) > 0
}

// Group reads the group of the PCI device at an address. It fails with
// ErrNoDevice or ErrNoGroup.
func (s Sysfs) Group(address string) (Group, error) {
	device := s.path("bus/pci/devices", address)
	if _, err := os.Stat(device); errors.Is(err, fs.ErrNotExist) {
		return Group{}, fmt.Errorf("%w: %s", ErrNoDevice, address)
	}
	link, err := os.Readlink(filepath.Join(device, "iommu_group"))
	if errors.Is(err, fs.ErrNotExist) {
		return Group{}, fmt.Errorf("%w: %s", ErrNoGroup, address)
	}
	if err != nil {
		return Group{}, fmt.Errorf("reading IOMMU group of %s: %w", address, err)
	}
	number, err := strconv.Atoi(filepath.Base(link))
	if err != nil {
		return Group{}, fmt.Errorf("reading IOMMU group of %s: %q is no number", address, link)
	}
	return s.group(number)
}

func (s Sysfs) group(number int) (Group, error) {
	directory := s.path("kernel/iommu_groups", strconv.Itoa(number))
	g := Group{Number: number, Type: s.word(filepath.Join(directory, "type"))}
	g.NoIOMMU = s.word(filepath.Join(directory, "name")) == "vfio-noiommu"
	entries, err := os.ReadDir(filepath.Join(directory, "devices"))
	if err != nil {
		return g, fmt.Errorf("reading IOMMU group %d: %w", number, err)
	}
	for _, entry := range entries {
		g.Devices = append(g.Devices, s.device(entry.Name()))
	}
	slices.SortFunc(g.Devices, func(a, b Device) int { return strings.Compare(a.Address, b.Address) })
	return g, nil
}

func (s Sysfs) device(address string) Device {
	directory := s.path("bus/pci/devices", address)
	d := Device{Address: address, Driver: linkName(filepath.Join(directory, "driver")), Physical: linkName(filepath.Join(directory, "physfn"))}
	if class, err := strconv.ParseUint(s.word(filepath.Join(directory, "class")), 0, 32); err == nil {
		d.Class = uint32(class)
	}
	return d
}

// word is a file's one word; "" if there is no such file.
func (s Sysfs) word(path string) string {
	text, err := os.ReadFile(path)
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(text))
}

func (s Sysfs) path(parts ...string) string {
	return filepath.Join(append([]string{string(s)}, parts...)...)
}

func linkName(path string) string {
	target, err := os.Readlink(path)
	if err != nil {
		return ""
	}
	return filepath.Base(target)
}
