package guest

import (
	"testing"

	"libvirt-vgpu/plugin/window"
)

func TestDigests(t *testing.T) {
	program := compile(t, "digest", "../../guest/libcuda/md2.c", "../../guest/libcuda/integrity.c")
	run(t, nil, program)
}

func TestRingRoom(t *testing.T) {
	run(t, nil, compile(t, "ring_room"))
}

func TestVisibleDevices(t *testing.T) {
	run(t, nil, compile(t, "visible", "../../guest/libcuda/visible.c"))
}

func TestContextLocalStorage(t *testing.T) {
	run(t, nil, compile(t, "local_storage", "../../guest/libcuda/local_storage.c"))
}

func TestGetProcAddress(t *testing.T) {
	run(t, nil, compile(t, "procaddr"), "testdata/cudart-13.0-proc-requests.txt")
}

func TestExportTables(t *testing.T) {
	run(t, nil, compile(t, "tables"))
}

func TestErrorNames(t *testing.T) {
	run(t, nil, compile(t, "errors"))
}

func TestProcess(t *testing.T) {
	program := compile(t, "process")
	seen := map[string]string{
		"init": "0", "devices": "1", "name": "NVIDIA H200", "memory": "17179869184", "capability": "9.0",
		"uuid": "123456789abc5def8123456789abcdef", "pci": "0001:1b:02.0", "bus": "27", "device": "2", "domain": "1",
		"multiprocessors": "132", "version_before": "13000", "child_before": "0", "loading": "2", "exit": "4",
	}
	t.Run("device", func(t *testing.T) {
		h := startHost(t, testDescription(t))
		expect(t, run(t, h.environment(), program), seen)
		if h.started.Load() != 0 {
			t.Error("looking at the device started an executor")
		}
	})
	t.Run("eager loading", func(t *testing.T) {
		h := startHost(t, testDescription(t))
		expect(t, run(t, h.environment("CUDA_MODULE_LOADING=EAGER"), program), map[string]string{"loading": "1"})
	})
	t.Run("older driver", func(t *testing.T) {
		d := testDescription(t)
		d.DriverVersion = 12080
		expect(t, run(t, startHost(t, d).environment(), program), map[string]string{"version_before": "12080"})
	})
	t.Run("newer driver", func(t *testing.T) {
		d := testDescription(t)
		d.DriverVersion = 13020
		expect(t, run(t, startHost(t, d).environment(), program), map[string]string{"version_before": "13000"})
	})

	none := map[string]string{"init": "100", "child_before": "100", "version_before": "13000"}
	t.Run("hidden", func(t *testing.T) {
		h := startHost(t, testDescription(t))
		expect(t, run(t, h.environment("CUDA_VISIBLE_DEVICES="), program), none)
	})
	t.Run("named twice", func(t *testing.T) {
		h := startHost(t, testDescription(t))
		expect(t, run(t, h.environment("CUDA_VISIBLE_DEVICES=0,0"), program), map[string]string{"init": "101", "child_before": "101"})
	})
	t.Run("no device", func(t *testing.T) {
		expect(t, run(t, startHost(t, &window.Description{DriverVersion: 13000}).environment(), program), none)
	})
	t.Run("no host", func(t *testing.T) {
		expect(t, run(t, []string{"VGPU_SOCKET=/nonexistent"}, program), none)
	})
}
