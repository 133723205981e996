package simt

import (
	"math"
	"math/bits"

	"libvirt-vgpu/mediatord/executor/soft/gpu/internal/vmem"
	"libvirt-vgpu/mediatord/executor/soft/ptx"
)

// tileBytes is a row of a tile of 8 by 8 elements of 16 bits.
const tileBytes = fragmentRows * 2

// tileOp is an access to tiles in memory: lane 8*i+r has the address of row r of tile i.
type tileOp struct {
	memOp
	transposed bool
}

func (g *generator) tileOp(address *ptx.Operand) (*tileOp, int32, int, error) {
	tiles := 0
	for _, m := range g.cur.Mods {
		switch m {
		case "x1", "x2", "x4":
			tiles = int(m[1] - '0')
		}
	}
	if tiles == 0 || !g.has("m8n8") || !g.has("b16") {
		return nil, 0, 0, g.unsupported("instruction %s", g.cur.Name())
	}
	op := &tileOp{memOp{space: g.space(), size: 2, total: tileBytes, slot: uint(g.cur.Line)}, g.has("trans")}
	base, err := g.baseAddress(&op.memOp, address)
	return op, base, tiles, err
}

// place is the tile's row and column of a lane's first element; its second one is to the right of it, below it if
// transposed.
func (op *tileOp) place(lane, second int) (row, column int) {
	row, column = lane/fragmentSpan, lane%fragmentSpan*2+second
	if op.transposed {
		return column, row
	}
	return row, column
}

// translateLdmatrix carries ldmatrix for elements of 16 bits.
func translateLdmatrix(g *generator) error {
	if err := g.want(2, 2); err != nil {
		return err
	}
	op, base, tiles, err := g.tileOp(&g.cur.Operands[1])
	if err != nil {
		return err
	}
	in := g.new(warpSync)
	in.a, in.c, in.vecDst, in.extra, in.run = base, g.constant(math.MaxUint32), true, op, runLdmatrix
	if in.vec, err = g.registers(0, tiles, g.dstOperand); err != nil {
		return err
	}
	g.emit(in)
	return nil
}

func runLdmatrix(w *warp, in *instr) {
	op := in.extra.(*tileOp)
	a := *w.src(in.a) // a copy: it may be among the destinations
	for tile, d := range in.vec {
		var rows [fragmentRows][fragmentRows]uint64
		for row := range rows {
			lane := tile*fragmentRows + row
			r, off := w.resolve(&op.memOp, in, lane, a[lane]+op.offset, vmem.ReadOnly)
			if r == nil {
				return
			}
			for column := range rows[row] {
				rows[row][column] = r.Load16(off + uint64(2*column))
			}
		}
		for m := w.mask; m != 0; m &= m - 1 {
			l := bits.TrailingZeros32(m) & 31
			row, column := op.place(l, 0)
			below, right := op.place(l, 1)
			w.regs[d][l] = rows[row][column] | rows[below][right]<<16
		}
	}
}

// translateStmatrix carries stmatrix for elements of 16 bits.
func translateStmatrix(g *generator) error {
	if err := g.want(2, 2); err != nil {
		return err
	}
	op, base, tiles, err := g.tileOp(&g.cur.Operands[0])
	if err != nil {
		return err
	}
	in := g.new(warpSync)
	in.a, in.c, in.extra, in.run = base, g.constant(math.MaxUint32), op, runStmatrix
	if in.vec, err = g.registers(1, tiles, g.srcRegister); err != nil {
		return err
	}
	g.emit(in)
	return nil
}

func runStmatrix(w *warp, in *instr) {
	op := in.extra.(*tileOp)
	a := w.src(in.a)
	for tile, s := range in.vec {
		values := w.src(s)
		for m := w.mask; m != 0; m &= m - 1 {
			l := bits.TrailingZeros32(m) & 31
			for second := range 2 {
				row, column := op.place(l, second)
				lane := tile*fragmentRows + row
				r, off := w.resolve(&op.memOp, in, lane, a[lane]+op.offset, vmem.ReadWrite)
				if r == nil {
					return
				}
				r.Store16(off+uint64(2*column), values[l]>>(16*second)&0xffff)
			}
		}
	}
	w.spins = 0
}

// translateMovmatrix carries movmatrix, which transposes a tile.
func translateMovmatrix(g *generator) error {
	if !g.has("m8n8") || !g.has("trans") || !g.has("b16") {
		return g.unsupported("instruction %s", g.cur.Name())
	}
	if err := g.want(2, 2); err != nil {
		return err
	}
	in := g.new(warpSync)
	in.c, in.run = g.constant(math.MaxUint32), runMovmatrix
	var err error
	if in.d, err = g.dst(0); err != nil {
		return err
	}
	if in.a, err = g.src(1, u32); err != nil {
		return err
	}
	g.emit(in)
	return nil
}

func runMovmatrix(w *warp, in *instr) {
	a, d := *w.src(in.a), &w.regs[in.d]
	for m := w.mask; m != 0; m &= m - 1 {
		l := bits.TrailingZeros32(m) & 31
		row, column := l/fragmentSpan, l%fragmentSpan*2
		var v uint64
		for second := range 2 {
			from := (column+second)*fragmentSpan + row/2
			v |= a[from] >> (row % 2 * 16) & 0xffff << (16 * second)
		}
		d[l] = v
	}
}
