package ptx

import (
	"errors"
	"reflect"
	"strings"
	"testing"
)

const head = ".version 8.4\n.target sm_80, debug\n.address_size 64\n"

func parse(t *testing.T, text string) *Module {
	t.Helper()
	m, err := Parse(head + text)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func TestHeader(t *testing.T) {
	m := parse(t, "")
	if m.Version != (Version{8, 4}) || m.Target != "sm_80" || !reflect.DeepEqual(m.Options, []string{"debug"}) || m.AddressSize != 64 {
		t.Errorf("%+v", m)
	}
	_, err := Parse(".version 9.1\n.target sm_80\n")
	if !errors.Is(err, ErrVersion) {
		t.Errorf("newer ISA: %v", err)
	}
	if _, err := Parse(".version 9.0\n.target sm_100\n\x00\x00"); err != nil {
		t.Errorf("newest ISA with padding: %v", err)
	}
}

func TestVariables(t *testing.T) {
	m := parse(t, `
.visible .global .align 8 .b8 bytes[6] = {1, 0x2, 03, 0b100, -1, (1<<3)|2};
.const .f32 pi = 0f40490FDB;
.global .f64 pair[2] = {1.5, 0d4000000000000000};
.extern .shared .align 16 .b8 dynamic[];
.weak .global .u64 table[3] = {bytes, generic(bytes)+4, 0};
.global .u8 packed[2] = {0xff(bytes), 0xff00(generic(bytes))};
.global .b32 matrix[2][3] = {{1}, {4, 5, 6}};
.global .align 16 .v4 .f32 vector;
.global .u32 open[] = {7, 8, 9};
.shared .b32 a, b[4];
.global .attribute(.managed) .align 4 .b32 managed;
`)
	type shape struct {
		space       Space
		link        Linkage
		size, align int
		unsized     bool
	}
	want := map[string]shape{
		"bytes": {Global, Visible, 6, 8, false}, "pi": {Const, Static, 4, 4, false}, "pair": {Global, Static, 16, 8, false},
		"dynamic": {Shared, Extern, 0, 16, true}, "table": {Global, Weak, 24, 8, false}, "packed": {Global, Static, 2, 1, false},
		"matrix": {Global, Static, 24, 4, false}, "vector": {Global, Static, 16, 16, false}, "open": {Global, Static, 12, 4, false},
		"a": {Shared, Static, 4, 4, false}, "b": {Shared, Static, 16, 4, false}, "managed": {Global, Static, 4, 4, false},
	}
	vars := map[string]*Var{}
	for _, v := range m.Vars {
		vars[v.Name] = v
		if got := (shape{v.Space, v.Linkage, v.Size(), v.Align, v.Unsized}); got != want[v.Name] {
			t.Errorf("%s: %+v, want %+v", v.Name, got, want[v.Name])
		}
	}
	if len(vars) != len(want) {
		t.Errorf("%d variables", len(vars))
	}
	values := func(name string) (list []uint64) {
		for _, in := range vars[name].Init {
			list = append(list, in.Value)
		}
		return list
	}
	for name, want := range map[string][]uint64{
		"bytes": {1, 2, 3, 4, 1<<64 - 1, 10}, "pi": {0x40490fdb}, "pair": {0x3ff8000000000000, 0x4000000000000000},
		"matrix": {1, 0, 0, 4, 5, 6}, "open": {7, 8, 9},
	} {
		if got := values(name); !reflect.DeepEqual(got, want) {
			t.Errorf("%s = %v, want %v", name, got, want)
		}
	}
	if got := vars["table"].Init; got[0].Sym != "bytes" || got[1].Add != 4 || !got[1].Generic || got[2].Sym != "" {
		t.Errorf("table = %+v", got)
	}
	if got := vars["packed"].Init; got[0].Byte != 0 || got[1].Byte != 1 || got[1].Sym != "bytes" {
		t.Errorf("packed = %+v", got)
	}
}

func TestFunctions(t *testing.T) {
	m := parse(t, `
.extern .func (.param .b32 result) outside (.param .b64 x) ;
.func (.param .b32 r) inner(.param .align 8 .b8 s[24], .reg .b32 n) .noreturn { ret; }
.visible .entry kernel(
	.param .u64 .ptr .global .align 16 p,
	.param .align 4 .b8 q[12]
)
.maxntid 128, 2, 1
.minnctapersm 3
.pragma "nounroll";
{
	.loc 1 5 3
	.reg .b32 %r<3>, x;
	.reg .pred %p<2>;
	.local .align 4 .b8 stack[8];
start:
	@!%p1 ld.global.nc.L1::no_allocate.v2.u32 {%r1, _}, [p+-8];
	setp.lt.and.s32 %p0|%p1, %r1, x, !%p1;
	{
		.reg .b32 x;
		.param .b32 arg;
		mov.u32 x, %tid.x;
		st.param.b32 [arg+0], x;
		call.uni (%r2), inner, (arg, 1), proto;
		proto : .callprototype (.param .b32 _) _ (.param .b64 _, .param .b32 _) ;
	}
	tab: .branchtargets start, end;
	brx.idx %r2, tab;
end:
	ret;
}
.section .debug_info { .b8 1, 2
.b32 start + 4
}
`)
	if len(m.Funcs) != 3 {
		t.Fatalf("%d functions", len(m.Funcs))
	}
	if f := m.Funcs[0]; f.HasBody || f.Linkage != Extern || len(f.Returns) != 1 || len(f.Params) != 1 {
		t.Errorf("outside: %+v", f)
	}
	if f := m.Funcs[1]; f.Name != "inner" || !f.HasBody || f.Params[0].Size() != 24 || f.Params[1].Space != Register {
		t.Errorf("inner: %+v", f)
	}
	k := m.Funcs[2]
	if !k.Entry || k.Linkage != Visible || k.MaxThreads != [3]int{128, 2, 1} || k.MinBlocks != 3 || k.Params[0].Align != 8 || k.Params[1].Size() != 12 {
		t.Errorf("kernel: %+v", k)
	}
	if len(k.Body) != 7 || k.Labels["start"] != 0 || k.Labels["end"] != 6 {
		t.Fatalf("%d instructions, labels %v", len(k.Body), k.Labels)
	}
	ld := k.Body[0]
	if ld.Name() != "ld.global.nc.L1::no_allocate.v2.u32" || !ld.GuardNot || k.Regs[ld.Guard].Name != "%p1" {
		t.Errorf("ld: %+v", ld)
	}
	if a := ld.Operands[1]; !a.Address || a.Sym != "p" || a.Var != k.Params[0] || a.Offset != -8 {
		t.Errorf("address: %+v", a)
	}
	if v := ld.Operands[0]; v.Kind != VectorOperand || len(v.List) != 2 || v.List[1].Kind != SinkOperand {
		t.Errorf("vector: %+v", v)
	}
	setp := k.Body[1]
	if setp.Operands[0].Pair == nil || !setp.Operands[3].Not {
		t.Errorf("setp: %+v", setp)
	}
	outer, inner := setp.Operands[2].Reg, k.Body[2].Operands[0].Reg
	if outer == inner || k.Regs[outer].Name != "x" || k.Regs[inner].Name != "x" {
		t.Errorf("the registers x are %d and %d", outer, inner)
	}
	if s := k.Body[2].Operands[1]; s.Kind != SpecialOperand || s.Sym != "%tid.x" {
		t.Errorf("special register: %+v", s)
	}
	call := k.Body[4]
	if call.Operands[0].Kind != ListOperand || call.Operands[1].Sym != "inner" || len(call.Operands[2].List) != 2 || call.Operands[2].List[0].Var == nil {
		t.Errorf("call: %+v", call)
	}
	if p := k.Prototypes["proto"]; p == nil || len(p.Params) != 2 || len(p.Returns) != 1 {
		t.Errorf("prototype: %+v", p)
	}
	if !reflect.DeepEqual(k.Targets["tab"], []string{"start", "end"}) {
		t.Errorf("targets %v", k.Targets)
	}
}

func TestErrors(t *testing.T) {
	tests := []struct{ name, text, says string }{
		{"character", ".global .b32 x = `;", "line 4: unexpected character"},
		{"comment", "/* no end", "line 4: comment without end"},
		{"string", ".pragma \"no end;", "line 4: string without end"},
		{"number", ".global .b32 x = 0x;", "line 4: malformed number"},
		{"float", ".global .f32 x = 0f123;", "line 4: malformed floating-point"},
		{"directive", "\n.nonsense", "line 5: unknown directive .nonsense"},
		{"type", ".global x;", "expected a type"},
		{"alignment", ".global .align 3 .b32 x;", "not a power of two"},
		{"inner dimension", ".global .b32 x[2][];", "first dimension"},
		{"size", ".global .b32 x[1099511627777];", "not a sensible number"},
		{"division", ".global .b32 x = 1/0;", "division by zero"},
		{"float operator", ".global .f32 x = 1.0+2;", "operator"},
		{"mask", ".global .u8 x = 0xf0(y);", "one byte"},
		{"guard", ".entry k() {\n.reg .b32 %r;\n@%r ret;\n}", "line 6: guard %r is not a predicate"},
		{"label", ".entry k() {\na:\na: ret;\n}", "line 6: label a is defined twice"},
		{"range", ".entry k() {\n.reg .b32 %r<2>;\nmov.b32 %r1, %r2;\n}", "line 6: unknown register %r2"},
		{"scope", ".entry k() {\n{ .reg .b32 %x; }\nmov.b32 %x, 1;\n}", "line 6: unknown register %x"},
		{"address", ".entry k() {\nld.b32 _, [%tid.x];\n}", "malformed address"},
		{"operands", ".entry k() {\nadd.s32 1 2;\n}", "expected \",\""},
		{"nesting", ".global .b32 x = " + strings.Repeat("(", 1000), "nested more than"},
		{"list nesting", ".entry k() { mov.b32 " + strings.Repeat("{", 1000), "nested more than"},
		{"no body end", ".entry k() { ret;", "closing brace"},
	}
	for _, test := range tests {
		_, err := Parse(head + test.text)
		var where *Error
		if err == nil || !errors.As(err, &where) || !strings.Contains(err.Error(), test.says) {
			t.Errorf("%s: %v, want %q", test.name, err, test.says)
		}
	}
	if _, err := Parse(".version 8.0\n"); err == nil || !strings.Contains(err.Error(), ".target") {
		t.Errorf("no target: %v", err)
	}
}

func FuzzParse(f *testing.F) {
	f.Add(head + ".visible .entry k(.param .u64 p)\n{\n.reg .b64 %rd<2>;\nld.param.u64 %rd1, [p];\nst.global.b32 [%rd1+4], 1;\nret;\n}\n")
	f.Add(head + ".global .u64 t[2] = {generic(x)+4, 0xff(y)};\n.const .f32 c = 0f3F800000;")
	f.Fuzz(func(t *testing.T, text string) {
		m, err := Parse(text)
		if (m == nil) == (err == nil) {
			t.Errorf("module %v, error %v", m, err)
		}
	})
}
