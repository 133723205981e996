package process

import (
	"encoding/binary"
	"fmt"
	"testing"

	"libvirt-vgpu/mediatord/executor/control"
	"libvirt-vgpu/mediatord/executor/driver"
	"libvirt-vgpu/mediatord/executor/guesttest"
	"libvirt-vgpu/plugin/window"
)

const mib = 1 << 20

func (h *harness) used() uint64 { return h.Account.Used(guesttest.Channel) }

func TestBlocksCountAgainstTheQuota(t *testing.T) {
	h := inContext(t)
	va := window.DeviceBase
	h.must("mem_block", va, 40*mib)
	if r, _ := h.call("mem_block", va+64*mib, 26*mib); r != driver.ErrorOutOfMemory {
		t.Errorf("over the quota: %d", r)
	}
	h.driver.Fail["MapBlock"] = driver.ErrorMapFailed
	if r, _ := h.call("mem_block", va+64*mib, 2*mib); r != driver.ErrorMapFailed {
		t.Errorf("the driver's failure became %d", r)
	}
	if h.used() != 40*mib {
		t.Errorf("%d bytes used", h.used())
	}
	info := h.must("mem_info")
	if free, total := binary.LittleEndian.Uint64(info), binary.LittleEndian.Uint64(info[8:]); free != 24*mib || total != testQuota {
		t.Errorf("%d of %d are free", free, total)
	}
	if r := h.post("mem_unblock", va+1); r != driver.ErrorInvalidValue {
		t.Errorf("unknown block: %d", r)
	}
	h.post("mem_unblock", va)
	if h.used() != 0 {
		t.Errorf("%d bytes used at the end", h.used())
	}
}

func TestBlocksStayInTheDeviceRange(t *testing.T) {
	h := inContext(t)
	for _, b := range [][2]uint64{
		{0, 2 * mib}, {window.DeviceBase - 2*mib, 2 * mib}, {window.DeviceBase + window.DeviceSize, 2 * mib},
		{window.DeviceBase + window.DeviceSize - 2*mib, 4 * mib}, {window.DeviceBase + 4096, 2 * mib}, {window.DeviceBase, 4096},
		{window.DeviceBase, 0}, {window.DeviceBase, 1<<64 - 2*mib}, {window.PinnedBase, 2 * mib},
	} {
		if r, _ := h.call("mem_block", b[0], b[1]); r != driver.ErrorInvalidValue {
			t.Errorf("block of %#x at %#x: %d", b[1], b[0], r)
		}
		if r, _ := h.call("mem_reserve", b[0], b[1]); r != driver.ErrorInvalidValue {
			t.Errorf("reservation of %#x at %#x: %d", b[1], b[0], r)
		}
	}
	h.want()
}

func TestInfoNeverPromisesMoreThanTheDeviceHas(t *testing.T) {
	h := inContext(t, func(c *Config) {
		a, err := window.CreateAccount("unlimited", 0)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = a.Close() })
		c.Account = a
	})
	h.must("mem_block", window.DeviceBase, 1024*mib)
	info := h.must("mem_info")
	if free, total := binary.LittleEndian.Uint64(info), binary.LittleEndian.Uint64(info[8:]); free != 50e9 || total != 80e9 {
		t.Errorf("without a quota %d of %d are free", free, total)
	}
}

func properties(change ...func([]byte)) []byte {
	p := make([]byte, 32)
	binary.LittleEndian.PutUint32(p, allocationPinned)
	binary.LittleEndian.PutUint32(p[propLocation:], locationDevice)
	p[propFlags] = 1 // compression
	for _, f := range change {
		f(p)
	}
	return p
}

func TestCreatedMemoryCountsUntilNothingHoldsIt(t *testing.T) {
	h := inContext(t)
	va := window.DeviceBase
	h.must("mem_create", 1, 8*mib, properties(), 0)
	h.must("mem_reserve", va, 32*mib)
	h.must("mem_map", va, 4*mib, 0, 1, 0)
	h.must("mem_map", va+16*mib, 4*mib, 4*mib, 1, 0)
	h.must("mem_set_access", va, 4*mib, 1, []byte{1, 0, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0})
	h.must("mem_release", 1)
	if h.used() != 8*mib {
		t.Errorf("released but mapped: %d bytes used", h.used())
	}
	h.must("mem_unmap", va, 8*mib)
	if h.used() != 8*mib {
		t.Errorf("one mapping left: %d bytes used", h.used())
	}
	h.must("mem_unmap", va+16*mib, 4*mib)
	if h.used() != 0 {
		t.Errorf("nothing left: %d bytes used", h.used())
	}
	h.want("MemoryCreate 8388608 false [1 0 0 0 0 0 0 0]", fmt.Sprintf("AddressReserve %d %d", va, 32*mib),
		fmt.Sprintf("MemoryMap %d %d 0 1001", va, 4*mib), fmt.Sprintf("MemoryMap %d %d %d 1001", va+16*mib, 4*mib, 4*mib),
		fmt.Sprintf("SetAccess %d %d 3", va, 4*mib), "MemoryRelease 1001",
		fmt.Sprintf("MemoryUnmap %d %d", va, 8*mib), fmt.Sprintf("MemoryUnmap %d %d", va+16*mib, 4*mib))
}

func TestCreateRefuses(t *testing.T) {
	h := inContext(t)
	set := func(at int, value uint32) func([]byte) {
		return func(p []byte) { binary.LittleEndian.PutUint32(p[at:], value) }
	}
	for name, tc := range map[string]struct {
		size  uint64
		p     []byte
		flags uint64
		want  driver.Result
	}{
		"flags":          {2 * mib, properties(), 1, driver.ErrorInvalidValue},
		"size 0":         {0, properties(), 0, driver.ErrorInvalidValue},
		"odd size":       {2*mib + 1, properties(), 0, driver.ErrorInvalidValue},
		"type":           {2 * mib, properties(set(propType, 2)), 0, driver.ErrorInvalidValue},
		"fabric handle":  {2 * mib, properties(set(propHandleTypes, 8)), 0, driver.ErrorNotSupported},
		"host memory":    {2 * mib, properties(set(propLocation, 2)), 0, driver.ErrorNotSupported},
		"pointer":        {2 * mib, properties(set(propWin32, 1)), 0, driver.ErrorNotSupported},
		"device 1":       {2 * mib, properties(set(propLocationID, 1)), 0, driver.ErrorInvalidDevice},
		"over the quota": {testQuota + 2*mib, properties(), 0, driver.ErrorOutOfMemory},
		"huge":           {1<<64 - 2*mib, properties(), 0, driver.ErrorOutOfMemory},
	} {
		if r, _ := h.call("mem_create", 1, tc.size, tc.p, tc.flags); r != tc.want {
			t.Errorf("%s: %d, want %d", name, r, tc.want)
		}
	}
	h.want()
	if h.used() != 0 {
		t.Errorf("%d bytes used", h.used())
	}
	h.violates("mem_set_access", window.DeviceBase, 2*mib, 2, make([]byte, 12))
	h.violates("mem_set_access", window.DeviceBase, 2*mib, 1<<31, make([]byte, 12))
}

func TestPinnedMemoryBeforeAndInAContext(t *testing.T) {
	h := newHarness(t)
	h.Own(0, 3)
	h.must("map_pinned", h.base, 0, 1, 0)
	h.want()
	h.must("primary_retain", 0)
	h.Context = primary
	h.must("map_pinned", h.base+4*window.ChunkSize, window.ChunkSize, 2, 0)
	h.want("PrimaryRetain 0", "SetCurrent 1000", "HostRegister FENCES 16384", fmt.Sprintf("HostRegister %d %d", h.base, window.ChunkSize),
		fmt.Sprintf("HostRegister %d %d", h.base+4*window.ChunkSize, 2*window.ChunkSize))
	h.must("unmap_pinned", h.base)
	h.want(fmt.Sprintf("HostUnregister %d", h.base))
	if r, _ := h.call("unmap_pinned", h.base); r != driver.ErrorInvalidValue {
		t.Errorf("unmapped twice: %d", r)
	}
	h.driver.Fail["HostRegister"] = driver.ErrorOutOfMemory
	if r, _ := h.call("map_pinned", h.base, 0, 1, 0); r != driver.ErrorOutOfMemory || h.process.Pinned.At(h.base) != nil {
		t.Errorf("not registered: %d, mapping %v", r, h.process.Pinned.At(h.base))
	}
	h.violates("map_pinned", h.base, 5*window.ChunkSize, 1, 0)
	h.violates("map_pinned", h.base-window.ChunkSize, 0, 1, 0)
}

func TestMemoryThatStaysRegisteredEndsTheExecutor(t *testing.T) {
	h := inContext(t)
	h.Own(0, 1)
	h.must("map_pinned", h.base, 0, 1, 0)
	h.driver.Fail["HostUnregister"] = driver.ErrorUnknown
	h.Push(h.Record(0, "unmap_pinned", h.base))
	if _, err := h.consumer.Step(); err == nil || h.process.Pinned.At(h.base) == nil {
		t.Errorf("error %v, mapping %v", err, h.process.Pinned.At(h.base))
	}
	h.skip()
	h.driver.Fail["HostUnregister"] = driver.ErrorLaunchFailed // nothing runs any more
	h.must("unmap_pinned", h.base)
}

func TestRevokeDropsTheMapping(t *testing.T) {
	h := inContext(t)
	h.Own(0, 3)
	h.must("map_pinned", h.base, 0, 2, 0)
	h.driver.Calls()
	h.process.Revoke(1)
	h.process.Revoke(2)
	h.consumer.Wake()
	if _, err := h.consumer.Step(); err != nil {
		t.Fatal(err)
	}
	h.want(fmt.Sprintf("HostUnregister %d", h.base))
	if h.process.Pinned.At(h.base) != nil {
		t.Error("still mapped")
	}
	m := h.sent()
	if len(m) != 2 || m[0].Type != control.Revoked || *m[0].Chunk != 1 || *m[1].Chunk != 2 {
		t.Errorf("messages are %+v", m)
	}
}

func TestCopiesTouchOnlyPinnedMemory(t *testing.T) {
	h := inContext(t)
	h.Own(0, 1)
	h.must("map_pinned", h.base, 0, 1, 0)
	h.driver.Calls()
	h.post("copy_htod", 77, h.base+4096, window.ChunkSize-4096, 0)
	h.post("copy_dtoh", h.base, 88, 5, 0)
	h.post("copy_htod_inline", 99, 0, "abc")
	h.post("copy_htod_inline", 99, 0, "")
	h.want(fmt.Sprintf("CopyHtoD 77 %d %d 0", h.base+4096, window.ChunkSize-4096), fmt.Sprintf("CopyDtoH %d 88 5 0", h.base), "CopyHtoDBytes 99 [97 98 99] 0")
	h.violates("copy_htod", 77, h.base+4096, window.ChunkSize, 0)
	h.violates("copy_dtoh", h.process.Channel.FenceAddress(), 77, 8, 0)
	h.violates("copy_dtoh", h.base, 77, uint64(1<<63), 0)
	h.want()
}

func TestFill(t *testing.T) {
	h := inContext(t)
	h.post("fill", 1, 2, 3, 4, 5, 6, 0)
	h.post("fill", 1, 2, 3, 4, 0, 6, 0)
	if r := h.post("fill", 1, 2, 3, 3, 5, 6, 0); r != driver.ErrorInvalidValue {
		t.Errorf("elements of 3 bytes: %d", r)
	}
	h.want("Fill 1 2 3 4 5 6 0")
}

// copy3D is CUDA_MEMCPY3D from pinned to device memory.
func copy3D(host, device uint64, change ...func([]byte)) []byte {
	c := make([]byte, 200)
	put := func(at int, v uint64) { binary.LittleEndian.PutUint64(c[at:], v) }
	put(0, 16) // source x
	put(8, 1)  // y
	put(16, 1) // z
	put(32, 1) // host
	put(40, host)
	put(72, 256) // pitch
	put(80, 8)   // height
	put(88+32, 2)
	put(88+48, device)
	put(88+72, 128)
	put(88+80, 4)
	put(176, 64)
	put(184, 4)
	put(192, 2)
	for _, f := range change {
		f(c)
	}
	return c
}

func TestCopy3D(t *testing.T) {
	h := inContext(t)
	h.Own(0, 1)
	h.must("map_pinned", h.base, 0, 1, 0)
	h.driver.Calls()
	h.post("copy_3d", copy3D(h.base, 99), 0)
	h.want(fmt.Sprintf("Copy3D &{{16 1 1 0 1 %d 256 8} {0 0 0 0 2 99 128 4} 64 4 2} 0", h.base))
	// source: slice 1 and 2, rows 1 to 4 of 8, 80 bytes of 256
	last := uint64(2*8*256 + 4*256 + 80)
	if r := h.post("copy_3d", copy3D(h.base+window.ChunkSize-last, 99), 0); r != 0 {
		t.Errorf("the last bytes: %d", r)
	}
	h.violates("copy_3d", copy3D(h.base+window.ChunkSize-last+1, 99), 0)
	put := func(at int, v uint64) func([]byte) {
		return func(c []byte) { binary.LittleEndian.PutUint64(c[at:], v) }
	}
	h.violates("copy_3d", copy3D(h.base, 99, put(16, 1<<30)), 0)
	h.driver.Calls()
	for name, c := range map[string][]byte{
		"huge pitch":    copy3D(h.base, 99, put(72, 1<<62)),
		"huge z":        copy3D(h.base, 99, put(16, 1<<40)),
		"huge width":    copy3D(h.base, 99, put(176, 1<<63)),
		"depth by rows": copy3D(h.base, 99, put(192, 1<<40), put(72, 1<<40)),
	} {
		if r := h.post("copy_3d", c, 0); r != driver.ErrorInvalidValue {
			t.Errorf("%s: %d", name, r)
		}
	}
	h.post("copy_3d", copy3D(0, 0, put(192, 0)), 0)
	h.want()
}
