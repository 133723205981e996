package guest

import (
	"path/filepath"
	"testing"

	"libvirt-vgpu/tests/wheel"
)

// runtimeFrom returns NVIDIA's unmodified libcudart out of a wheel of PyPI.
func runtimeFrom(t *testing.T, distribution, version string) string {
	t.Helper()
	cache, err := filepath.Abs("../../build/cache")
	if err != nil {
		t.Fatal(err)
	}
	library, err := wheel.Cudart(t.Context(), cache, distribution, version)
	if err != nil {
		t.Fatal(err)
	}
	return library
}
