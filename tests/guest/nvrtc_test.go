package guest

import (
	"path/filepath"
	"testing"

	"libvirt-vgpu/tests/wheel"
)

// An unmodified NVRTC finds what another process compiled, and gets what it would
// have compiled, whichever stage of the compiler an option is for.
func TestNVRTCFindsWhatItCompiledBefore(t *testing.T) {
	folder, err := filepath.Abs("../../build/cache/nvidia-cuda-nvrtc-13.0.88")
	if err != nil {
		t.Fatal(err)
	}
	mustBeFetched(t, wheel.Package(t.Context(), folder, "nvidia-cuda-nvrtc", "13.0.88"))
	libraries := filepath.Join(folder, "nvidia", "cu13", "lib")
	program, h, store := compile(t, "nvrtc"), startHost(t, testDescription(t)), t.TempDir()
	compiled := func(options []string, environment ...string) map[string]string {
		t.Helper()
		environment = append(environment, "CUDA_CACHE_PATH="+store, "LD_LIBRARY_PATH="+libraryFolder(t)+":"+libraries)
		return run(t, h.environment(environment...), program, append([]string{filepath.Join(libraries, "libnvrtc.so.13")}, options...)...)
	}
	for _, options := range [][]string{
		{"-arch=sm_90"}, {"-arch=sm_90", "-ftz=true"}, {"-arch=sm_90", "-prec-div=false"}, {"-arch=sm_90", "-maxrregcount=32"}, {"-arch=sm_90a"},
		{"-arch=sm_90", "-lineinfo"},
	} {
		fresh := compiled(options, "CUDA_CACHE_DISABLE=1")
		expect(t, fresh, map[string]string{"found": "0", "added": "0"})
		expect(t, compiled(options), map[string]string{"found": "0", "added": "2", "cubin": fresh["cubin"]})
		expect(t, compiled(options), map[string]string{"found": "2", "added": "0", "cubin": fresh["cubin"]})
	}
}
