package cuda

import (
	"testing"
	"unsafe"

	"libvirt-vgpu/mediatord/executor/driver"
)

// A driver that lacks one of the functions cannot checkpoint, and says so.
func TestCheckpointNeedsAllFunctions(t *testing.T) {
	some := unsafe.Pointer(new(int))
	var d Driver
	d.checkpoint.load(func(name string) unsafe.Pointer {
		if name == "cuCheckpointProcessRestore" {
			return nil
		}
		return some
	})
	if d.checkpoint != (checkpointSymbols{}) {
		t.Errorf("loaded %+v", d.checkpoint)
	}
	if r, intact := d.Checkpoint(); r != driver.ErrorNotSupported || !intact {
		t.Errorf("result %d, intact %v", r, intact)
	}
	d.checkpoint.load(func(string) unsafe.Pointer { return some })
	if want := (checkpointSymbols{some, some, some, some, some}); d.checkpoint != want {
		t.Errorf("loaded %+v", d.checkpoint)
	}
}
