package vgpuxml

import (
	"encoding/xml"
	"fmt"
	"strconv"
	"strings"

	"libvirt.org/go/libvirtxml"
)

// DeviceName is the name of the project's <shmem> device.
const DeviceName = "vgpu0"

// DefaultChannels is the number of process channels of a window: how many guest processes can use the vGPU at once.
const DefaultChannels = 32

// MaxChannels bounds channels: a window's layout has room for no more.
const MaxChannels = 64

const (
	deviceModel     = "ivshmem-doorbell"
	socketDirectory = "/run/vgpu"
)

// Vectors returns the number of MSI-X vectors: one per process channel, and vector 0 for control.
func Vectors(channels int) int { return channels + 1 }

// SocketPath returns the ivshmem socket of a domain. The UUID may have any form that NormalizeUUID takes.
func SocketPath(domainUUID string) (string, error) {
	uuid, ok := NormalizeUUID(domainUUID)
	if !ok {
		return "", fmt.Errorf("making socket path: domain UUID %q is not valid: allowed are 32 hexadecimal digits with dashes", domainUUID)
	}
	return socketDirectory + "/domain-" + uuid + "/ivshmem.sock", nil
}

// Device returns the <shmem> device that carries the window of a domain. It has no <size>: with a server libvirt refuses one, the
// size is that of the memory the server sends.
func Device(domainUUID string, channels int) (*libvirtxml.DomainShmem, error) {
	path, err := SocketPath(domainUUID)
	if err != nil {
		return nil, err
	}
	if channels < 1 || channels > MaxChannels {
		return nil, fmt.Errorf("making shmem device: %d channels: allowed are 1 to %d", channels, MaxChannels)
	}
	return &libvirtxml.DomainShmem{
		Name:   DeviceName,
		Model:  &libvirtxml.DomainShmemModel{Type: deviceModel},
		Server: &libvirtxml.DomainShmemServer{Path: path},
		MSI:    &libvirtxml.DomainShmemMSI{Vectors: uint(Vectors(channels)), IOEventFD: "on"},
	}, nil
}

// DeviceXML returns Device as the snippet that virsh attach-device and AttachDeviceFlags take.
func DeviceXML(domainUUID string, channels int) (string, error) {
	device, err := Device(domainUUID, channels)
	if err != nil {
		return "", err
	}
	return marshalDevice(device)
}

func marshalDevice(device *libvirtxml.DomainShmem) (string, error) {
	text, err := device.Marshal()
	if err != nil {
		return "", fmt.Errorf("marshaling shmem device: %w", err)
	}
	return text, nil
}

// DeviceState says how a domain's XML stands to the device it should have.
type DeviceState int

// The states of the device.
const (
	DeviceMissing DeviceState = iota
	DevicePresent
	DeviceDiffers
)

// DeviceReport is the result of FindDevice.
type DeviceReport struct {
	State DeviceState
	// Differences has one phrase for each thing that is not as it should be, such as `vectors is "4", must be "33"`.
	Differences []string
}

// FindDevice looks for the device in full domain XML. A <shmem> named vgpu0 or with the domain's socket path is taken for the device and
// compared in name, model, server path, vectors, ioeventfd and absence of a size; other <shmem> devices are the operator's own.
// The error is ErrMalformed, or says that the document has no valid UUID or channels is out of range.
func FindDevice(document []byte, channels int) (DeviceReport, error) {
	d, err := readDomain(document)
	if err != nil {
		return DeviceReport{}, err
	}
	return d.findDevice(channels)
}

// OwnDevice returns the domain's device as the document has it, whatever its vectors are, in the form that virsh detach-device takes.
// Found is false unless a <shmem> has both the name and the domain's socket path, that is, unless the project made it.
func OwnDevice(document []byte) (device string, found bool, err error) {
	d, err := readDomain(document)
	if err != nil {
		return "", false, err
	}
	path, err := SocketPath(d.domain.UUID)
	if err != nil {
		return "", false, err
	}
	var domain libvirtxml.Domain
	if err := domain.Unmarshal(string(document)); err != nil {
		return "", false, malformed("%v", err)
	}
	if domain.Devices == nil {
		return "", false, nil
	}
	for _, shmem := range domain.Devices.Shmems {
		if shmem.Name == DeviceName && shmem.Server != nil && shmem.Server.Path == path {
			text, err := shmem.Marshal()
			if err != nil {
				return "", false, fmt.Errorf("marshaling shmem device: %w", err)
			}
			return text, true, nil
		}
	}
	return "", false, nil
}

func (d *domainDocument) findDevice(channels int) (DeviceReport, error) {
	want, err := Device(d.domain.UUID, channels)
	if err != nil {
		return DeviceReport{}, err
	}
	var candidates []shmemText
	for _, device := range d.shmems {
		if device.name == want.Name || device.serverPath == want.Server.Path {
			candidates = append(candidates, device)
		}
	}
	if len(candidates) == 0 {
		return DeviceReport{State: DeviceMissing}, nil
	}
	if len(candidates) > 1 {
		difference := fmt.Sprintf("%d shmem devices have the name %q or its socket, must be one", len(candidates), want.Name)
		return DeviceReport{State: DeviceDiffers, Differences: []string{difference}}, nil
	}
	if differences := candidates[0].differences(want); len(differences) > 0 {
		return DeviceReport{State: DeviceDiffers, Differences: differences}, nil
	}
	return DeviceReport{State: DevicePresent}, nil
}

// shmemText is a <shmem> device as written. It is read without libvirtxml so that an odd foreign device cannot fail a domain.
type shmemText struct {
	name, model, serverPath, vectors, ioeventfd string
	sized                                       bool
}

func (d *domainDocument) visitShmem(n node) {
	token, ok := n.token.(xml.StartElement)
	if !ok || n.depth() > 4 {
		return
	}
	if n.depth() == 3 {
		d.shmems = append(d.shmems, shmemText{name: attribute(token, "name")})
		return
	}
	device := &d.shmems[len(d.shmems)-1]
	switch token.Name.Local {
	case "model":
		device.model = attribute(token, "type")
	case "server":
		device.serverPath = attribute(token, "path")
	case "msi":
		device.vectors, device.ioeventfd = attribute(token, "vectors"), attribute(token, "ioeventfd")
	case "size":
		device.sized = true
	}
}

func (s shmemText) differences(want *libvirtxml.DomainShmem) []string {
	var differences []string
	compare := func(what, have, must string) {
		if have == "" && must != "" {
			differences = append(differences, fmt.Sprintf("%s is missing, must be %q", what, must))
		} else if have != must {
			differences = append(differences, fmt.Sprintf("%s is %q, must be %q", what, have, must))
		}
	}
	compare("name", s.name, want.Name)
	compare("model", s.model, want.Model.Type)
	compare("server path", s.serverPath, want.Server.Path)
	compare("vectors", s.vectors, strconv.FormatUint(uint64(want.MSI.Vectors), 10))
	compare("ioeventfd", s.ioeventfd, want.MSI.IOEventFD)
	if s.sized {
		differences = append(differences, "it has a <size>, which libvirt refuses for this model")
	}
	return differences
}

// String joins the differences into one phrase; it is empty unless the device differs.
func (r DeviceReport) String() string { return strings.Join(r.Differences, ", ") }
