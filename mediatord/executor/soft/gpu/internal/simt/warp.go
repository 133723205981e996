package simt

import (
	"math/bits"

	"libvirt-vgpu/mediatord/executor/soft/gpu/internal/vmem"
)

// spinLimit is the number of fruitless looks at memory after which a loop
// counts as waiting for somebody else.
const spinLimit = 64

// wait says what a group of lanes waits for.
type wait uint8

const (
	ready       wait = iota
	waitLanes        // for the lanes in need to come to the same instruction
	waitBarrier      // for the block's barrier
)

// group is a set of lanes of a warp at the same program counter.
type group struct {
	pc      int32
	mask    uint32
	turn    uint32 // groups that spin take higher turns and so run later
	wait    wait
	need    uint32
	forced  bool // need not be met: those it waits for will not come
	barrier int
}

// frame is what a call leaves for its return.
type frame struct {
	pc    int32
	base  uint64 // of the caller's frame in local memory
	regs  []uint64
	preds []bool
	first int // of preds in the warp
}

// warp is the state of 32 lanes.
type warp struct {
	code    []instr
	consts  []lanes
	regs    []lanes
	preds   []uint32
	mask    uint32 // lanes that execute the current instruction
	scratch lanes
	view    *vmem.View
	block   *block
	id      int
	local   *vmem.Region
	stride  uint64 // bytes of local memory of a lane
	tid     [3]lanes

	all      uint32 // lanes that exist
	live     uint32 // lanes that have not exited
	cur      group
	stop     int32 // where another group waits to be joined
	others   []group
	frames   [WarpSize][]frame
	spins    int
	executed uint64
	failed   bool
}

// status is how a warp's slice of time ended.
type status uint8

const (
	sliceOver status = iota
	spinning         // it waits for memory to change
	blocked          // all lanes wait
	finished         // all lanes have exited
)

// reset prepares the warp for the next block.
func (w *warp) reset() {
	clear(w.regs)
	clear(w.preds)
	w.live = w.all
	w.others = append(w.others[:0], group{pc: w.block.grid.Program.entry, mask: w.all})
	for l := range w.frames {
		w.frames[l] = w.frames[l][:0]
	}
	w.spins, w.failed = 0, false
}

func (w *warp) firstLane() int { return bits.TrailingZeros32(w.mask) & 31 }

// run executes up to budget instructions.
func (w *warp) run(budget int) status {
	for w.pick() {
		var yield bool
		budget, yield = w.execute(budget)
		switch {
		case w.failed:
			return finished
		case yield:
			return spinning
		case budget <= 0:
			return sliceOver
		}
	}
	if w.live == 0 {
		return finished
	}
	return blocked
}

// pick joins groups that have met and chooses the one to run: the lowest turn
// and program counter. It is false when no group can run.
func (w *warp) pick() bool {
	w.join()
	best := -1
	for i := range w.others {
		g := &w.others[i]
		if !w.canRun(g) {
			continue
		}
		if best < 0 || g.turn < w.others[best].turn || g.turn == w.others[best].turn && g.pc < w.others[best].pc {
			best = i
		}
	}
	if best < 0 {
		return false
	}
	w.cur = w.others[best]
	w.cur.wait = ready
	last := len(w.others) - 1
	w.others[best] = w.others[last]
	w.others = w.others[:last]
	if last == 0 {
		w.cur.turn = 0
	}
	w.stop = -1
	for i := range w.others {
		if g := &w.others[i]; g.wait == ready && g.pc > w.cur.pc && (w.stop < 0 || g.pc < w.stop) {
			w.stop = g.pc
		}
	}
	return true
}

func (w *warp) canRun(g *group) bool {
	return g.wait == ready || g.wait == waitLanes && (g.forced || g.need&w.live&^g.mask == 0)
}

// join unites ready groups with the same program counter.
func (w *warp) join() {
	for i := 0; i < len(w.others); i++ {
		for j := len(w.others) - 1; j > i; j-- {
			a, b := &w.others[i], &w.others[j]
			if a.pc != b.pc || a.wait != ready || b.wait != ready {
				continue
			}
			a.mask |= b.mask
			a.turn = min(a.turn, b.turn)
			w.others[j] = w.others[len(w.others)-1]
			w.others = w.others[:len(w.others)-1]
		}
	}
}

// park puts lanes among the groups that are ready.
func (w *warp) park(pc int32, mask uint32) {
	if mask != 0 {
		w.others = append(w.others, group{pc: pc, mask: mask, turn: w.cur.turn})
	}
}

// execute runs the current group until it meets, loses or waits for others,
// or the budget is used up. Its lanes are parked or wait on return.
func (w *warp) execute(budget int) (left int, yield bool) {
	pc, lanes, stop, code := w.cur.pc, w.cur.mask, w.stop, w.code
	for budget > 0 && pc != stop {
		in := &code[pc]
		m := lanes
		if in.guard >= 0 {
			m &= w.preds[in.guard] ^ in.guardNot
		}
		budget--
		w.executed += uint64(bits.OnesCount32(m))
		switch in.kind {
		case compute:
			pc++
			if m == 0 {
				continue
			}
			w.mask = m
			in.run(w, in)
			if w.failed {
				return 0, false
			}
		case branch:
			switch {
			case m == 0:
				pc++
			case m != lanes:
				w.park(in.target, m)
				w.park(pc+1, lanes&^m)
				return budget, false
			default:
				backward := in.target <= pc
				pc = in.target
				if backward && w.spins >= spinLimit {
					w.yield(pc, lanes)
					return budget, true
				}
				if len(w.others) > 0 { // another group may be behind now
					w.park(pc, lanes)
					return budget, false
				}
			}
		default:
			if m == 0 {
				pc++
				continue
			}
			if in.kind == warpSync && len(w.others) == 0 && m == w.live {
				pc++
				w.mask = m
				in.run(w, in)
				continue
			}
			w.control(pc, lanes, m, in)
			return budget, false
		}
	}
	w.park(pc, lanes)
	return budget, false
}

// yield parks lanes that spin behind all others.
func (w *warp) yield(pc int32, lanes uint32) {
	w.spins = 0
	w.cur.turn++
	for i := range w.others {
		w.cur.turn = max(w.cur.turn, w.others[i].turn+1)
	}
	w.park(pc, lanes)
}

// control executes an instruction that is neither plain nor a branch: the
// lanes m of the group execute it, the rest goes on.
func (w *warp) control(pc int32, lanes, m uint32, in *instr) {
	w.park(pc+1, lanes&^m)
	w.mask = m
	switch in.kind {
	case exit:
		w.exit(m)
	case ret:
		w.ret(m)
	case branchTable:
		list, a := in.extra.([]int32), w.src(in.a)
		w.scatter(m, func(l int) int32 {
			if i := uint32(a[l]); i < uint32(len(list)) {
				return list[i]
			}
			return pc + 1
		})
	case call:
		w.call(pc, in, in.target, m)
	case callIndirect:
		w.callIndirect(pc, in)
	case warpSync:
		w.sync(pc, in)
	case barrier:
		w.arrive(pc, in)
	}
}

// scatter sends each lane to its own program counter.
func (w *warp) scatter(m uint32, target func(lane int) int32) {
	for m != 0 {
		pc := target(bits.TrailingZeros32(m) & 31)
		var same uint32
		for n := m; n != 0; n &= n - 1 {
			if l := bits.TrailingZeros32(n) & 31; target(l) == pc {
				same |= 1 << l
			}
		}
		w.park(pc, same)
		m &^= same
	}
}

// sync executes a collective once the lanes that it names have come. A lane
// that has exited is not waited for.
func (w *warp) sync(pc int32, in *instr) {
	m := w.mask
	for i := len(w.others) - 1; i >= 0; i-- {
		if g := &w.others[i]; g.wait == waitLanes && g.pc == pc {
			m |= g.mask
			w.others[i] = w.others[len(w.others)-1]
			w.others = w.others[:len(w.others)-1]
		}
	}
	need := uint32(w.src(in.c)[bits.TrailingZeros32(m)&31])
	if need&w.live&^m != 0 && !w.cur.forced {
		w.others = append(w.others, group{pc: pc, mask: m, turn: w.cur.turn, wait: waitLanes, need: need})
		return
	}
	w.mask = m
	in.run(w, in)
	w.park(pc+1, m)
}

// force lets the lowest waiting group go on alone, when nobody else can move:
// its partners wait elsewhere, so they have done what came before.
func (w *warp) force() bool {
	best := -1
	for i := range w.others {
		if w.others[i].wait == waitLanes && (best < 0 || w.others[i].pc < w.others[best].pc) {
			best = i
		}
	}
	if best < 0 {
		return false
	}
	w.others[best].forced = true
	return true
}

func (w *warp) exit(m uint32) {
	w.live &^= m
	w.block.exited(bits.OnesCount32(m))
}
