package daemon

import (
	"strings"

	"github.com/sirupsen/logrus"

	"libvirt-vgpu/mediatord/executor/soft/ledger"
	"libvirt-vgpu/mediatord/internal/config"
	"libvirt-vgpu/mediatord/internal/gpu"
	"libvirt-vgpu/mediatord/internal/pool"
)

// memory implements mediator.GPUMemory: by the driver, or by the ledger of GPUs in software.
type memory struct {
	driver *gpu.NVML
	ledger *ledger.Ledger // nil: each has memory of its own
	log    logrus.FieldLogger
}

// newMemory opens the ledger at a path; "": there is none.
func newMemory(driver *gpu.NVML, path string, log logrus.FieldLogger) (*memory, error) {
	m := &memory{driver: driver, log: log}
	if path == "" {
		return m, nil
	}
	var err error
	m.ledger, err = ledger.Open(path)
	return m, err
}

// Free implements mediator.GPUMemory.
func (m *memory) Free(device *pool.Device) (bytes uint64, known bool) {
	if device.PCI == "" {
		if m.ledger == nil {
			return 0, false
		}
		return m.ledger.Free()
	}
	instance := ""
	if strings.HasPrefix(device.Argument, config.MIGPrefix) {
		instance = device.Argument
	}
	bytes, err := m.driver.FreeMemory(device.PCI, instance)
	if err != nil {
		m.log.WithError(err).WithField("gpu", device.Name).Warn("how much memory the GPU has left is not known: contexts return without knowing")
	}
	return bytes, err == nil
}
