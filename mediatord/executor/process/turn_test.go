package process

import (
	"testing"

	"libvirt-vgpu/mediatord/executor/cuda/cudatest"
	"libvirt-vgpu/mediatord/executor/driver"
	"libvirt-vgpu/mediatord/executor/lease"
)

// fills notes what is filled.
type fills struct {
	driver.Driver
	addresses []uint64
}

func (f *fills) Fill(dst, _ uint64, _, element uint32, width, height uint64, _ driver.Stream) driver.Result {
	for i := range uint64(element) * width * height {
		f.addresses = append(f.addresses, dst+i)
	}
	return driver.Success
}

// What changes the GPU to this context changes nothing else: no memory that marks or the guest have, no
// capture, nothing that is parked.
func TestTouchChangesNothing(t *testing.T) {
	page, _ := leaseOf(t, limitedTerms())
	h, _ := onEmptyDriver(t, cudatest.BuildEmptyDriver(t), page)
	p := h.process
	f := &fills{Driver: p.Driver}
	p.Driver = f
	stream := lease.Stream{Context: p.current}
	p.Touch(stream)
	if len(f.addresses) == 0 {
		t.Fatal("the GPU has nothing to do")
	}
	first, end := p.turn.marks.address(), p.turn.marks.address()+uint64(len(p.turn.marks))
	for _, a := range f.addresses {
		if a < first+4*lease.MarkWords || a >= end {
			t.Errorf("%#x is filled; marks are from %#x, their memory ends at %#x", a, first, end)
		}
	}
	f.addresses = nil
	p.captures[0] = 0
	p.Touch(stream)
	delete(p.captures, 0)
	p.parking.moved = make([]*moved, 1)
	p.Touch(stream)
	p.parking.moved = nil
	if len(f.addresses) != 0 {
		t.Error("something is filled during a capture, or while memory is parked")
	}
}
