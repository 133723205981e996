package guest

import (
	"testing"
	"time"

	"libvirt-vgpu/plugin/window"
)

func TestNVML(t *testing.T) {
	program := compile(t, "nvml")
	t.Run("device", func(t *testing.T) {
		h := startHost(t, testDescription(t))
		expect(t, run(t, h.environment("CUDA_VISIBLE_DEVICES="), program), map[string]string{
			"init": "0", "driver": "580.159.04", "nvml": "13.580.159.04", "cuda": "13000", "count": "1",
			"name": "NVIDIA H200", "uuid": "GPU-12345678-9abc-5def-8123-456789abcdef",
			"utilization": "42", "temperature": "37", "power": "error 3", "capability": "9.0", "architecture": "9",
			"graphics_clock": "1980", "total": "17179869184", "used": "1073741824", "free": "16106127360",
			"pci": "00000001:1B:02.0", "pci_short": "0001:1B:02.0", "pci_numbers": "1:27:2",
			"pci_device": "233510de", "pci_subsystem": "18be10de", "processes": "0",
			"error": "Not Supported", "unknown": "Unknown Error",
		})
		if n := h.started.Load(); n != 0 {
			t.Errorf("%d executors were asked for", n)
		}
		if n := h.opened.Load(); n != 2 {
			t.Errorf("%d channels were opened, want one by the program and one by its child", n)
		}
		for deadline := time.Now().Add(time.Minute); h.open.Load() != 0; time.Sleep(time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatal("a channel stays open")
			}
		}
	})
	t.Run("live values", func(t *testing.T) {
		h := startHost(t, testDescription(t))
		h.window.SetUser(0, 4711, 1<<30)
		h.window.SetUser(window.MaxChannels-1, 4712, 5)
		h.window.SetUsedMemory(2 << 30)
		h.window.SetSensors(7, 0, 123456)
		expect(t, run(t, h.environment(), program), map[string]string{
			"used": "2147483648", "utilization": "7", "temperature": "error 3", "power": "123456", "power_field": "0 1 123456",
			"processes": "2", "process0": "4711 1073741824", "process1": "4712 5",
		})
	})
	t.Run("no device", func(t *testing.T) {
		d := &window.Description{DriverVersion: 13000, DriverString: "580.159.04"}
		expect(t, run(t, startHost(t, d).environment(), program), map[string]string{"init": "0", "count": "0"})
	})
	t.Run("no host", func(t *testing.T) {
		expect(t, run(t, []string{"VGPU_SOCKET=/nonexistent"}, program), map[string]string{"init": "9"})
	})
}
