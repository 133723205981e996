package gpu

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/NVIDIA/go-nvml/pkg/nvml"

	"libvirt-vgpu/mediatord/internal/config"
)

// xidWait is how long one wait for an event lasts: nothing else ends it early.
const xidWait = time.Minute

// Xids calls report for each critical Xid error of a GPU that List has found, with
// the GPU's PCI address, until ctx ends or NVML fails. Without a GPU that has such
// events it returns nil at once.
func (n *NVML) Xids(ctx context.Context, report func(pci string, code uint64)) error {
	set, err := n.registerXids()
	if set == nil || err != nil {
		return err
	}
	defer set.Free()
	for ctx.Err() == nil {
		event, ret := set.Wait(uint32(xidWait.Milliseconds()))
		switch {
		case errors.Is(ret, nvml.ERROR_TIMEOUT):
		case ret != nvml.SUCCESS:
			return fmt.Errorf("waiting for Xid errors: %w", ret)
		case event.EventType == nvml.EventTypeXidCriticalError:
			info, ret := event.Device.GetPciInfo()
			if ret != nvml.SUCCESS {
				return fmt.Errorf("reading which GPU has an Xid error: %w", ret)
			}
			report(address(info), event.EventData)
		}
	}
	return nil
}

// registerXids makes the set of events of all GPUs; nil: no GPU has any.
func (n *NVML) registerXids() (nvml.EventSet, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if !n.ready {
		return nil, nil
	}
	set, ret := n.library.EventSetCreate()
	if ret != nvml.SUCCESS {
		return nil, fmt.Errorf("making set of events: %w", ret)
	}
	registered := 0
	for pci, device := range n.handles {
		ret := device.RegisterEvents(nvml.EventTypeXidCriticalError, set)
		switch {
		case ret == nvml.SUCCESS:
			registered++
		case errors.Is(ret, nvml.ERROR_NOT_SUPPORTED):
		default:
			set.Free()
			return nil, fmt.Errorf("registering for Xid errors of GPU %s: %w", pci, ret)
		}
	}
	if registered == 0 {
		set.Free()
		return nil, nil
	}
	n.watched = true
	return set, nil
}

// address is a PCI address as sysfs has it.
func address(info nvml.PciInfo) string {
	pci, _ := config.NormalizePCI(fmt.Sprintf("%08x:%02x:%02x.0", info.Domain, info.Bus, info.Device))
	return pci
}
