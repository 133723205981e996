package mediator

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	"libvirt-vgpu/mediatord/internal/config"
	"libvirt-vgpu/mediatord/internal/gpu"
	"libvirt-vgpu/mediatord/internal/pool"
	"libvirt-vgpu/mediatord/internal/reconcile"
	"libvirt-vgpu/plugin/window"
)

// softArgument is the executor's name of the GPU in software.
const softArgument = "0"

// describer is describe.Describer.
type describer interface {
	Describe(ctx context.Context, backend, gpu string) (*window.Description, error)
}

// prober finds GPUs by the names that pool files give them.
type prober struct {
	inventory gpu.Inventory
	describer describer

	mu    sync.Mutex // guards found
	found map[string]*pool.Device
}

func newProber(inventory gpu.Inventory, describer describer) *prober {
	return &prober{inventory: inventory, describer: describer, found: map[string]*pool.Device{}}
}

// Probe finds a GPU; one that was found once is not looked for again.
func (p *prober) Probe(ctx context.Context, backend config.Backend, name string) (*pool.Device, error) {
	if device := p.Found(name); device != nil {
		return device, nil
	}
	device := &pool.Device{Name: name, Argument: name}
	if backend == config.BackendSoft {
		device.Argument = softArgument
	} else if err := p.locate(device); err != nil {
		return nil, err
	}
	var err error
	if device.Description, err = p.describer.Describe(ctx, string(backend), device.Argument); err != nil {
		return nil, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.found[name] = device
	return device, nil
}

// Found returns a GPU that Probe has found, or nil.
func (p *prober) Found(name string) *pool.Device {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.found[name]
}

// locate turns a name into a PCI address. An address that NVML does not list
// is left to the executor, which says better what is wrong.
func (p *prober) locate(device *pool.Device) error {
	gpus, err := p.inventory.List()
	if err != nil {
		return err
	}
	g, err := gpu.Find(gpus, device.Name)
	switch {
	case err == nil && g.Divided:
		return fmt.Errorf("GPU %s is divided into MIG instances: name those, as nvidia-smi -L lists them, or switch MIG off", device.Name)
	case err == nil && g.MIG:
		device.PCI, device.Argument = g.PCI, g.UUID
	case err == nil:
		device.PCI, device.Argument = g.PCI, g.PCI
	case strings.HasPrefix(device.Name, "GPU-"), strings.HasPrefix(device.Name, config.MIGPrefix):
		return fmt.Errorf("%s is not in this host: nvidia-smi -L lists what is", device.Name)
	default:
		device.PCI = device.Name
	}
	return nil
}

// sensorPeriod is how old a reading may be; all slots of a GPU share it.
const sensorPeriod = time.Second

// sensors returns a reader of the GPU's sensors, nil for one without any.
func (p *prober) sensors(pci string) reconcile.Sensors {
	if pci == "" {
		return nil
	}
	var mu sync.Mutex
	var last gpu.Sensors
	var read time.Time
	return func() (utilization, temperature, milliwatts uint32) {
		mu.Lock()
		defer mu.Unlock()
		if time.Since(read) > sensorPeriod {
			read = time.Now()
			if s, err := p.inventory.Sensors(pci); err == nil {
				last = s
			}
		}
		return last.Utilization, last.Temperature, last.Milliwatts
	}
}
