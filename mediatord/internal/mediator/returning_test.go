package mediator

import (
	"testing"
	"time"

	"libvirt-vgpu/mediatord/internal/pool"
	"libvirt-vgpu/mediatord/internal/reconcile"
	"libvirt-vgpu/plugin/window"
)

// gpuMemory is a GPU whose memory shows what it will after so many looks.
type gpuMemory struct {
	free, after uint64
	looks       int
	unknown     bool
}

func (g *gpuMemory) Free(*pool.Device) (uint64, bool) {
	if g.looks--; g.looks < 0 {
		g.free = g.after
	}
	return g.free, !g.unknown
}

// Contexts return where the GPU has room for them and something to spare; where nobody can
// see, they may try.
func TestRoomToReturn(t *testing.T) {
	const need = 500 << 20
	for name, test := range map[string]struct {
		memory GPUMemory
		want   reconcile.Room
	}{
		"room":              {&gpuMemory{after: need + spareRoom}, reconcile.Room{Made: true, Seen: true}},
		"nothing to spare":  {&gpuMemory{after: need + spareRoom - 1}, reconcile.Room{Seen: true}},
		"not to be seen":    {&gpuMemory{unknown: true}, reconcile.Room{Made: true}},
		"nobody who looks":  {nil, reconcile.Room{Made: true}},
		"no memory at all":  {&gpuMemory{}, reconcile.Room{Seen: true}},
		"more than enough":  {&gpuMemory{after: 1 << 40}, reconcile.Room{Made: true, Seen: true}},
		"not yet, and then": {&gpuMemory{looks: 100, after: 1 << 40}, reconcile.Room{Seen: true}},
	} {
		m := &Mediator{settings: Settings{Memory: test.memory}}
		got := m.makeRoom(&pool.Device{Name: "GPU"}, tenant{slot: window.UUID{1}}, reconcile.RoomWish{Bytes: need, Return: true})
		if got != test.want {
			t.Errorf("%s: %+v, want %+v", name, got, test.want)
		}
	}
}

// Who needs all that a GPU has, or thinks that it needs more, returns to an empty one.
func TestRoomBeyondTheGPU(t *testing.T) {
	const total = 8 << 30
	for _, need := range []uint64{total - spareRoom/2, total, 3 * total} {
		memory := &gpuMemory{after: total / 2}
		m := &Mediator{settings: Settings{Memory: memory}}
		gpu := &pool.Device{Name: "GPU", Description: &window.Description{TotalMemory: total}}
		wish := reconcile.RoomWish{Bytes: need, Return: true}
		if got := m.makeRoom(gpu, tenant{slot: window.UUID{1}}, wish); got != (reconcile.Room{Seen: true}) {
			t.Errorf("%d bytes of a GPU that is half full: %+v", need, got)
		}
		memory.after = total - total/100
		if got := m.makeRoom(gpu, tenant{slot: window.UUID{1}}, wish); got != (reconcile.Room{Made: true, Seen: true}) {
			t.Errorf("%d bytes of an empty GPU: %+v", need, got)
		}
	}
}

// Memory that has left may show a little later.
func TestFreedMemoryIsAwaited(t *testing.T) {
	m := &Mediator{settings: Settings{Memory: &gpuMemory{looks: 3, after: 1 << 30}}}
	if lacking := m.shown(&pool.Device{Name: "GPU"}, tenant{}, 2<<30, 1<<30); lacking != 1<<30 {
		t.Errorf("%d bytes are lacking", lacking)
	}
}

// Room that one process was told of is not there for another, until the first is back, or
// does not come.
func TestPromisedRoomIsTaken(t *testing.T) {
	var r returns
	first, second := tenant{slot: window.UUID{1}}, tenant{slot: window.UUID{2}}
	away := func(tenant) bool { return true }
	r.promise("GPU", first, 5)
	r.promise("GPU", first, 7) // asked again
	r.promise("other GPU", first, 100)
	if own, others := r.toOthers("GPU", first, away), r.toOthers("GPU", second, away); own != 0 || others != 7 {
		t.Errorf("%d bytes are kept from itself, %d from another", own, others)
	}
	r.promised["GPU"][first] = promise{7, time.Now().Add(-promisedWithin - time.Second)}
	if late := r.toOthers("GPU", second, away); late != 0 {
		t.Errorf("%d bytes are kept for who does not come", late)
	}
	r.promise("GPU", first, 9)
	if back := r.toOthers("GPU", second, func(who tenant) bool { return who != first }); back != 0 || len(r.promised["GPU"]) != 0 {
		t.Errorf("%d bytes are kept for who is back", back)
	}
}
