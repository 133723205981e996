package gpu_test

import (
	"math"
	"strings"
	"testing"
)

// TestLoadsAndStores moves values through every state space in every width.
func TestLoadsAndStores(t *testing.T) {
	d := newDevice(t)
	id := func(a, _, _ uint64) uint64 { return a }
	space := func(decl, pre, ld, st string) []opCase {
		head := "{ " + decl + pre
		return []opCase{
			{head + "st." + st + ".u8 [%w7], %a32; ld." + ld + ".s8 %t1, [%w7]; cvt.s64.s32 %d, %t1; }", func(a, _, _ uint64) uint64 { return uint64(int64(int8(a))) }},
			{head + "st." + st + ".u16 [%w7+2], %a16; ld." + ld + ".u16 %h1, [%w7+2]; cvt.u64.u16 %d, %h1; }", func(a, _, _ uint64) uint64 { return a & 0xffff }},
			{head + "st." + st + ".s16 [%w7], %a16; ld." + ld + ".s16 %t1, [%w7]; cvt.u64.u32 %d, %t1; }", func(a, _, _ uint64) uint64 { return uint64(uint32(int32(int16(a)))) }},
			{head + "st." + st + ".b32 [%w7+4], %a32; ld." + ld + ".b32 %t1, [%w7+4]; cvt.u64.u32 %d, %t1; }", func(a, _, _ uint64) uint64 { return a & 0xffffffff }},
			{head + "st." + st + ".b64 [%w7], %a; ld." + ld + ".b64 %d, [%w7]; }", id},
			{head + "st." + st + ".f64 [%w7+8], %da; ld." + ld + ".v2.b32 {%t1, %t2}, [%w7+8]; mov.b64 %d, {%t1, %t2}; }", id},
			{head + "mov.b64 {%h0, %h1, %h2, %h3}, %a; st." + st + ".v4.b16 [%w7], {%h0, %h1, %h2, %h3}; ld." + ld + ".b64 %d, [%w7]; }", id},
			{head + "st." + st + ".v2.b64 [%w7], {%b, %a}; ld." + ld + ".v2.u64 {_, %d}, [%w7]; }", id},
			{head + "st." + st + ".b32 [%w7], 0; st." + st + ".v4.u8 [%w7], {%a32, %b32, 7, %c32}; ld." + ld + ".u32 %t1, [%w7]; cvt.u64.u32 %d, %t1; }", func(a, b, c uint64) uint64 {
				return a&0xff | b&0xff<<8 | 7<<16 | c&0xff<<24
			}},
		}
	}
	shared := ".shared .align 16 .b8 buf[16384]; mov.u64 %w7, buf; and.b32 %t3, %t0, 1023; mul.wide.u32 %w6, %t3, 16; add.s64 %w7, %w7, %w6;"
	local := ".local .align 16 .b8 buf[32]; mov.u64 %w7, buf;"
	var cases []opCase
	cases = append(cases, space(shared, "", "shared", "shared")...)
	cases = append(cases, space(shared, " cvta.shared.u64 %w7, %w7;", "", "")...)
	cases = append(cases, space(local, "", "local", "local")...)
	cases = append(cases, space(local, " cvta.local.u64 %w7, %w7;", "volatile", "volatile")...)
	for i := range cases { // an empty state space leaves "ld..u8"
		cases[i].body = strings.ReplaceAll(cases[i].body, "..", ".")
	}
	checkOps(t, d, cases, edges)
	checkOps(t, d, []opCase{
		{"{ .shared .align 4 .b32 buf; .local .b32 l; mov.u64 %w2, buf; cvta.shared.u64 %w3, %w2; isspacep.shared %p, %w3; selp.u64 %d, 1, 0, %p; cvta.to.shared.u64 %w3, %w3; sub.u64 %w3, %w3, %w2; add.u64 %d, %d, %w3;" +
			" isspacep.global %p, %w1; @%p add.u64 %d, %d, 2; mov.u64 %w4, l; cvta.local.u64 %w4, %w4; isspacep.local %p, %w4; @%p add.u64 %d, %d, 4; isspacep.shared %p, %w1; @%p add.u64 %d, %d, 8; }",
			func(_, _, _ uint64) uint64 { return 7 }},
	}, edges)
}

// TestAtomics applies each operation once per thread, in global and in shared
// memory, and checks the value before and after.
func TestAtomics(t *testing.T) {
	d := newDevice(t)
	cast := func(fn func(a, b uint32) uint32) func(a, b, c uint64) uint64 {
		return func(a, b, _ uint64) uint64 { return uint64(fn(uint32(a), uint32(b))) }
	}
	min32 := func(a, b uint32) uint32 { return uint32(min(int32(a), int32(b))) }
	ops := []struct {
		name, operands string
		after          func(a, b, c uint64) uint64
	}{
		{"add.u32", "%b32", cast(func(a, b uint32) uint32 { return a + b })},
		{"min.s32", "%b32", cast(min32)},
		{"max.u32", "%b32", cast(func(a, b uint32) uint32 { return max(a, b) })},
		{"and.b32", "%b32", cast(func(a, b uint32) uint32 { return a & b })},
		{"or.b32", "%b32", cast(func(a, b uint32) uint32 { return a | b })},
		{"xor.b32", "%b32", cast(func(a, b uint32) uint32 { return a ^ b })},
		{"exch.b32", "%b32", cast(func(_, b uint32) uint32 { return b })},
		{"inc.u32", "%b32", cast(func(a, b uint32) uint32 {
			if a >= b {
				return 0
			}
			return a + 1
		})},
		{"dec.u32", "%b32", cast(func(a, b uint32) uint32 {
			if a == 0 || a > b {
				return b
			}
			return a - 1
		})},
		{"cas.b32", "%b32, %c32", func(a, b, c uint64) uint64 {
			if uint32(a) == uint32(b) {
				return uint64(uint32(c))
			}
			return uint64(uint32(a))
		}},
		{"add.f32", "%fb", func(a, b, _ uint64) uint64 { return canon(f(a) + f(b)) }},
		{"add.noftz.f16x2", "%b32", func(a, b, _ uint64) uint64 {
			return half.convert(half.value(a&0xffff)+half.value(b&0xffff)) | half.convert(half.value(a>>16&0xffff)+half.value(b>>16&0xffff))<<16
		}},
	}
	const address = "{ .shared .align 16 .b8 buf[16384]; and.b32 %t3, %t0, 1023; mul.wide.u32 %w6, %t3, 16; "
	spaces := []struct{ name, setup string }{
		{"shared", address + "mov.u64 %w7, buf; add.s64 %w7, %w7, %w6; "},
		{"", address + "mov.u64 %w7, buf; add.s64 %w7, %w7, %w6; cvta.shared.u64 %w7, %w7; "},
		{"global", "{ ld.param.u64 %w7, [pd]; add.s64 %w7, %w7, %w0; "},
	}
	var cases []opCase
	for _, s := range spaces {
		dot := s.name
		if dot != "" {
			dot = "." + dot
		}
		setup := s.setup
		for _, op := range ops {
			cases = append(cases,
				opCase{setup + "st" + dot + ".b32 [%w7], %a32; atom" + dot + "." + op.name + " %t4, [%w7], " + op.operands + "; cvt.u64.u32 %d, %t4; }",
					func(a, _, _ uint64) uint64 { return a & 0xffffffff }},
				opCase{setup + "st" + dot + ".b32 [%w7], %a32; atom" + dot + ".relaxed.gpu." + op.name + " _, [%w7], " + op.operands + "; ld" + dot + ".b32 %t4, [%w7]; cvt.u64.u32 %d, %t4; }", op.after})
		}
		cases = append(cases,
			opCase{setup + "st" + dot + ".b64 [%w7], %a; red" + dot + ".add.u64 [%w7], %b; ld" + dot + ".b64 %d, [%w7]; }", func(a, b, _ uint64) uint64 { return a + b }},
			opCase{setup + "st" + dot + ".b64 [%w7], %a; atom" + dot + ".cas.b64 %w5, [%w7], %b, %c; ld" + dot + ".b64 %d, [%w7]; }", func(a, b, c uint64) uint64 {
				if a == b {
					return c
				}
				return a
			}},
			opCase{setup + "st" + dot + ".b64 [%w7], %a; red" + dot + ".max.s64 [%w7], %b; ld" + dot + ".b64 %d, [%w7]; }", s64(func(a, b, _ int64) int64 { return max(a, b) })},
			opCase{setup + "st" + dot + ".b64 [%w7], %a; atom" + dot + ".add.f64 %dd, [%w7], %db; ld" + dot + ".b64 %d, [%w7]; }", func(a, b, _ uint64) uint64 { return canon64(g(a) + g(b)) }},
			opCase{setup + "st" + dot + ".b32 [%w7], %a32; atom" + dot + ".cas.b16 %h1, [%w7+2], %b16, %c16; ld" + dot + ".b32 %t4, [%w7]; cvt.u64.u32 %d, %t4; }", func(a, b, c uint64) uint64 {
				if a>>16&0xffff == b&0xffff {
					return a&0xffff | c&0xffff<<16
				}
				return a & 0xffffffff
			}},
		)
	}
	checkOps(t, d, cases, append(edges, math.Float64bits(1.5), uint64(math.Float32bits(-2.5))))
}

// TestAsyncCopy moves data to shared memory with cp.async.
func TestAsyncCopy(t *testing.T) {
	d := newDevice(t)
	const head = "{ .shared .align 16 .b8 buf[16384]; and.b32 %t3, %t0, 1023; mul.lo.u32 %t3, %t3, 16; mov.u32 %t5, buf; add.u32 %t5, %t5, %t3;" +
		" ld.param.u64 %w7, [pb]; add.s64 %w7, %w7, %w0; st.shared.b64 [%t5], %a; "
	const tail = " cp.async.commit_group; cp.async.wait_group 0; ld.shared.b64 %d, [%t5]; }"
	checkOps(t, d, []opCase{
		{head + "cp.async.ca.shared.global [%t5], [%w7], 8;" + tail, func(_, b, _ uint64) uint64 { return b }},
		{head + "cp.async.ca.shared.global.L2::128B [%t5], [%w7], 4;" + tail, func(a, b, _ uint64) uint64 { return a>>32<<32 | b&0xffffffff }},
		{head + "cp.async.ca.shared.global [%t5], [%w7], 8, 3;" + tail, func(_, b, _ uint64) uint64 { return b & 0xffffff }},
	}, edges)
}
