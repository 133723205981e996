package simt

import (
	"libvirt-vgpu/mediatord/executor/soft/gpu/internal/vmem"
)

// maxWarps is the number of warps of a full block.
const maxWarps = 32

// slice is the number of instructions that a warp executes before the next
// one has its turn and mappings may change.
const slice = 4096

// barrierState is a barrier of the block.
type barrierState struct {
	arrived  int
	expected int // 0: all threads that have not exited
	yes      int // threads whose predicate holds
}

// block is the state of one block of threads.
type block struct {
	grid     *Launch
	id       [3]uint32
	worker   int
	warps    []warp
	live     int // threads that have not exited
	barriers [clusterBarrier + 1]barrierState
	shared   *vmem.Region
}

// newBlock makes the state for blocks of a launch.
func newBlock(l *Launch, worker int) *block {
	threads := l.threads()
	b := &block{grid: l, worker: worker, warps: make([]warp, (threads+WarpSize-1)/WarpSize)}
	p := l.Program
	view := vmem.NewView(l.Space)
	regs := make([]lanes, p.regs*len(b.warps))
	preds := make([]uint32, p.preds*len(b.warps))
	stride := uint64(p.LocalBytes)
	for i := range b.warps {
		w := &b.warps[i]
		w.code, w.consts, w.block, w.id, w.view, w.stride = p.code, p.consts, b, i, view, stride
		w.regs, regs = regs[:p.regs:p.regs], regs[p.regs:]
		w.preds, preds = preds[:p.preds:p.preds], preds[p.preds:]
		w.local = newLocal(stride)
		for lane := 0; lane < WarpSize; lane++ {
			t := uint64(i*WarpSize + lane)
			if t >= uint64(threads) {
				break
			}
			w.all |= 1 << lane
			x, y := uint64(l.Block[0]), uint64(l.Block[1])
			w.tid[0][lane], w.tid[1][lane], w.tid[2][lane] = t%x, t/x%y, t/(x*y)
		}
	}
	b.shared = vmem.NewRegion(make([]byte, max(alignUp(l.sharedBytes(), vmem.Granule), vmem.Granule)))
	return b
}

// start prepares the n-th block of the grid.
func (b *block) start(n uint64) {
	x, y := uint64(b.grid.Grid[0]), uint64(b.grid.Grid[1])
	b.id = [3]uint32{uint32(n % x), uint32(n / x % y), uint32(n / (x * y))}
	b.live = b.grid.threads()
	b.barriers = [clusterBarrier + 1]barrierState{}
	clear(b.shared.Bytes())
	for i := range b.warps {
		b.warps[i].reset()
	}
}

// round gives every warp a slice of time.
func (b *block) round() status {
	var seen [finished + 1]int
	for i := range b.warps {
		w := &b.warps[i]
		if w.live == 0 {
			continue
		}
		if b.grid.stopped() {
			return finished
		}
		w.view.Begin()
		s := w.run(slice)
		w.view.End()
		if w.failed {
			return finished
		}
		seen[s]++
	}
	switch {
	case b.live == 0:
		return finished
	case seen[sliceOver] > 0 || seen[finished] > 0:
		return sliceOver
	case seen[spinning] > 0:
		return spinning
	case b.anyReady():
		return sliceOver
	}
	return b.unblock()
}

// anyReady says whether a warp that was blocked was released since.
func (b *block) anyReady() bool {
	for i := range b.warps {
		w := &b.warps[i]
		for k := range w.others {
			if w.canRun(&w.others[k]) {
				return true
			}
		}
	}
	return false
}

// unblock resolves a state in which all lanes wait.
func (b *block) unblock() status {
	for i := range b.warps {
		if b.warps[i].force() {
			return sliceOver
		}
	}
	w := &b.warps[0]
	for i := range b.warps {
		if b.warps[i].live != 0 {
			w = &b.warps[i]
			break
		}
	}
	g := w.others[0]
	w.mask = g.mask
	w.fail(Deadlock, &w.code[g.pc], w.firstLane(), 0)
	return finished
}

// arrive brings the lanes w.mask to a barrier.
func (w *warp) arrive(pc int32, in *instr) {
	op := in.extra.(*barOp)
	lane := w.firstLane()
	id := w.src(in.a)[lane]
	if id > clusterBarrier {
		w.fail(IllegalInstruction, in, lane, 0)
		return
	}
	state := &w.block.barriers[id]
	if in.b != none {
		state.expected = int(uint32(w.src(in.b)[lane]))
	}
	state.arrived += popcount(w.mask)
	if op.reduce != 0 {
		state.yes += popcount(w.predOperand(in) & w.mask)
	}
	if op.arrive {
		w.park(pc+1, w.mask)
	} else {
		w.others = append(w.others, group{pc: pc, mask: w.mask, turn: w.cur.turn, wait: waitBarrier, barrier: int(id)})
	}
	w.block.release(int(id))
}

// release lets the lanes at a barrier go when all have come.
func (b *block) release(id int) {
	state := &b.barriers[id]
	expected := state.expected
	if expected == 0 {
		expected = b.live
	}
	if state.arrived < expected || state.arrived == 0 {
		return
	}
	for i := range b.warps {
		w := &b.warps[i]
		for k := range w.others {
			g := &w.others[k]
			if g.wait == waitBarrier && g.barrier == id {
				w.deliver(g, state)
				g.wait = ready
				g.pc++
			}
		}
	}
	*state = barrierState{}
}

// deliver writes the result of a reduction to the lanes of a group.
func (w *warp) deliver(g *group, state *barrierState) {
	in := &w.code[g.pc]
	saved := w.mask
	w.mask = g.mask
	all := uint32(0)
	switch in.extra.(*barOp).reduce {
	case 'p':
		w.setLanes(in.d, ^uint32(0), uint64(state.yes))
	case 'a':
		if state.yes == state.arrived {
			all = ^all
		}
		w.setPred(in.pd, all)
	case 'o':
		if state.yes > 0 {
			all = ^all
		}
		w.setPred(in.pd, all)
	}
	w.mask = saved
}

// exited counts threads that have ended and lets go the barriers that only
// waited for them.
func (b *block) exited(n int) {
	b.live -= n
	for id := range b.barriers {
		if b.barriers[id].expected == 0 {
			b.release(id)
		}
	}
}
