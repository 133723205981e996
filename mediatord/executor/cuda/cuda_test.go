package cuda

import (
	"errors"
	"strings"
	"testing"

	"libvirt-vgpu/mediatord/executor/driver"
	"libvirt-vgpu/plugin/window"
)

func TestOpenSaysWhatIsMissing(t *testing.T) {
	if _, err := open("libvgpu-test-missing.so.1"); err == nil || !strings.Contains(err.Error(), "libvgpu-test-missing.so.1") {
		t.Errorf("error is %v", err)
	}
	d, err := Open("0")
	if err == nil {
		checkDescription(t, d)
		return
	}
	var failed *driver.Error
	if !errors.Is(err, ErrNoDriver) && !errors.As(err, &failed) {
		t.Errorf("foreign error %v", err)
	}
}

// checkDescription runs where there is a GPU.
func checkDescription(t *testing.T, d *Driver) {
	description, err := d.Describe()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := description.MarshalBinary(); err != nil {
		t.Error(err)
	}
	if description.Name == "" || description.TotalMemory == 0 || description.Attributes[1].Value == 0 || len(description.Attributes) != window.DescAttributes {
		t.Errorf("description is %+v", description)
	}
}

func TestLoadNamesEveryMissingSymbol(t *testing.T) {
	library, err := open("libc.so.6")
	if err != nil {
		t.Skipf("no C library to look into: %v", err)
	}
	if symbol(library, "malloc") == nil || symbol(library, "cuInit") != nil {
		t.Error("wrong look-up")
	}
}

func TestContextFlags(t *testing.T) {
	// scheduling and core dump flags are not the guest's to choose
	if got := contextFlags(0xff); got != 0x9c {
		t.Errorf("flags %#x", got)
	}
}
