package gpu

import (
	"testing"
	"time"

	"github.com/NVIDIA/go-nvml/pkg/nvml"
	"github.com/NVIDIA/go-nvml/pkg/nvml/mock"
)

func TestProcesses(t *testing.T) {
	now := uint64(time.Now().UnixMicro())
	samples := []nvml.ProcessUtilizationSample{{Pid: 7, TimeStamp: now, SmUtil: 99}, {Pid: 8, TimeStamp: now, SmUtil: 0}, {Pid: 9, TimeStamp: 1, SmUtil: 99}}
	device := &mock.Device{
		GetComputeRunningProcessesFunc: func() ([]nvml.ProcessInfo, nvml.Return) {
			return []nvml.ProcessInfo{{Pid: 7, UsedGpuMemory: 5 << 20}}, nvml.SUCCESS
		},
		GetProcessUtilizationFunc: func(uint64) ([]nvml.ProcessUtilizationSample, nvml.Return) {
			if samples == nil {
				return nil, nvml.ERROR_NOT_FOUND
			}
			return samples, nvml.SUCCESS
		},
	}
	n := &NVML{handles: map[string]nvml.Device{"0000:41:00.0": device}}
	if bytes, listed, err := n.ProcessMemory("0000:41:00.0", 7); bytes != 5<<20 || !listed || err != nil {
		t.Errorf("%d, %v, %v", bytes, listed, err)
	}
	if _, listed, err := n.ProcessMemory("0000:41:00.0", 8); listed || err != nil {
		t.Errorf("an unknown process: %v, %v", listed, err)
	}
	if _, _, err := n.ProcessMemory("0000:42:00.0", 7); err == nil {
		t.Error("an unknown GPU holds memory")
	}
	for pid, want := range map[int]bool{7: true, 8: false, 9: false, 10: false} {
		if yes, err := n.ProcessComputed("0000:41:00.0", pid, time.Second); yes != want || err != nil {
			t.Errorf("process %d: %v, %v", pid, yes, err)
		}
	}
	samples = nil
	if yes, err := n.ProcessComputed("0000:41:00.0", 7, time.Second); yes || err != nil {
		t.Errorf("nobody computes: %v, %v", yes, err)
	}
}
