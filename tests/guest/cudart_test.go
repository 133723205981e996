package guest

import "testing"

// NVIDIA's runtimes, unmodified, accept the library (a failed handshake is error
// 103) and need no executor to say what device there is.
func TestRuntimesAcceptTheLibrary(t *testing.T) {
	program := compile(t, "cudart")
	for _, r := range []struct{ distribution, version, runtime string }{
		{"nvidia-cuda-runtime-cu11", "11.8.89", "11080"},
		{"nvidia-cuda-runtime-cu12", "12.1.105", "12010"},
		{"nvidia-cuda-runtime-cu12", "12.4.127", "12040"},
		{"nvidia-cuda-runtime-cu12", "12.6.77", "12060"},
		{"nvidia-cuda-runtime-cu12", "12.8.90", "12080"},
		{"nvidia-cuda-runtime-cu12", "12.9.79", "12090"},
		{"nvidia-cuda-runtime", "13.0.96", "13000"},
		{"nvidia-cuda-runtime", "13.5.37", "13050"},
	} {
		t.Run(r.runtime, func(t *testing.T) {
			library := runtimeFrom(t, r.distribution, r.version)
			for name, environment := range map[string][]string{"plain": nil, "with log table": {"VGPU_LOG_TABLE=1"}} {
				t.Run(name, func(t *testing.T) {
					h := startHost(t, testDescription(t))
					expect(t, run(t, h.environment(environment...), program, library), map[string]string{
						"runtime": r.runtime, "count_result": "0", "count": "1", "driver": "13000", "name": "NVIDIA H200",
						"major": "9", "pci": "0001:1b:02.0", "current": "0",
					})
					if n := h.started.Load(); n != 0 {
						t.Errorf("%d executors were asked for", n)
					}
					if n := h.opened.Load(); n != 1 {
						t.Errorf("%d channels were opened", n)
					}
				})
			}
		})
	}
}

func TestRuntimesReportNoDevice(t *testing.T) {
	program := compile(t, "cudart")
	library := runtimeFrom(t, "nvidia-cuda-runtime", "13.0.96")
	t.Run("hidden", func(t *testing.T) {
		h := startHost(t, testDescription(t))
		expect(t, run(t, h.environment("CUDA_VISIBLE_DEVICES=-1"), program, library), map[string]string{"count_result": "100"})
	})
	t.Run("older driver", func(t *testing.T) {
		d := testDescription(t)
		d.DriverVersion = 12040
		expect(t, run(t, startHost(t, d).environment(), program, library), map[string]string{"count_result": "35"})
	})
}
