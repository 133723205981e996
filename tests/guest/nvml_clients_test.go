package guest

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/NVIDIA/go-nvml/pkg/nvml"

	"libvirt-vgpu/plugin/window"
	"libvirt-vgpu/tests/wheel"
)

// TestGoNVML asks through NVIDIA's Go binding what nvtop, exporters and device
// plugins ask. What the device cannot tell must be NOT_SUPPORTED, nothing else.
func TestGoNVML(t *testing.T) {
	h := startHost(t, testDescription(t))
	h.window.SetUsedMemory(5 << 20)
	h.window.SetUser(2, uint32(os.Getpid()), 5<<20)
	t.Setenv("VGPU_SOCKET", h.path)
	library := nvml.New(nvml.WithLibraryPath(filepath.Join(libraryFolder(t), "libnvidia-ml.so.1")))
	if ret := library.Init(); ret != nvml.SUCCESS {
		t.Fatal(ret)
	}
	defer library.Shutdown()
	if count, ret := library.DeviceGetCount(); ret != nvml.SUCCESS || count != 1 {
		t.Fatalf("%d devices, %v", count, ret)
	}
	device, ret := library.DeviceGetHandleByIndex(0)
	if ret != nvml.SUCCESS {
		t.Fatal(ret)
	}
	name, _ := device.GetName()
	uuid, _ := device.GetUUID()
	if name != "NVIDIA H200" || uuid != "GPU-12345678-9abc-5def-8123-456789abcdef" {
		t.Errorf("device %q, %q", name, uuid)
	}
	if memory, ret := device.GetMemoryInfo(); ret != nvml.SUCCESS || memory.Total != 16<<30 || memory.Used != 5<<20 {
		t.Errorf("memory %+v, %v", memory, ret)
	}
	processes, ret := device.GetComputeRunningProcesses()
	if ret != nvml.SUCCESS || len(processes) != 1 || processes[0].Pid != uint32(os.Getpid()) || processes[0].UsedGpuMemory != 5<<20 {
		t.Errorf("processes %+v, %v", processes, ret)
	}
	if text, ret := library.SystemGetProcessName(os.Getpid()); ret != nvml.SUCCESS || !strings.Contains(text, "guest.test") {
		t.Errorf("this process is called %q, %v", text, ret)
	}
	for query, ask := range monitorQueries(device) {
		if ret := ask(); ret != nvml.SUCCESS && ret != nvml.ERROR_NOT_SUPPORTED {
			t.Errorf("%s: %v", query, ret)
		}
	}
	for query, ask := range map[string]func() nvml.Return{
		"utilization": func() nvml.Return { _, ret := device.GetUtilizationRates(); return ret },
		"temperature": func() nvml.Return { _, ret := device.GetTemperature(nvml.TEMPERATURE_GPU); return ret },
		"max clock":   func() nvml.Return { _, ret := device.GetMaxClockInfo(nvml.CLOCK_SM); return ret },
		"pci":         func() nvml.Return { _, ret := device.GetPciInfo(); return ret },
		"capability":  func() nvml.Return { _, _, ret := device.GetCudaComputeCapability(); return ret },
		"MIG mode":    func() nvml.Return { _, _, ret := device.GetMigMode(); return ret },
		"memory v2":   func() nvml.Return { _, ret := device.GetMemoryInfo_v2(); return ret },
		"graphics":    func() nvml.Return { _, ret := device.GetGraphicsRunningProcesses(); return ret },
		"minor":       func() nvml.Return { _, ret := device.GetMinorNumber(); return ret },
		"fabric":      func() nvml.Return { _, ret := device.GetGpuFabricInfo(); return ret },
	} {
		if ret := ask(); ret != nvml.SUCCESS {
			t.Errorf("%s: %v", query, ret)
		}
	}
}

// monitorQueries are asked by monitors that live with a "no".
func monitorQueries(device nvml.Device) map[string]func() nvml.Return {
	return map[string]func() nvml.Return{
		"power":         func() nvml.Return { _, ret := device.GetPowerUsage(); return ret },
		"power limit":   func() nvml.Return { _, ret := device.GetEnforcedPowerLimit(); return ret },
		"energy":        func() nvml.Return { _, ret := device.GetTotalEnergyConsumption(); return ret },
		"fan":           func() nvml.Return { _, ret := device.GetFanSpeed(); return ret },
		"clock":         func() nvml.Return { _, ret := device.GetClockInfo(nvml.CLOCK_GRAPHICS); return ret },
		"clock reasons": func() nvml.Return { _, ret := device.GetCurrentClocksThrottleReasons(); return ret },
		"threshold": func() nvml.Return {
			_, ret := device.GetTemperatureThreshold(nvml.TEMPERATURE_THRESHOLD_SLOWDOWN)
			return ret
		},
		"encoder":           func() nvml.Return { _, _, ret := device.GetEncoderUtilization(); return ret },
		"decoder":           func() nvml.Return { _, _, ret := device.GetDecoderUtilization(); return ret },
		"PCIe generation":   func() nvml.Return { _, ret := device.GetCurrPcieLinkGeneration(); return ret },
		"PCIe width":        func() nvml.Return { _, ret := device.GetMaxPcieLinkWidth(); return ret },
		"PCIe throughput":   func() nvml.Return { _, ret := device.GetPcieThroughput(nvml.PCIE_UTIL_TX_BYTES); return ret },
		"PCIe replays":      func() nvml.Return { _, ret := device.GetPcieReplayCounter(); return ret },
		"process use":       func() nvml.Return { _, ret := device.GetProcessUtilization(0); return ret },
		"samples":           func() nvml.Return { _, _, ret := device.GetSamples(nvml.GPU_UTILIZATION_SAMPLES, 0); return ret },
		"BAR1":              func() nvml.Return { _, ret := device.GetBAR1MemoryInfo(); return ret },
		"serial":            func() nvml.Return { _, ret := device.GetSerial(); return ret },
		"board":             func() nvml.Return { _, ret := device.GetBoardPartNumber(); return ret },
		"persistence":       func() nvml.Return { _, ret := device.GetPersistenceMode(); return ret },
		"performance state": func() nvml.Return { _, ret := device.GetPerformanceState(); return ret },
		"NVLink":            func() nvml.Return { _, ret := device.GetNvLinkState(0); return ret },
		"ECC errors": func() nvml.Return {
			_, ret := device.GetTotalEccErrors(nvml.MEMORY_ERROR_TYPE_UNCORRECTED, nvml.VOLATILE_ECC)
			return ret
		},
		"retired pages":  func() nvml.Return { _, ret := device.GetRetiredPagesPendingStatus(); return ret },
		"remapped rows":  func() nvml.Return { _, _, _, _, ret := device.GetRemappedRows(); return ret },
		"CPU affinity":   func() nvml.Return { _, ret := device.GetCpuAffinity(4); return ret },
		"NUMA node":      func() nvml.Return { _, ret := device.GetNumaNodeId(); return ret },
		"MIG device":     func() nvml.Return { _, ret := device.GetMigDeviceHandleByIndex(0); return ret },
		"virtualization": func() nvml.Return { _, ret := device.GetVirtualizationMode(); return ret },
		"accounting":     func() nvml.Return { _, ret := device.GetAccountingMode(); return ret },
		"topology":       func() nvml.Return { _, ret := device.GetTopologyNearestGpus(nvml.TOPOLOGY_SYSTEM); return ret },
	}
}

// nvidiaMLPy returns a folder with nvidia-ml-py from PyPI. A machine without the
// network skips.
func nvidiaMLPy(t *testing.T, version string) string {
	t.Helper()
	folder, err := filepath.Abs(filepath.Join("../../build/cache", "nvidia-ml-py-"+version))
	if err != nil {
		t.Fatal(err)
	}
	if err := wheel.Package(t.Context(), folder, "nvidia-ml-py", version); err != nil {
		t.Fatal(err)
	}
	return folder
}

// TestPythonNVML does the same through NVIDIA's Python binding, of the driver's age and
// of a later one.
func TestPythonNVML(t *testing.T) {
	for _, version := range []string{"12.535.161", "13.580.82", "13.615.71"} {
		t.Run(version, func(t *testing.T) {
			h := startHost(t, testDescription(t))
			h.window.SetUsedMemory(3 << 20)
			h.window.SetUser(1, 4711, 3<<20)
			h.window.SetUser(window.MaxChannels-1, 4712, 0)
			cmd := exec.Command("python3", filepath.Join("testdata", "nvml_monitor.py"))
			cmd.Env = append(h.environment(), "PATH="+os.Getenv("PATH"), "LD_LIBRARY_PATH="+libraryFolder(t),
				"PYTHONPATH="+nvidiaMLPy(t, version), "PYTHONDONTWRITEBYTECODE=1")
			text, err := cmd.CombinedOutput()
			if err != nil {
				t.Fatalf("%v\n%s", err, text)
			}
			want := "NVIDIA H200 GPU-12345678-9abc-5def-8123-456789abcdef\n00000001:1B:02.0 found by address and by UUID\n" +
				"580.159.04 13000 (9, 0)\n17179869184 3145728\n42% 37C\n4711:3145728 4712:0\nno: Not Supported\ndone: Uninitialized\n"
			if string(text) != want {
				t.Errorf("prints\n%swant\n%s", text, want)
			}
		})
	}
}
