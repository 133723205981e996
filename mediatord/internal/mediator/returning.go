package mediator

import (
	"context"
	"sync"
	"time"

	"libvirt-vgpu/mediatord/internal/pool"
	"libvirt-vgpu/mediatord/internal/reconcile"
)

// GPUMemory says how many bytes of a GPU's memory nobody uses, and whether it can tell.
type GPUMemory interface {
	Free(gpu *pool.Device) (bytes uint64, known bool)
}

const (
	// spareRoom is what a GPU must have beside what contexts took when they left. A driver
	// that finds too little may never bring them back.
	spareRoom = 64 << 20
	// promisedWithin is how long room that a process was told of counts as its own.
	promisedWithin = 10 * time.Second
	// How long a GPU may take to show memory that has left, and how often it is looked at.
	shownWithin = 500 * time.Millisecond
	shownAgain  = 20 * time.Millisecond
	// never is the part of a GPU's memory that even an empty one may not show as free.
	never = 64
)

// returns is room on a GPU that processes were told of whose contexts are on their way
// back. One that is back has it, and the GPU shows it.
type returns struct {
	mu       sync.Mutex // guards promised
	promised map[string]map[tenant]promise
}

type promise struct {
	bytes uint64
	made  time.Time
}

func (r *returns) promise(gpu string, who tenant, bytes uint64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.promised == nil {
		r.promised = map[string]map[tenant]promise{}
	}
	if r.promised[gpu] == nil {
		r.promised[gpu] = map[tenant]promise{}
	}
	r.promised[gpu][who] = promise{bytes, time.Now()}
}

// toOthers is how many bytes are promised to others than who. away says whose contexts are
// not back.
func (r *returns) toOthers(gpu string, who tenant, away func(tenant) bool) (bytes uint64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for of, p := range r.promised[gpu] {
		switch {
		case time.Since(p.made) > promisedWithin || !away(of):
			delete(r.promised[gpu], of)
		case of != who:
			bytes += p.bytes
		}
	}
	return bytes
}

// away says that a process's contexts are parked.
func (m *Mediator) away(who tenant) bool {
	h := m.slot(who.slot)
	if h == nil {
		return false
	}
	for _, c := range h.ChannelStatus() {
		if c.Channel == who.channel {
			return c.ContextParked
		}
	}
	return false
}

// roomToReturn looks whether a GPU has bytes for contexts that want to return, and has idle
// processes leave as long as it has not: first their memory, then their contexts. Where
// nobody can see how much there is the process may try.
func (m *Mediator) roomToReturn(ctx context.Context, gpu *pool.Device, who tenant, bytes uint64) reconcile.Room {
	wanted := atMost(gpu, bytes+spareRoom)
	lacking, known := m.lacking(gpu, who, wanted)
	if !known {
		return reconcile.Room{Made: true}
	}
	for _, whole := range []bool{false, true} {
		if lacking == 0 {
			break
		}
		if freed := m.vacate(ctx, gpu.Name, who, whole, lacking); freed > 0 {
			lacking = m.shown(gpu, who, wanted, lacking-min(lacking, freed))
		}
	}
	if lacking > 0 {
		return reconcile.Room{Seen: true}
	}
	m.returns.promise(gpu.Name, who, bytes)
	return reconcile.Room{Made: true, Seen: true}
}

// atMost is bytes, or what a GPU has on which nobody else has anything: who wants more, as
// after several returns in vain, must not wait for ever for what there is not.
func atMost(gpu *pool.Device, bytes uint64) uint64 {
	if gpu.Description == nil || gpu.Description.TotalMemory == 0 {
		return bytes
	}
	total := gpu.Description.TotalMemory
	return min(bytes, total-total/never)
}

// lacking is how many of bytes a GPU has not for a process.
func (m *Mediator) lacking(gpu *pool.Device, who tenant, bytes uint64) (lacking uint64, known bool) {
	if m.settings.Memory == nil {
		return 0, false
	}
	free, known := m.settings.Memory.Free(gpu)
	if !known {
		return 0, false
	}
	bytes += m.returns.toOthers(gpu.Name, who, m.away)
	return bytes - min(bytes, free), true
}

// shown is lacking when the GPU shows what has just left, after which most are, or after a
// while.
func (m *Mediator) shown(gpu *pool.Device, who tenant, bytes, most uint64) (lacking uint64) {
	for deadline := time.Now().Add(shownWithin); ; time.Sleep(shownAgain) {
		if lacking, _ = m.lacking(gpu, who, bytes); lacking <= most || time.Now().After(deadline) {
			return lacking
		}
	}
}
