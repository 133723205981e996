package gpu_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"libvirt-vgpu/mediatord/executor/soft/gpu"
)

// place is where the ISA puts element i of a lane's fragment.
type place func(lane, i int) (row, column int)

// matrixCase is a shape of mma.sync with the ISA's tables of its fragments.
type matrixCase struct {
	name, types string
	m, n, k     int
	bits        int // of an element of A and B
	a, b        place
	cBits       int
	encode      func(v int) uint64
	satfinite   bool
}

func group(lane int) int  { return lane / 4 }
func thread(lane int) int { return lane % 4 }

// Accumulators of 8 and of 16 rows.
func accumulators(lane, i int) (row, column int) { return group(lane) + i/2*8, thread(lane)*2 + i%2 }

func bits16(exponent, fraction int) func(int) uint64 {
	return func(v int) uint64 { return smallFormat{exponent, fraction}.convert(float64(v)) }
}

func single(v int) uint64 { return uint64(math.Float32bits(float32(v))) }

// The tables of the ISA, "Matrix fragments for mma".
var matrixCases = []matrixCase{
	{name: "m16n8k8", types: "f32.f16.f16.f32", m: 16, n: 8, k: 8, bits: 16, encode: bits16(5, 10), cBits: 32,
		a: func(l, i int) (int, int) { return group(l) + 8*(i/2), thread(l)*2 + i&1 },
		b: func(l, i int) (int, int) { return thread(l)*2 + i, group(l) }},
	{name: "m16n8k8", types: "f16.f16.f16.f16", m: 16, n: 8, k: 8, bits: 16, encode: bits16(5, 10), cBits: 16,
		a: func(l, i int) (int, int) { return group(l) + 8*(i/2), thread(l)*2 + i&1 },
		b: func(l, i int) (int, int) { return thread(l)*2 + i, group(l) }},
	{name: "m16n8k16", types: "f32.bf16.bf16.f32", m: 16, n: 8, k: 16, bits: 16, encode: bits16(8, 7), cBits: 32,
		a: func(l, i int) (int, int) { return group(l) + 8*(i/2%2), thread(l)*2 + i&1 + 8*(i/4) },
		b: func(l, i int) (int, int) { return thread(l)*2 + i&1 + 8*(i/2), group(l) }},
	{name: "m16n8k4", types: "f32.tf32.tf32.f32", m: 16, n: 8, k: 4, bits: 32, encode: single, cBits: 32,
		a: func(l, i int) (int, int) { return group(l) + 8*i, thread(l) },
		b: func(l, _ int) (int, int) { return thread(l), group(l) }},
	{name: "m16n8k8", types: "f32.tf32.tf32.f32", m: 16, n: 8, k: 8, bits: 32, encode: single, cBits: 32,
		a: func(l, i int) (int, int) { return group(l) + 8*(i%2), thread(l) + 4*(i/2) },
		b: func(l, i int) (int, int) { return thread(l) + 4*i, group(l) }},
	{name: "m8n8k4", types: "f64.f64.f64.f64", m: 8, n: 8, k: 4, bits: 64, cBits: 64, encode: func(v int) uint64 { return math.Float64bits(float64(v)) },
		a: func(l, _ int) (int, int) { return group(l), thread(l) },
		b: func(l, _ int) (int, int) { return thread(l), group(l) }},
	{name: "m8n8k16", types: "s32.s8.s8.s32", m: 8, n: 8, k: 16, bits: 8, cBits: 32, encode: func(v int) uint64 { return uint64(uint8(v)) },
		a: func(l, i int) (int, int) { return group(l), thread(l)*4 + i },
		b: func(l, i int) (int, int) { return thread(l)*4 + i, group(l) }},
	{name: "m16n8k16", types: "s32.s8.s8.s32", m: 16, n: 8, k: 16, bits: 8, cBits: 32, encode: func(v int) uint64 { return uint64(uint8(v)) },
		a: func(l, i int) (int, int) { return group(l) + 8*(i/4), thread(l)*4 + i&3 },
		b: func(l, i int) (int, int) { return thread(l)*4 + i, group(l) }},
	{name: "m16n8k32", types: "s32.s8.s8.s32", m: 16, n: 8, k: 32, bits: 8, cBits: 32, satfinite: true, encode: func(v int) uint64 { return uint64(uint8(v)) },
		a: func(l, i int) (int, int) { return group(l) + 8*(i/4%2), thread(l)*4 + i&3 + 16*(i/8) },
		b: func(l, i int) (int, int) { return thread(l)*4 + i&3 + 16*(i/4), group(l) }},
	{name: "m16n8k64", types: "s32.s4.s4.s32", m: 16, n: 8, k: 64, bits: 4, cBits: 32, encode: func(v int) uint64 { return uint64(v) & 15 },
		a: func(l, i int) (int, int) { return group(l) + 8*(i/8%2), thread(l)*8 + i&7 + 32*(i/16) },
		b: func(l, i int) (int, int) { return thread(l)*8 + i&7 + 32*(i/8), group(l) }},
}

// wide is what a register holds.
func (c *matrixCase) wide() int { return max(32, c.bits) }

// fragment lays a matrix out in the registers of a warp: for each lane its registers.
func fragment(elements, bits, wide int, at place, encode func(int) uint64, matrix func(row, column int) int) [32][]uint64 {
	var out [32][]uint64
	for lane := range out {
		registers := make([]uint64, elements*bits/wide)
		for i := range elements {
			registers[i*bits/wide] |= encode(matrix(at(lane, i))) << (i * bits % wide)
		}
		out[lane] = registers
	}
	return out
}

func (c *matrixCase) kernel(a, b, d int) string {
	width, kind := "b32", "r"
	if c.wide() == 64 {
		width, kind = "b64", "q"
	}
	names := func(prefix string, n int) string {
		var list []string
		for i := range n {
			list = append(list, fmt.Sprintf("%%%s%s%d", kind, prefix, i))
		}
		return strings.Join(list, ", ")
	}
	var s strings.Builder
	fmt.Fprintf(&s, ".version 8.0\n.target sm_90\n.address_size 64\n.visible .entry k(.param .u64 in, .param .u64 out)\n{\n.reg .b64 %%p, %%o, %%l;\n.reg .b32 %%t;\n")
	fmt.Fprintf(&s, ".reg .%s %s, %s, %s, %s;\n", width, names("a", a), names("b", b), names("c", d), names("d", d))
	fmt.Fprintf(&s, "mov.u32 %%t, %%tid.x;\ncvt.u64.u32 %%l, %%t;\nld.param.u64 %%p, [in];\nld.param.u64 %%o, [out];\n")
	fmt.Fprintf(&s, "mad.lo.u64 %%p, %%l, %d, %%p;\nmad.lo.u64 %%o, %%l, %d, %%o;\n", (a+b+d)*8, d*8)
	at := 0
	for _, part := range []struct {
		prefix string
		n      int
	}{{"a", a}, {"b", b}, {"c", d}} {
		for i := range part.n {
			fmt.Fprintf(&s, "ld.global.%s %%%s%s%d, [%%p+%d];\n", width, kind, part.prefix, i, at*8)
			at++
		}
	}
	saturate := ""
	if c.satfinite {
		saturate = ".satfinite"
	}
	fmt.Fprintf(&s, "mma.sync.aligned.%s.row.col%s.%s {%s}, {%s}, {%s}, {%s};\n", c.name, saturate, c.types, names("c", d), names("a", a), names("b", b), names("c", d))
	for i := range d {
		fmt.Fprintf(&s, "st.global.%s [%%o+%d], %%%sc%d;\n", width, i*8, kind, i)
	}
	s.WriteString("ret;\n}\n")
	return s.String()
}

func TestMatrixProducts(t *testing.T) {
	d := newDevice(t)
	for _, c := range matrixCases {
		t.Run(c.name+"."+c.types, func(t *testing.T) { c.check(t, d) })
	}
}

func (c *matrixCase) check(t *testing.T, d *gpu.Device) {
	draw := rand.New(rand.NewPCG(1, uint64(c.k)))
	random := func(rows, columns int) [][]int {
		m := make([][]int, rows)
		for i := range m {
			m[i] = make([]int, columns)
			for j := range m[i] {
				m[i][j] = draw.IntN(15) - 7
			}
		}
		return m
	}
	look := func(m [][]int) func(int, int) int { return func(row, column int) int { return m[row][column] } }
	ma, mb, mc := random(c.m, c.k), random(c.k, c.n), random(c.m, c.n)
	encodeC := map[int]func(int) uint64{16: bits16(5, 10), 64: c.encode, 32: func(v int) uint64 { return uint64(uint32(v)) }}[c.cBits]
	if strings.HasPrefix(c.types, "f32") {
		encodeC = single
	}
	fa := fragment(c.m*c.k/32, c.bits, c.wide(), c.a, c.encode, look(ma))
	fb := fragment(c.k*c.n/32, c.bits, c.wide(), c.b, c.encode, look(mb))
	fc := fragment(c.m*c.n/32, c.cBits, c.wide(), accumulators, encodeC, look(mc))
	want := fragment(c.m*c.n/32, c.cBits, c.wide(), accumulators, encodeC, func(row, column int) int {
		sum := mc[row][column]
		for k := range c.k {
			sum += ma[row][k] * mb[k][column]
		}
		return sum
	})
	var in []uint64
	for lane := range 32 {
		in = append(append(append(in, fa[lane]...), fb[lane]...), fc[lane]...)
	}
	module := load(t, d, c.kernel(len(fa[0]), len(fb[0]), len(fc[0])))
	out := upload(t, d, make([]uint64, 32*len(fc[0])))
	launch(t, d, function(t, module, "k"), 1, 32, upload(t, d, in), out)
	got := download[uint64](t, d, out, 32*len(fc[0]))
	for lane := range 32 {
		for i, w := range want[lane] {
			if g := got[lane*len(want[lane])+i]; g != w {
				t.Fatalf("lane %d, register %d: %#x, want %#x", lane, i, g, w)
			}
		}
	}
}

// TestSaturatedProducts: a sum beyond 32 bits stays at the end of the range, or wraps.
func TestSaturatedProducts(t *testing.T) {
	d := newDevice(t)
	for saturate, want := range map[string]uint64{".satfinite": math.MaxInt32, "": math.MaxInt32 + 16} {
		module := load(t, d, `.version 8.0
.target sm_90
.address_size 64
.visible .entry k(.param .u64 out)
{
	.reg .b64 %o;
	.reg .b32 %a, %c, %d, %e;
	ld.param.u64 %o, [out];
	mov.u32 %a, 0x01010101;
	mov.u32 %c, 0x7fffffff;
	mma.sync.aligned.m8n8k16.row.col`+saturate+`.s32.s8.s8.s32 {%d, %e}, {%a}, {%a}, {%c, %c};
	st.global.u32 [%o], %e;
	ret;
}`)
		out := upload(t, d, []uint64{0})
		launch(t, d, function(t, module, "k"), 1, 32, out)
		if got := download[uint64](t, d, out, 1)[0]; got != want {
			t.Errorf("%q: %#x, want %#x", saturate, got, want)
		}
	}
}

// TestTiles loads, transposes and stores tiles of 8 by 8.
func TestTiles(t *testing.T) {
	d := newDevice(t)
	const tiles = 4
	in := make([]uint16, tiles*64)
	for i := range in {
		in[i] = uint16(i*257 + 3)
	}
	for name, c := range map[string]struct {
		load, move, store string
		transposed        bool
	}{
		"load":              {"ldmatrix.sync.aligned.m8n8.x4.shared.b16", "", "stmatrix.sync.aligned.m8n8.x4.shared.b16", false},
		"load transposed":   {"ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16", "", "stmatrix.sync.aligned.m8n8.x4.shared.b16", true},
		"store transposed":  {"ldmatrix.sync.aligned.m8n8.x4.shared.b16", "", "stmatrix.sync.aligned.m8n8.x4.trans.shared.b16", true},
		"twice":             {"ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16", "", "stmatrix.sync.aligned.m8n8.x4.trans.shared.b16", false},
		"moved":             {"ldmatrix.sync.aligned.m8n8.x4.shared.b16", "movmatrix.sync.aligned.m8n8.trans.b16", "stmatrix.sync.aligned.m8n8.x4.shared.b16", true},
		"generic addresses": {"ldmatrix.sync.aligned.m8n8.x4.b16", "", "stmatrix.sync.aligned.m8n8.x4.b16", false},
	} {
		t.Run(name, func(t *testing.T) {
			got := throughTiles(t, d, in, c.load, c.move, c.store)
			for i := range got {
				want := in[i]
				if c.transposed {
					want = in[i/64*64+i%8*8+i/8%8]
				}
				if got[i] != want {
					t.Fatalf("element %d is %#x, want %#x", i, got[i], want)
				}
			}
		})
	}
}

// throughTiles brings elements into shared memory, through registers, and back.
func throughTiles(t *testing.T, d *gpu.Device, in []uint16, loads, moves, stores string) []uint16 {
	t.Helper()
	move := ""
	for i := range 4 {
		if moves != "" {
			move += fmt.Sprintf("%s %%r%d, %%r%d;\n", moves, i, i)
		}
	}
	address := "mov.u32 %s, tile; cvt.u64.u32 %a, %s;"
	if !strings.Contains(loads, "shared") {
		address = "mov.u32 %s, tile; cvt.u64.u32 %a, %s; cvta.shared.u64 %a, %a;"
	}
	module := load(t, d, `.version 8.0
.target sm_90
.address_size 64
.visible .entry k(.param .u64 in, .param .u64 out)
{
	.shared .align 16 .b8 tile[512];
	.reg .b64 %i, %o, %l, %a, %x, %y;
	.reg .b32 %t, %s, %r<4>;
	ld.param.u64 %i, [in];
	ld.param.u64 %o, [out];
	mov.u32 %t, %tid.x;
	mul.wide.u32 %l, %t, 16;
	add.u64 %i, %i, %l;
	add.u64 %o, %o, %l;
	`+address+`
	add.u64 %a, %a, %l;
	mov.u32 %s, tile;
	mad.lo.u32 %s, %t, 16, %s;
	ld.global.v2.u64 {%x, %y}, [%i];
	st.shared.v2.u64 [%s], {%x, %y};
	bar.sync 0;
	`+loads+` {%r0, %r1, %r2, %r3}, [%a];
	bar.sync 0;
	`+move+`
	`+stores+` [%a], {%r0, %r1, %r2, %r3};
	bar.sync 0;
	ld.shared.v2.u64 {%x, %y}, [%s];
	st.global.v2.u64 [%o], {%x, %y};
	ret;
}`)
	out := upload(t, d, make([]uint16, len(in)))
	launch(t, d, function(t, module, "k"), 1, 32, upload(t, d, in), out)
	return download[uint16](t, d, out, len(in))
}
