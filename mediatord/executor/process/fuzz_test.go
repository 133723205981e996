package process

import (
	"encoding/binary"
	"testing"

	"libvirt-vgpu/mediatord/executor/driver"
	"libvirt-vgpu/plugin/window"
)

// FuzzRing writes arbitrary bytes into the ring, as a hostile process can at any
// time, and lets the executor consume them on a driver that records. Whatever
// they say, it ends with an error or goes on; it never touches memory that is
// not the process's, which would end this test.
func FuzzRing(f *testing.F) {
	seed := newHarness(f)
	for _, record := range [][]byte{
		seed.Record(0, "primary_retain", 0),
		seed.Record(0, "map_pinned", seed.base, 0, 2, 0),
		seed.Record(0, "place_ranges", window.DeviceBase, seed.base),
		seed.Record(0, "host_pages", window.PinnedBase-window.ChunkSize, 4096, 8192),
		seed.Record(0, "host_register", window.PinnedBase-window.ChunkSize+100, 5000),
		seed.Record(0, "host_unregister", window.PinnedBase-window.ChunkSize+100),
		seed.Record(window.NoReply, "launch_host_func", 0, 7),
		seed.Record(0, "mem_alloc_async", 1<<20, 0, 0),
		seed.Record(window.NoReply, "mem_free_async", 1001, 0),
		seed.Record(0, "pool_create", 1, append([]byte{1, 0, 0, 0, 0, 0, 0, 0, 1}, make([]byte, 79)...)),
		seed.Record(0, "pool_destroy", 1),
		seed.Record(0, "text_flush", 0),
		seed.Record(0, "text_take"),
		seed.Record(window.NoReply, "copy_htod", 1, seed.base, 4096, 0),
		seed.Record(0, "image_begin", 1, 100, make([]byte, 32)),
		seed.Record(window.NoReply, "image_inline", 1, "bytes"),
		seed.Record(window.NoReply, "launch_ex", 1, 0, 1, 1, 1, 1, 1, 1, 0, 0, 1, make([]byte, 80)),
		seed.Record(window.NoReply, "launch", 1, 1, 1, 1, 1, 1, 1, 0, 0, make([]byte, 3)),
		seed.Record(window.NoReply, "launch_kernel", 1, 1, 1, 1, 1, 1, 1, 0, 0, make([]byte, 5000)),
		seed.Record(window.NoReply, "launch_cooperative", 2, 1, 1, 1, 1, 1, 1, 1, 0, 0, make([]byte, 8)),
		seed.Record(window.NoReply, "copy_3d", make([]byte, 200), 0),
		seed.Record(0, "mem_set_access", window.DeviceBase, 2<<20, 1, make([]byte, 12)),
		seed.Record(63, "ctx_synchronize"),
		seed.Record(0, "array_create", 1, descriptor(64, 64, 0)),
		seed.Record(0, "copy_array", make([]byte, 200), 0),
		seed.Record(0, "texture_create", resource(driver.ResourceArray, 1), make([]byte, 104), make([]byte, 112), 1),
		seed.Record(0, "link_create", 1, 1, pairs(6, 64)),
		seed.Record(0, "link_add", 1, 1, inputPTX, 1, append(pairs(7, 3), "name"...)),
		seed.Record(0, "tensor_map_tiled", 7, 2, 4096, make([]byte, 40), make([]byte, 32), make([]byte, 20), make([]byte, 20), 0, 0, 0, 0),
	} {
		f.Add(record, uint64(window.RingSize))
	}
	h := newHarness(f)
	h.Own(0, 4)
	h.driver.Params = 20
	f.Fuzz(func(_ *testing.T, ring []byte, reserved uint64) {
		h.process.tables.Put(driver.KindFunction, 1, 1) // what earlier bytes have ended is there again
		h.process.tables.Put(driver.KindKernel, 1, 1)
		h.process.tables.Put(driver.KindKernel, 2, 1)
		h.process.noteParameters(driver.KindFunction, 1, 40)
		h.process.noteParameters(driver.KindKernel, 1, 4096)
		h.consume(ring, reserved)
	})
}

// consume has the executor consume these bytes.
func (h *harness) consume(ring []byte, reserved uint64) {
	memory := h.Memory()
	clear(memory[window.ChRing:])
	at := h.Head() % window.RingSize
	for i := range min(len(ring), window.RingSize-8) {
		memory[window.ChRing+(at+uint64(i))%window.RingSize] = ring[i]
	}
	binary.LittleEndian.PutUint64(memory[window.ChTail:], h.Head()+reserved%(2*window.RingSize))
	for range 100 {
		consumed, err := h.consumer.Step()
		h.process.violation = nil
		if err != nil || !consumed {
			break
		}
	}
	h.driver.Calls()
	h.messages = nil
}

// FuzzAway does so while the process is parked with its contexts: nobody calls the driver
// before they are back, whatever ends meanwhile.
func FuzzAway(f *testing.F) {
	seed := newHarness(f)
	seed.Context = primary
	for _, e := range furnishedEndings {
		if e.op == "unmap_pinned" {
			e.args = []any{seed.base}
		}
		f.Add(seed.Record(seed.replySlot(e.op), e.op, e.args...), uint64(window.RingSize))
	}
	for _, record := range [][]byte{
		seed.Record(0, "primary_reset"),
		seed.Record(0, "pool_destroy", 0),
		seed.Record(0, "host_unregister", seed.base),
		seed.Record(window.NoReply, "fence", 0, 3, 7),
		seed.Record(window.NoReply, "notify", 0),
		seed.Record(window.NoReply, "event_record", 6, 5, 0, 4, 9),
		seed.Record(0, "mem_map", window.DeviceBase+66<<20, 2<<20, 0, 1, 0),
	} {
		f.Add(record, uint64(window.RingSize))
	}
	f.Fuzz(func(t *testing.T, ring []byte, reserved uint64) {
		h := furnished(t)
		h.leave(testQuota)
		if !h.process.Away() {
			t.Fatalf("not away: %+v", h.sent())
		}
		h.consume(ring, reserved)
	})
}
