// Package vgpuxml reads what an operator writes about a vGPU in libvirt domain XML and writes the device that follows from it.
//
// The element is the only thing an operator writes by hand:
//
//	<metadata>
//	  <vgpu:gpu xmlns:vgpu="urn:libvirt-vgpu:1" pool="gold" priority="high" memory="16GiB" weight="200" window="2GiB"/>
//	</metadata>
//
// The device is the ivshmem-doorbell <shmem> that carries the domain's window. Everything here is a pure function of its
// arguments; nothing is read from the system. A domain is never parsed into a structure and written back, because libvirtxml
// drops elements and attributes that it does not know: the package makes snippets and inserts text.
package vgpuxml

import (
	"encoding/xml"
	"strconv"
	"strings"
)

// Namespace is the XML namespace of the element; its last part is the version of the element's grammar.
const Namespace = "urn:libvirt-vgpu:1"

// NamespaceStem begins Namespace in every version. A document without this text has no vGPU.
const NamespaceStem = "urn:libvirt-vgpu"

// ElementName is the local name of the element in Namespace.
const ElementName = "gpu"

// Priority is the class that decides whose turn on the GPU comes first.
type Priority string

// The priority classes, first served first.
const (
	PriorityHigh   Priority = "high"
	PriorityNormal Priority = "normal"
	PriorityLow    Priority = "low"
)

// Limits and defaults of the attributes. xml/schema/vgpu-gpu.rng states the same ones.
const (
	DefaultPool = "default"

	MinMemory uint64 = 64 << 20
	MaxMemory uint64 = 16 << 40

	DefaultWeight = 100
	MaxWeight     = 10000

	DefaultWindow uint64 = 1 << 30
	MinWindow     uint64 = 64 << 20
	MaxWindow     uint64 = 64 << 30

	maxPoolLength = 63
)

// GPU is the element with defaults filled in.
type GPU struct {
	// Pool names the pool that the slot comes from: [a-z0-9][a-z0-9._-]{0,62}.
	Pool string
	// Priority is one of the three classes.
	Priority Priority
	// Memory is the quota of device memory in bytes, MinMemory to MaxMemory; 0 means the pool's default.
	Memory uint64
	// Weight is the domain's share within the pool, 1 to MaxWeight.
	Weight int
	// Window is the size of the shared window in bytes, a power of two from MinWindow to MaxWindow.
	Window uint64
}

// DefaultGPU returns what an element without attributes means.
func DefaultGPU() GPU {
	return GPU{Pool: DefaultPool, Priority: PriorityNormal, Weight: DefaultWeight, Window: DefaultWindow}
}

// Element returns the element as text that declares its own namespace, every attribute spelled out except a Memory of 0.
// ParseElement of the result gives g back if g is valid.
func (g GPU) Element() string {
	var b strings.Builder
	b.WriteString(`<vgpu:gpu xmlns:vgpu="` + Namespace + `"`)
	write := func(name, value string) {
		b.WriteString(" " + name + `="`)
		_ = xml.EscapeText(&b, []byte(value)) // a strings.Builder never fails
		b.WriteString(`"`)
	}
	write("pool", g.Pool)
	write("priority", string(g.Priority))
	if g.Memory != 0 {
		write("memory", FormatSize(g.Memory))
	}
	write("weight", strconv.Itoa(g.Weight))
	write("window", FormatSize(g.Window))
	b.WriteString("/>")
	return b.String()
}

// Snippet returns the element without a namespace, as virsh metadata --set and virDomainSetMetadata take it, with the pool and
// every attribute that differs from its default.
func (g GPU) Snippet() string {
	var b strings.Builder
	b.WriteString("<" + ElementName)
	usual := DefaultGPU()
	write := func(name, value string, needed bool) {
		if needed {
			b.WriteString(" " + name + `="`)
			_ = xml.EscapeText(&b, []byte(value)) // a strings.Builder never fails
			b.WriteString(`"`)
		}
	}
	write("pool", g.Pool, true)
	write("priority", string(g.Priority), g.Priority != usual.Priority)
	write("memory", FormatSize(g.Memory), g.Memory != usual.Memory)
	write("weight", strconv.Itoa(g.Weight), g.Weight != usual.Weight)
	write("window", FormatSize(g.Window), g.Window != usual.Window)
	b.WriteString("/>")
	return b.String()
}

// Set changes one attribute, as it is written in the element. The error is an *AttributeError.
func (g *GPU) Set(name, value string) error {
	if _, known := allowedValues()[name]; !known {
		return unknownAttribute(name, value)
	}
	changed := *g
	if !changed.set(name, value) {
		return badAttribute(name, value)
	}
	*g = changed
	return nil
}

// Validate checks a GPU that did not come from a parser, such as one built from command line flags.
// The error is an *AttributeError.
func (g GPU) Validate() error {
	switch {
	case !ValidPoolName(g.Pool):
		return badAttribute("pool", g.Pool)
	case g.Priority != PriorityHigh && g.Priority != PriorityNormal && g.Priority != PriorityLow:
		return badAttribute("priority", string(g.Priority))
	case g.Memory != 0 && (g.Memory < MinMemory || g.Memory > MaxMemory):
		return badAttribute("memory", FormatSize(g.Memory))
	case g.Weight < 1 || g.Weight > MaxWeight:
		return badAttribute("weight", strconv.Itoa(g.Weight))
	case g.Window < MinWindow || g.Window > MaxWindow || g.Window&(g.Window-1) != 0:
		return badAttribute("window", FormatSize(g.Window))
	}
	return nil
}

// ValidPoolName reports whether name matches [a-z0-9][a-z0-9._-]{0,62}.
func ValidPoolName(name string) bool {
	if name == "" || len(name) > maxPoolLength {
		return false
	}
	for i := range len(name) {
		c := name[i]
		plain := c >= 'a' && c <= 'z' || c >= '0' && c <= '9'
		if !plain && (i == 0 || c != '.' && c != '_' && c != '-') {
			return false
		}
	}
	return true
}
