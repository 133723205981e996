package guest

import (
	"path/filepath"
	"testing"

	"libvirt-vgpu/tests/wheel"
)

// fetchedLibrary is the path of one of NVIDIA's unmodified libraries for CUDA 13, from a
// package of Python's registry.
func fetchedLibrary(t *testing.T, name, distribution, version string) string {
	t.Helper()
	folder, err := filepath.Abs(filepath.Join("../../build/cache", distribution+"-"+version))
	if err != nil {
		t.Fatal(err)
	}
	if err := wheel.Package(t.Context(), folder, distribution, version); err != nil {
		t.Fatal(err)
	}
	return filepath.Join(folder, "nvidia", "cu13", "lib", name)
}

// An unmodified NVRTC finds what another process compiled, and gets what it would
// have compiled, whichever stage of the compiler an option is for.
func TestNVRTCFindsWhatItCompiledBefore(t *testing.T) {
	library := fetchedLibrary(t, "libnvrtc.so.13", "nvidia-cuda-nvrtc", "13.0.88")
	program, h, store := compile(t, "nvrtc"), startHost(t, testDescription(t)), t.TempDir()
	compiled := func(options []string, environment ...string) map[string]string {
		t.Helper()
		environment = append(environment, "CUDA_CACHE_PATH="+store, "LD_LIBRARY_PATH="+libraryFolder(t)+":"+filepath.Dir(library))
		return run(t, h.environment(environment...), program, append([]string{library}, options...)...)
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

// nvJitLink asks by the same table, for what is linked of several parts: it gets what it
// would have linked, whatever was linked and compiled before.
func TestNvJitLinkLinksBesideTheCache(t *testing.T) {
	nvrtc := fetchedLibrary(t, "libnvrtc.so.13", "nvidia-cuda-nvrtc", "13.0.88")
	linking := fetchedLibrary(t, "libnvJitLink.so.13", "nvidia-nvjitlink", "13.0.88")
	program, h, store := compile(t, "nvjitlink"), startHost(t, testDescription(t)), t.TempDir()
	linked := func(arguments []string, environment ...string) string {
		t.Helper()
		environment = append(environment, "CUDA_CACHE_PATH="+store, "LD_LIBRARY_PATH="+libraryFolder(t)+":"+filepath.Dir(nvrtc))
		return run(t, h.environment(environment...), program, append([]string{nvrtc, linking}, arguments...)...)["cubin"]
	}
	answers := map[string]bool{}
	for _, arguments := range [][]string{
		{"2", "-arch=sm_90"}, {"3", "-arch=sm_90"}, {"2", "-arch=sm_90", "-ftz=1"}, {"2", "-arch=sm_90", "-prec-div=0"},
		{"2", "-arch=sm_90", "-maxrregcount=16"}, {"2", "-arch=sm_90a"},
	} {
		fresh := linked(arguments, "CUDA_CACHE_DISABLE=1")
		for range 2 {
			if got := linked(arguments); got != fresh || got == "" {
				t.Errorf("%v: linked %q, want %q", arguments, got, fresh)
			}
		}
		answers[fresh] = true
	}
	if len(answers) != 6 {
		t.Errorf("%d different answers, want 6: the arguments do not tell links apart", len(answers))
	}
}
