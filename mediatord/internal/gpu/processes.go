package gpu

import (
	"fmt"
	"time"

	"github.com/NVIDIA/go-nvml/pkg/nvml"
)

// ProcessMemory is how many bytes of a GPU's memory a process of the host holds;
// listed: the driver knows it. In another PID namespace than the driver's nobody is
// known. It fails with ErrNotFound, or with NVML's error.
func (n *NVML) ProcessMemory(pci string, pid int) (bytes uint64, listed bool, err error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	device, found := n.handles[pci]
	if !found {
		return 0, false, ErrNotFound
	}
	processes, ret := device.GetComputeRunningProcesses()
	if ret != nvml.SUCCESS {
		return 0, false, fmt.Errorf("listing processes of GPU %s: %w", pci, ret)
	}
	for _, p := range processes {
		if int(p.Pid) == pid {
			return p.UsedGpuMemory, true, nil
		}
	}
	return 0, false, nil
}

// ProcessComputed says whether kernels of a process ran on a GPU within a time
// before now, as far as the driver's samples show. It fails with ErrNotFound, or
// with NVML's error; that nobody computed is none.
func (n *NVML) ProcessComputed(pci string, pid int, within time.Duration) (bool, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	device, found := n.handles[pci]
	if !found {
		return false, ErrNotFound
	}
	since := uint64(time.Now().Add(-within).UnixMicro())
	samples, ret := device.GetProcessUtilization(since)
	if ret == nvml.ERROR_NOT_FOUND {
		return false, nil
	}
	if ret != nvml.SUCCESS {
		return false, fmt.Errorf("reading what processes of GPU %s do: %w", pci, ret)
	}
	for _, s := range samples {
		if int(s.Pid) == pid && s.TimeStamp >= since && s.SmUtil > 0 {
			return true, nil
		}
	}
	return false, nil
}
