package simt

import (
	"encoding/binary"
	"fmt"
	"math/bits"

	"libvirt-vgpu/mediatord/executor/soft/gpu/internal/vmem"
	"libvirt-vgpu/mediatord/executor/soft/ptx"
)

// systemCalls are the functions that no module has: the device's own.
var systemCalls = map[string]func(w *warp, in *instr, lane int, args []uint64) (result uint64){
	"vprintf":      printf,
	"__assertfail": assertFail,
}

// systemCallOp is a call of one of them: where its arguments lie in the caller's
// frame, 8 or 4 bytes each, and where its result goes.
type systemCallOp struct {
	call   func(w *warp, in *instr, lane int, args []uint64) uint64
	args   []transfer
	result []transfer // at most one, of 4 bytes
}

func (g *generator) systemCall(name string, rets, args []ptx.Operand) error {
	op := &systemCallOp{call: systemCalls[name]}
	for _, list := range []struct {
		from []ptx.Operand
		to   *[]transfer
	}{{args, &op.args}, {rets, &op.result}} {
		for i := range list.from {
			v := list.from[i].Var
			at, ok := g.unit.frame[v]
			if list.from[i].Kind != ptx.SymOperand || !ok || v.Size() != 4 && v.Size() != 8 {
				return g.unsupported("call of %s with arguments in registers", name)
			}
			*list.to = append(*list.to, transfer{caller: at, size: uint64(v.Size())})
		}
	}
	if len(op.result) > 1 {
		return g.invalid("call of %s with %d results", name, len(op.result))
	}
	in := g.new(compute)
	in.extra, in.run = op, runSystemCall
	g.emit(in)
	return nil
}

func runSystemCall(w *warp, in *instr) {
	op := in.extra.(*systemCallOp)
	args := make([]uint64, len(op.args))
	for m := w.mask; m != 0; m &= m - 1 {
		l := bits.TrailingZeros32(m) & 31
		frame := w.local.Bytes()[uint64(l)*w.stride+w.regs[fpReg][l]:]
		for i, a := range op.args {
			var word [8]byte
			copy(word[:], frame[a.caller:a.caller+a.size])
			args[i] = binary.LittleEndian.Uint64(word[:])
		}
		result := op.call(w, in, l, args)
		for _, r := range op.result {
			var word [8]byte
			binary.LittleEndian.PutUint64(word[:], result)
			copy(frame[r.caller:r.caller+r.size], word[:])
		}
	}
}

// peek reads a byte of generic memory; false after a fault.
func (w *warp) peek(in *instr, lane int, addr uint64) (byte, bool) {
	op := memOp{space: ptx.Generic, size: 1, total: 1, slot: uint(in.line)}
	r, off := w.resolve(&op, in, lane, addr, vmem.ReadOnly)
	if r == nil {
		return 0, false
	}
	return r.Bytes()[off], true
}

// longestText bounds a string that a kernel prints.
const longestText = 4096

func (w *warp) text(in *instr, lane int, addr uint64) string {
	var b []byte
	for len(b) < longestText {
		c, ok := w.peek(in, lane, addr+uint64(len(b)))
		if !ok || c == 0 {
			break
		}
		b = append(b, c)
	}
	return string(b)
}

// printf is vprintf(format, arguments): what it prints comes in one piece. It
// returns the number of arguments.
func printf(w *warp, in *instr, lane int, args []uint64) uint64 {
	if len(args) != 2 {
		return 1<<32 - 1
	}
	read := func(at, size uint64) uint64 {
		var v uint64
		for i := range size {
			c, ok := w.peek(in, lane, args[1]+at+i)
			if !ok {
				return 0
			}
			v |= uint64(c) << (8 * i)
		}
		return v
	}
	f := formatter{read: read, text: func(addr uint64) string { return w.text(in, lane, addr) }}
	text := f.format(w.text(in, lane, args[0]))
	if w.block.grid.Print != nil && !w.failed {
		w.block.grid.Print(text)
	}
	return f.count
}

// assertFail is __assertfail(expression, file, line, function, size of a character).
func assertFail(w *warp, in *instr, lane int, args []uint64) uint64 {
	if len(args) >= 4 && w.block.grid.Complain != nil {
		b := w.block.id
		w.block.grid.Complain(fmt.Sprintf("%s:%d: %s: block: [%d,%d,%d], thread: [%d,%d,%d] Assertion `%s` failed.\n",
			w.text(in, lane, args[1]), uint32(args[2]), w.text(in, lane, args[3]), b[0], b[1], b[2],
			w.tid[0][lane], w.tid[1][lane], w.tid[2][lane], w.text(in, lane, args[0])))
	}
	w.fail(AssertFailed, in, lane, 0)
	return 0
}
