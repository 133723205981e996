package gpu_test

import (
	"syscall"
	"testing"
	"unsafe"

	"libvirt-vgpu/mediatord/executor/soft/gpu"
)

func TestAllocations(t *testing.T) {
	d, err := gpu.New(gpu.Config{Memory: 1 << 20})
	must(t, err)
	defer d.Close()
	free, total := d.MemInfo()
	if free != 1<<20 || total != 1<<20 {
		t.Errorf("%d of %d free at first", free, total)
	}
	_, err = d.Alloc(0)
	wantCode(t, "nothing", err, gpu.InvalidValue)
	_, err = d.Alloc(1<<20 + 1)
	wantCode(t, "more than there is", err, gpu.OutOfMemory)
	a, err := d.Alloc(600 << 10)
	must(t, err)
	_, err = d.Alloc(600 << 10)
	wantCode(t, "more than is left", err, gpu.OutOfMemory)
	b, err := d.Alloc(5)
	must(t, err)
	if base, size, ok := d.Bounds(b + 4); !ok || base != b || size != 4096 {
		t.Errorf("bounds of %#x: %#x+%d %v", b, base, size, ok)
	}
	wantCode(t, "inside of an allocation", d.Free(a+4096), gpu.InvalidValue)
	must(t, d.Free(a))
	must(t, d.Free(b))
	wantCode(t, "second free", d.Free(b), gpu.InvalidValue)
	if free, _ := d.MemInfo(); free != 1<<20 {
		t.Errorf("%d free in the end", free)
	}
}

func TestAllocAtChosenAddress(t *testing.T) {
	d := newDevice(t)
	const va = 0x7000_0000_0000
	must(t, d.AllocAt(va, 10000))
	if base, size, ok := d.Bounds(va + 10000); !ok || base != va || size != 12288 {
		t.Errorf("bounds: %#x+%d %v", base, size, ok)
	}
	wantCode(t, "overlap", d.AllocAt(va+8192, 4096), gpu.InvalidValue)
	wantCode(t, "no page", d.AllocAt(va+1<<20+5, 4096), gpu.InvalidValue)
	must(t, d.Free(va))
	must(t, d.AllocAt(va, 4096))
	// In a reservation, which stays when the memory goes.
	base, err := d.Reserve(1<<20, 0, va+1<<30)
	must(t, err)
	must(t, d.AllocAt(base+4096, 4096))
	wantCode(t, "reservation in use", d.FreeReservation(base, 1<<20), gpu.InvalidValue)
	must(t, d.Free(base+4096))
	must(t, d.FreeReservation(base, 1<<20))
}

func TestVirtualMemory(t *testing.T) {
	d := newDevice(t)
	const size = 2 << 20
	before, _ := d.MemInfo()
	va, err := d.Reserve(4*size, size, 0)
	must(t, err)
	if va%size != 0 {
		t.Errorf("reservation at %#x", va)
	}
	_, err = d.Reserve(size, 0, va+size)
	wantCode(t, "reserved address", err, gpu.InvalidValue)
	m, err := d.CreateMemory(size)
	must(t, err)
	must(t, d.MapMemory(va, size, 0, m))
	wantCode(t, "mapping twice", d.MapMemory(va, size, 0, m), gpu.InvalidValue)
	wantCode(t, "mapping outside of a reservation", d.MapMemory(va+4*size, size, 0, m), gpu.InvalidValue)
	wantCode(t, "mapping too much", d.MapMemory(va+size, size, 4096, m), gpu.InvalidValue)
	must(t, d.MapMemory(va+2*size, size, 0, m)) // the same memory at another address
	s := d.DefaultStream()
	wantCode(t, "no access", s.CopyToDevice(va, []byte{1}), gpu.InvalidValue)
	must(t, d.SetAccess(va, size, gpu.ReadWrite))
	must(t, d.SetAccess(va+2*size, size, gpu.ReadOnly))
	must(t, s.CopyToDevice(va+100, []byte{1, 2, 3}))
	wantCode(t, "writing to read-only memory", s.CopyToDevice(va+2*size, []byte{1}), gpu.InvalidValue)
	back := make([]byte, 3)
	must(t, s.CopyFromDevice(back, va+2*size+100))
	must(t, s.Synchronize())
	if back[0] != 1 || back[1] != 2 || back[2] != 3 {
		t.Errorf("the alias holds %v", back)
	}
	must(t, d.ReleaseMemory(m))
	wantCode(t, "second release", d.ReleaseMemory(m), gpu.InvalidValue)
	wantCode(t, "mapping released memory", d.MapMemory(va+size, size, 0, m), gpu.InvalidValue)
	if free, _ := d.MemInfo(); free != before-size {
		t.Errorf("%d free while mapped, want %d", free, before-size)
	}
	wantCode(t, "unmapping half", d.UnmapMemory(va, size/2), gpu.InvalidValue)
	must(t, d.UnmapMemory(va, size))
	must(t, d.UnmapMemory(va+2*size, size))
	must(t, d.FreeReservation(va, 4*size))
	if free, _ := d.MemInfo(); free != before {
		t.Errorf("%d free in the end, want %d", free, before)
	}
}

// TestLentMemory maps memory of the process at the address that it has, as
// pinned memory is.
func TestLentMemory(t *testing.T) {
	page, err := syscall.Mmap(-1, 0, 8192, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_SHARED|syscall.MAP_ANON)
	must(t, err)
	defer func() { _ = syscall.Munmap(page) }()
	d := newDevice(t)
	va := uint64(uintptr(unsafe.Pointer(&page[0])))
	must(t, d.MapHost(va, page))
	f := function(t, loadFile(t, d, "kernels.ptx"), "vectorAdd")
	x := ramp(512, func(i int) float64 { return float64(i) })
	copy(page, bytesOf(x))
	launch(t, d, f, 2, 256, va, va, va+4096, int32(512))
	for i, got := range unsafe.Slice((*float32)(unsafe.Pointer(&page[4096])), 512) {
		if got != 2*x[i] {
			t.Fatalf("c[%d] = %v", i, got)
		}
	}
	free, total := d.MemInfo()
	if total-free > 1<<20 {
		t.Errorf("lent memory counts as device memory: %d used", total-free)
	}
	wantCode(t, "free of lent memory", d.Free(va), gpu.InvalidValue)
	must(t, d.UnmapHost(va))
	wantCode(t, "unmapping twice", d.UnmapHost(va), gpu.InvalidValue)
	wantCode(t, "kernel after the end of the loan", tryLaunch(t, d, f, 2, 256, va, va, va+4096, int32(512)), gpu.IllegalAddress)
}

// TestUnmapWhileKernelRuns takes memory away under a kernel that uses it.
func TestUnmapWhileKernelRuns(t *testing.T) {
	d := newDevice(t)
	f := function(t, loadFile(t, d, "kernels.ptx"), "spinForever")
	data := make([]byte, 4096)
	const va = 0x5000_0000_0000
	must(t, d.MapHost(va, data))
	s := newStream(t, d, true)
	must(t, s.Launch(gpu.Launch{Function: f, Grid: [3]uint32{1, 1, 1}, Block: [3]uint32{32, 1, 1}, Params: params(t, f, uint64(va))}))
	must(t, d.UnmapHost(va))
	wantCode(t, "synchronise", s.Synchronize(), gpu.IllegalAddress)
}

func TestModuleMemoryComesBack(t *testing.T) {
	d := newDevice(t)
	before, _ := d.MemInfo()
	m := loadFile(t, d, "kernels.ptx")
	if free, _ := d.MemInfo(); free >= before {
		t.Error("the module's variables take no memory")
	}
	must(t, m.Unload())
	wantCode(t, "second unload", m.Unload(), gpu.InvalidHandle)
	if free, _ := d.MemInfo(); free != before {
		t.Errorf("%d free after unloading, want %d", free, before)
	}
}
