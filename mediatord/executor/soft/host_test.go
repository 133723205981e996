package soft

import (
	"testing"

	"libvirt-vgpu/mediatord/executor/driver"
)

// Registrations that share a page are each for themselves, in whatever order they
// come and go.
func TestRegistrationsShareAPage(t *testing.T) {
	d := open(t)
	_, base := mapAnonymous(t, 4*hostPage)
	steps := []struct {
		end           bool
		address, size uint64
		want          driver.Result
	}{
		{false, base + 100, 200, driver.Success},
		{false, base + 250, 100, driver.ErrorHostRegistered},
		{false, base + 300, 2 * hostPage, driver.Success},
		{false, base + 3*hostPage, 10, driver.Success},
		{true, base + 100, 0, driver.Success},
		{true, base + 100, 0, driver.ErrorHostNotRegistered},
		{false, base, 300, driver.Success},
		{true, base + 300, 0, driver.Success},
		{true, base, 0, driver.Success},
		{true, base + 3*hostPage, 0, driver.Success},
	}
	for i, s := range steps {
		r := driver.Success
		if s.end {
			r = d.HostUnregister(s.address)
		} else {
			r = d.HostRegister(s.address, s.size)
		}
		if r != s.want {
			t.Errorf("step %d: %d, want %d", i, r, s.want)
		}
	}
	if n := len(d.host.extents); n != 0 {
		t.Errorf("%d extents are left", n)
	}
}
