package gpu_test

import (
	"testing"

	"libvirt-vgpu/mediatord/executor/soft/gpu"
)

// opCase is an instruction and what it must compute. The body works on the
// registers of snippet; want gets the 64-bit inputs.
type opCase struct {
	body string
	want func(a, b, c uint64) uint64
}

// The values that integer instructions are tried with.
var edges = []uint64{0, 1, 2, 3, 7, 31, 32, 33, 63, 64, 65, 127, 128, 255, 0x7fff, 0x8000, 0xffff, 0x7fffffff, 0x80000000,
	0xfffffff9, 0xffffffff, 0x100000000, 0x123456789abcdef0, 0x7fffffffffffffff, 0x8000000000000000, 0xfffffffffffffff9, 0xffffffffffffffff}

// triples are combinations of three values: all pairs, with a third that
// runs through the values.
func triples(values []uint64) (a, b, c []uint64) {
	for i, x := range values {
		for j, y := range values {
			for k := range 3 {
				a, b, c = append(a, x), append(b, y), append(c, values[(i*5+j*3+k*11)%len(values)])
			}
		}
	}
	return a, b, c
}

// checkOps runs the cases on all triples of the values.
func checkOps(t *testing.T, d *gpu.Device, cases []opCase, values []uint64) {
	t.Helper()
	a, b, c := triples(values)
	for _, op := range cases {
		got := runSnippet(t, d, op.body, a, b, c)
		bad := 0
		for i := range got {
			if want := op.want(a[i], b[i], c[i]); got[i] != want && bad < 3 {
				bad++
				t.Errorf("%s\n\ta=%#x b=%#x c=%#x: %#x, want %#x", op.body, a[i], b[i], c[i], got[i], want)
			}
		}
	}
}

// The bodies below put an instruction between the registers of a width.

func op32(instr, operands string) string {
	return instr + " %d32, " + operands + "; cvt.u64.u32 %d, %d32;"
}

func op16(instr, operands string) string {
	return instr + " %d16, " + operands + "; cvt.u64.u16 %d, %d16;"
}

func op64(instr, operands string) string { return instr + " %d, " + operands + ";" }

func pred(instr, operands string) string {
	return instr + " %p, " + operands + "; selp.u64 %d, 1, 0, %p;"
}

// r32 and the like adapt reference functions.

func r32(f func(a, b, c uint32) uint32) func(a, b, c uint64) uint64 {
	return func(a, b, c uint64) uint64 { return uint64(f(uint32(a), uint32(b), uint32(c))) }
}

func s32(f func(a, b, c int32) int32) func(a, b, c uint64) uint64 {
	return func(a, b, c uint64) uint64 { return uint64(uint32(f(int32(a), int32(b), int32(c)))) }
}

func s64(f func(a, b, c int64) int64) func(a, b, c uint64) uint64 {
	return func(a, b, c uint64) uint64 { return uint64(f(int64(a), int64(b), int64(c))) }
}

func r16(f func(a, b, c uint16) uint16) func(a, b, c uint64) uint64 {
	return func(a, b, c uint64) uint64 { return uint64(f(uint16(a), uint16(b), uint16(c))) }
}

func s16(f func(a, b, c int16) int16) func(a, b, c uint64) uint64 {
	return func(a, b, c uint64) uint64 { return uint64(uint16(f(int16(a), int16(b), int16(c)))) }
}

func truth(f func(a, b, c uint64) bool) func(a, b, c uint64) uint64 {
	return func(a, b, c uint64) uint64 {
		if f(a, b, c) {
			return 1
		}
		return 0
	}
}
