package simt

import "sort"

// allocate gives the virtual registers of a function slots from base upwards
// so that registers that are never alive together share one, and rewrites the
// operands. It returns the number of slots. Register 0 stays slot 0.
//
// A guarded instruction does not end a register's old life: the lanes that it
// skips keep the old value.
func allocate(code []instr, regs, base int32) int {
	if blocks := len(split(code)); blocks*int(regs) > livenessLimit {
		return allocateAll(code, regs, base)
	}
	live := newLiveness(code, int(regs))
	first, last := live.intervals(code)
	order := make([]int32, 0, regs)
	for r := int32(1); r < regs; r++ {
		if last[r] >= 0 {
			order = append(order, r)
		}
	}
	sort.Slice(order, func(i, j int) bool { return first[order[i]] < first[order[j]] })
	slot := make([]int32, regs)
	var active []int32 // by end of life
	var free []int32
	used := int32(0)
	for _, r := range order {
		n := 0
		for n < len(active) && last[active[n]] < first[r] {
			free = append(free, slot[active[n]])
			n++
		}
		active = active[n:]
		if k := len(free); k > 0 {
			slot[r], free = free[k-1], free[:k-1]
		} else {
			slot[r] = base + used
			used++
		}
		at := sort.Search(len(active), func(i int) bool { return last[active[i]] > last[r] })
		active = append(active, 0)
		copy(active[at+1:], active[at:])
		active[at] = r
	}
	rename := func(p *int32) {
		if *p != fpReg {
			*p = slot[*p]
		}
	}
	for i := range code {
		code[i].defs(rename)
		code[i].uses(rename)
	}
	return int(used)
}

// livenessLimit bounds the bits of the analysis: blocks times registers.
const livenessLimit = 1 << 30

// allocateAll gives every register a slot of its own.
func allocateAll(code []instr, regs, base int32) int {
	rename := func(p *int32) {
		if *p != fpReg {
			*p += base - 1
		}
	}
	for i := range code {
		code[i].defs(rename)
		code[i].uses(rename)
	}
	return int(regs - 1)
}

// span is a basic block: instructions [from, to).
type span struct {
	from, to int
	next     []int
	use, def bitset // read before written; written
	in, out  bitset
}

type bitset []uint64

func (b bitset) has(i int32) bool { return b[i>>6]>>(i&63)&1 != 0 }
func (b bitset) set(i int32)      { b[i>>6] |= 1 << (i & 63) }

type liveness struct{ blocks []span }

func newLiveness(code []instr, regs int) *liveness {
	l := &liveness{blocks: split(code)}
	words := (regs + 63) / 64
	for i := range l.blocks {
		b := &l.blocks[i]
		sets := make(bitset, 4*words)
		b.use, b.def, b.in, b.out = sets[:words], sets[words:2*words], sets[2*words:3*words], sets[3*words:]
		for k := b.from; k < b.to; k++ {
			in := &code[k]
			in.uses(func(p *int32) {
				if !b.def.has(*p) {
					b.use.set(*p)
				}
			})
			in.defs(func(p *int32) {
				if in.guard < 0 {
					b.def.set(*p)
				} else if !b.def.has(*p) {
					b.use.set(*p)
				}
			})
		}
	}
	l.solve()
	return l
}

// solve iterates in = use | out &^ def, out = union of the successors' in.
func (l *liveness) solve() {
	for changed := true; changed; {
		changed = false
		for i := len(l.blocks) - 1; i >= 0; i-- {
			b := &l.blocks[i]
			for _, s := range b.next {
				for w, v := range l.blocks[s].in {
					b.out[w] |= v
				}
			}
			for w := range b.in {
				if v := b.use[w] | b.out[w]&^b.def[w]; v != b.in[w] {
					b.in[w] = v
					changed = true
				}
			}
		}
	}
}

// intervals is the first and last instruction at which each register lives;
// last is -1 for registers that never occur.
func (l *liveness) intervals(code []instr) (first, last []int) {
	regs := 0
	if len(l.blocks) > 0 {
		regs = len(l.blocks[0].in) * 64
	}
	first, last = make([]int, regs), make([]int, regs)
	for r := range first {
		first[r], last[r] = len(code), -1
	}
	touch := func(r int32, at int) {
		first[r], last[r] = min(first[r], at), max(last[r], at)
	}
	for i := range l.blocks {
		b := &l.blocks[i]
		for r := int32(0); r < int32(regs); r++ {
			if b.in.has(r) {
				touch(r, b.from)
			}
			if b.out.has(r) {
				touch(r, b.to-1)
			}
		}
	}
	for k := range code {
		at := func(p *int32) { touch(*p, k) }
		code[k].uses(at)
		code[k].defs(at)
	}
	return first, last
}

// split cuts the code into basic blocks.
func split(code []instr) []span {
	leader := make([]bool, len(code)+1)
	leader[0] = true
	for i := range code {
		switch code[i].kind {
		case branch:
			leader[code[i].target], leader[i+1] = true, true
		case branchTable:
			for _, t := range code[i].extra.([]int32) {
				leader[t] = true
			}
			leader[i+1] = true
		case ret, exit:
			leader[i+1] = true
		}
	}
	var blocks []span
	at := make([]int, len(code))
	for i := range code {
		if leader[i] {
			blocks = append(blocks, span{from: i})
		}
		at[i] = len(blocks) - 1
		blocks[len(blocks)-1].to = i + 1
	}
	for i := range blocks {
		b := &blocks[i]
		end := &code[b.to-1]
		falls := end.guard >= 0
		switch end.kind {
		case branch:
			b.next = append(b.next, at[end.target])
		case branchTable:
			for _, t := range end.extra.([]int32) {
				b.next = append(b.next, at[t])
			}
		case ret, exit:
		default:
			falls = true
		}
		if falls && b.to < len(code) {
			b.next = append(b.next, at[b.to])
		}
	}
	return blocks
}
