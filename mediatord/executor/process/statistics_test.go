package process

import (
	"encoding/binary"
	"testing"

	"libvirt-vgpu/mediatord/executor/driver"
	"libvirt-vgpu/mediatord/executor/guesttest"
	"libvirt-vgpu/plugin/window"
)

// box is a CUDA_MEMCPY3D of 8 x 3 x 2 bytes.
func box(from, to uint32, host uint64) []byte {
	b := make([]byte, 200)
	le := binary.LittleEndian
	for at, kind := range map[int]uint32{0: from, 88: to} {
		le.PutUint32(b[at+32:], kind)
		le.PutUint64(b[at+40:], host)
		le.PutUint64(b[at+48:], 0x1000)
		le.PutUint64(b[at+72:], 8) // pitch
		le.PutUint64(b[at+80:], 3) // height
	}
	for at, extent := range map[int]uint64{176: 8, 184: 3, 192: 2} {
		le.PutUint64(b[at:], extent)
	}
	return b
}

func TestStatisticsCountWhatTheDriverTook(t *testing.T) {
	h := inContext(t)
	h.function(9)
	h.Own(0, 1)
	h.must("map_pinned", h.base, 0, 1, 0)
	h.must("graph_create", 1, 0)
	h.must("graph_instantiate", 1, 1, 0)
	h.process.Idle()
	before := h.Account.Statistics(guesttest.Channel)
	if before.Waits < 4 || before.Calls <= before.Waits {
		t.Errorf("the calls that prepare count as %+v", before)
	}
	h.post("launch", 9, 1, 1, 1, 32, 1, 1, 0, 0, make([]byte, 64))
	h.post("launch_ex", 9, 0, 1, 1, 1, 32, 1, 1, 0, 0, 1, make([]byte, 100))
	h.post("launch_cooperative", 9, 0, 1, 1, 1, 32, 1, 1, 0, 0, make([]byte, 8))
	h.post("graph_launch", 1, 0)
	h.post("copy_htod", 1, h.base, 4096, 0)
	h.post("copy_htod_inline", 1, 0, make([]byte, 1000))
	h.post("copy_dtoh", h.base, 1, 64, 0)
	h.post("copy_dtod", 1, 2, 30, 0)
	h.post("fill", 1, 0, 7, 4, 100, 1, 0)
	h.post("copy_3d", box(driver.MemoryHost, driver.MemoryDevice, h.base), 0)
	h.post("copy_3d", box(driver.MemoryDevice, driver.MemoryHost, h.base), 0)
	h.post("copy_3d", box(driver.MemoryDevice, driver.MemoryDevice, 0), 0)
	// what the driver or the executor refuses is a call and no work
	if r := h.post("launch", 77, 1, 1, 1, 32, 1, 1, 0, 0, make([]byte, 64)); r == driver.Success {
		t.Error("a function that does not exist was launched")
	}
	h.driver.Fail["CopyDtoD"] = driver.ErrorInvalidValue
	if r := h.post("copy_dtod", 1, 2, 1<<40, 0); r == driver.Success {
		t.Error("the driver's refusal is lost")
	}
	if now := h.Account.Statistics(guesttest.Channel); now != before {
		t.Errorf("published at once: %+v", now)
	}
	h.process.Idle()
	got := h.Account.Statistics(guesttest.Channel).Since(before)
	want := window.Statistics{Calls: 14, Launches: 3, GraphLaunches: 1, BytesIn: 4096 + 1000 + 48, BytesOut: 64 + 48, BytesWithin: 30 + 400 + 48}
	if got != want {
		t.Errorf("counted %+v, want %+v", got, want)
	}
}

func TestStatisticsOfABusyProcessAreSeen(t *testing.T) {
	h := inContext(t)
	for range 3 * publishEvery {
		h.post("notify", 0)
	}
	if got := h.Account.Statistics(guesttest.Channel); got.Calls < 2*publishEvery {
		t.Errorf("mediatord sees %d calls", got.Calls)
	}
}
