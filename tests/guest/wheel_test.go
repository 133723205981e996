package guest

import (
	"errors"
	"path/filepath"
	"testing"

	"libvirt-vgpu/tests/wheel"
)

// runtimeFrom returns NVIDIA's unmodified libcudart out of a wheel of PyPI.
// A machine without the network skips.
func runtimeFrom(t *testing.T, distribution, version string) string {
	t.Helper()
	cache, err := filepath.Abs("../../build/cache")
	if err != nil {
		t.Fatal(err)
	}
	library, err := wheel.Cudart(t.Context(), cache, distribution, version)
	mustBeFetched(t, err)
	return library
}

// mustBeFetched ends a test that has no package of PyPI: a machine without the network
// skips it, anything else is a failure.
func mustBeFetched(t *testing.T, err error) {
	t.Helper()
	if errors.Is(err, wheel.ErrFetch) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
}
