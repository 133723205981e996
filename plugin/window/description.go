package window

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
)

// ErrDescription: a description that does not fit into struct vgpu_description.
var ErrDescription = errors.New("invalid device description")

// UUID is 16 bytes in the order in which they are printed.
type UUID [16]byte

// String is the 8-4-4-4-12 form in lower case.
func (u UUID) String() string {
	h := hex.EncodeToString(u[:])
	return h[:8] + "-" + h[8:12] + "-" + h[12:16] + "-" + h[16:20] + "-" + h[20:]
}

// ParseUUID reads the 8-4-4-4-12 form, hyphens optional, with or without
// NVIDIA's "GPU-" in front.
func ParseUUID(text string) (UUID, error) {
	var u UUID
	digits := strings.ReplaceAll(strings.TrimPrefix(text, "GPU-"), "-", "")
	if len(digits) != 32 {
		return UUID{}, fmt.Errorf("parsing uuid %q: need 32 hexadecimal digits", text)
	}
	if _, err := hex.Decode(u[:], []byte(digits)); err != nil {
		return UUID{}, fmt.Errorf("parsing uuid %q: %w", text, err)
	}
	return u, nil
}

// MarshalText makes a UUID a string in JSON.
func (u UUID) MarshalText() ([]byte, error) { return []byte(u.String()), nil }

// UnmarshalText is ParseUUID.
func (u *UUID) UnmarshalText(text []byte) error {
	parsed, err := ParseUUID(string(text))
	if err == nil {
		*u = parsed
	}
	return err
}

// Attribute is the answer to one cuDeviceGetAttribute.
type Attribute struct {
	Value  int32  `json:"value"`
	Result uint32 `json:"result"` // CUresult of the query on the GPU
}

// Description is struct vgpu_description: what the shims answer without asking
// the host. `vgpu-executor --describe` prints it as JSON for the physical GPU;
// mediatord replaces UUID, memory and the live fields per domain.
type Description struct {
	DeviceCount     uint32    `json:"device_count"`   // 0 or 1
	DriverVersion   uint32    `json:"driver_version"` // cuDriverGetVersion, 13000
	DriverString    string    `json:"driver_string"`  // NVML's, at most 31 bytes
	Name            string    `json:"name"`           // at most 95 bytes
	UUID            UUID      `json:"uuid"`
	TotalMemory     uint64    `json:"total_memory"` // bytes
	UsedMemory      uint64    `json:"used_memory"`  // bytes
	PCIDomain       uint32    `json:"pci_domain"`
	PCIBus          uint32    `json:"pci_bus"`
	PCIDevice       uint32    `json:"pci_device"`
	PCIDeviceID     uint32    `json:"pci_device_id"` // device << 16 | vendor
	PCISubsystemID  uint32    `json:"pci_subsystem_id"`
	Utilization     uint32    `json:"utilization"`      // percent of the last second
	Temperature     uint32    `json:"temperature"`      // degrees C, 0 = unknown
	PowerMilliwatts uint32    `json:"power_milliwatts"` // 0 = unknown
	VMMGranularity  uint32    `json:"vmm_granularity"`  // bytes
	Limits          [8]uint32 `json:"limits"`           // cuCtxGetLimit 0..7
	PriorityLowest  int32     `json:"priority_lowest"`  // stream priorities
	PriorityHighest int32     `json:"priority_highest"`
	// ContextMemory and MoreContextMemory are what the first context of a process and
	// each further one take, in bytes; 0: not measured. No window has them.
	ContextMemory     uint64 `json:"context_memory,omitempty"`
	MoreContextMemory uint64 `json:"more_context_memory,omitempty"`
	// Attributes is indexed by CUdevice_attribute; entry 0 is not used. At
	// most DescAttributes entries.
	Attributes []Attribute `json:"attributes"`
}

// wireDescription has the layout of struct vgpu_description byte for byte.
type wireDescription struct {
	Version, DeviceCount, DriverVersion, Reserved0 uint32
	DriverString                                   [32]byte
	Name                                           [96]byte
	UUID                                           [16]byte
	TotalMemory, UsedMemory                        uint64
	PCIDomain, PCIBus, PCIDevice                   uint32
	PCIDeviceID, PCISubsystemID                    uint32
	Utilization, Temperature, PowerMilliwatts      uint32
	VMMGranularity                                 uint32
	Limits                                         [8]uint32
	PriorityLowest, PriorityHighest                int32
	AttributeMax                                   uint32
	Attributes                                     [DescAttributes]Attribute
}

// Offsets of the fields that change while a domain runs.
const (
	descTotalMemory = 160
	descUsedMemory  = 168
	descUtilization = 196
	descTemperature = 200
	descPower       = 204
)

// MarshalBinary encodes the description as the C struct. It fails with
// ErrDescription when something does not fit.
func (d *Description) MarshalBinary() ([]byte, error) {
	wire := wireDescription{
		Version: DescVersion, DeviceCount: d.DeviceCount, DriverVersion: d.DriverVersion,
		UUID: d.UUID, TotalMemory: d.TotalMemory, UsedMemory: d.UsedMemory,
		PCIDomain: d.PCIDomain, PCIBus: d.PCIBus, PCIDevice: d.PCIDevice,
		PCIDeviceID: d.PCIDeviceID, PCISubsystemID: d.PCISubsystemID,
		Utilization: d.Utilization, Temperature: d.Temperature, PowerMilliwatts: d.PowerMilliwatts,
		VMMGranularity: d.VMMGranularity, Limits: d.Limits,
		PriorityLowest: d.PriorityLowest, PriorityHighest: d.PriorityHighest,
	}
	switch {
	case d.DeviceCount > 1:
		return nil, fmt.Errorf("%w: %d devices, at most 1", ErrDescription, d.DeviceCount)
	case len(d.DriverString) >= len(wire.DriverString):
		return nil, fmt.Errorf("%w: driver string %q is longer than %d bytes", ErrDescription, d.DriverString, len(wire.DriverString)-1)
	case len(d.Name) >= len(wire.Name):
		return nil, fmt.Errorf("%w: name %q is longer than %d bytes", ErrDescription, d.Name, len(wire.Name)-1)
	case len(d.Attributes) > DescAttributes:
		return nil, fmt.Errorf("%w: %d attributes, at most %d", ErrDescription, len(d.Attributes), DescAttributes)
	}
	copy(wire.DriverString[:], d.DriverString)
	copy(wire.Name[:], d.Name)
	copy(wire.Attributes[:], d.Attributes)
	if len(d.Attributes) > 0 {
		wire.AttributeMax = uint32(len(d.Attributes) - 1)
	}
	var out bytes.Buffer
	if err := binary.Write(&out, binary.LittleEndian, &wire); err != nil {
		return nil, fmt.Errorf("encoding description: %w", err)
	}
	return out.Bytes(), nil
}

// UnmarshalBinary decodes the C struct. It fails with ErrDescription.
func (d *Description) UnmarshalBinary(data []byte) error {
	var wire wireDescription
	if err := binary.Read(bytes.NewReader(data), binary.LittleEndian, &wire); err != nil {
		return fmt.Errorf("%w: %w", ErrDescription, err)
	}
	if wire.Version != DescVersion || wire.AttributeMax >= DescAttributes {
		return fmt.Errorf("%w: version %d, attribute maximum %d", ErrDescription, wire.Version, wire.AttributeMax)
	}
	*d = Description{
		DeviceCount: wire.DeviceCount, DriverVersion: wire.DriverVersion,
		DriverString: cString(wire.DriverString[:]), Name: cString(wire.Name[:]),
		UUID: wire.UUID, TotalMemory: wire.TotalMemory, UsedMemory: wire.UsedMemory,
		PCIDomain: wire.PCIDomain, PCIBus: wire.PCIBus, PCIDevice: wire.PCIDevice,
		PCIDeviceID: wire.PCIDeviceID, PCISubsystemID: wire.PCISubsystemID,
		Utilization: wire.Utilization, Temperature: wire.Temperature, PowerMilliwatts: wire.PowerMilliwatts,
		VMMGranularity: wire.VMMGranularity, Limits: wire.Limits,
		PriorityLowest: wire.PriorityLowest, PriorityHighest: wire.PriorityHighest,
	}
	if wire.AttributeMax > 0 {
		d.Attributes = append([]Attribute(nil), wire.Attributes[:wire.AttributeMax+1]...)
	}
	return nil
}

func cString(field []byte) string {
	text, _, _ := bytes.Cut(field, []byte{0})
	return string(text)
}

// SetDescription writes the description before the guest can see the window.
func (w *Window) SetDescription(d *Description) error {
	wire, err := d.MarshalBinary()
	if err != nil {
		return err
	}
	copy(w.memory[w.DescribedAt:w.DescribedAt+DescriptionSize], wire)
	return nil
}

// Description reads the description back as guest processes see it.
func (w *Window) Description() (*Description, error) {
	page := make([]byte, DescriptionSize)
	copy(page, w.memory[w.DescribedAt:])
	d := new(Description)
	if err := d.UnmarshalBinary(page); err != nil {
		return nil, err
	}
	return d, nil
}

// SetTotalMemory refreshes the domain's quota in bytes, which guest processes
// read as the device's memory.
func (w *Window) SetTotalMemory(bytes uint64) {
	w.double(w.DescribedAt + descTotalMemory).Store(bytes)
}

// SetUsedMemory refreshes the bytes in use by all processes of the domain.
func (w *Window) SetUsedMemory(bytes uint64) {
	w.double(w.DescribedAt + descUsedMemory).Store(bytes)
}

// SetSensors refreshes utilization (percent), temperature (degrees C) and
// power (milliwatts); 0 is unknown.
func (w *Window) SetSensors(utilization, temperature, milliwatts uint32) {
	w.word(w.DescribedAt + descUtilization).Store(utilization)
	w.word(w.DescribedAt + descTemperature).Store(temperature)
	w.word(w.DescribedAt + descPower).Store(milliwatts)
}

// SetLooks says how often what changes in the description was refreshed, in 31 bits, and
// whether that rests until somebody asks.
func (w *Window) SetLooks(count uint32, resting bool) {
	word := count << 1
	if resting {
		word |= LooksResting
	}
	w.word(w.DescribedAt + DescLooks).Store(word)
}

// Looks reads back what SetLooks wrote, or the guest over it.
func (w *Window) Looks() (count uint32, resting bool) {
	word := w.word(w.DescribedAt + DescLooks).Load()
	return word >> 1, word&LooksResting != 0
}

const processEntry = 16 // bytes of struct vgpu_process

// SetUser says which guest process uses the device through channel i and how many bytes
// of its memory are in use; pid 0 is none. It panics beyond MaxChannels.
func (w *Window) SetUser(i int, pid uint32, used uint64) {
	at := w.userAt(i)
	w.double(at + 8).Store(used)
	w.word(at).Store(pid)
}

// User reads back what SetUser wrote. It panics beyond MaxChannels.
func (w *Window) User(i int) (pid uint32, used uint64) {
	at := w.userAt(i)
	return w.word(at).Load(), w.double(at + 8).Load()
}

func (w *Window) userAt(i int) uint64 {
	if i < 0 || i >= MaxChannels {
		panic(fmt.Errorf("%w: channel %d", ErrRange, i))
	}
	return w.DescribedAt + DescProcesses + uint64(i)*processEntry
}
