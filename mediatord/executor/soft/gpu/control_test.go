package gpu_test

import (
	"testing"

	"libvirt-vgpu/mediatord/executor/soft/gpu"
)

// runThreads executes a snippet in one block, with thread numbers as input.
func runThreads(t *testing.T, d *gpu.Device, threads int, body string) []uint64 {
	t.Helper()
	m := load(t, d, snippet(body))
	in := make([]uint64, threads)
	for i := range in {
		in[i] = uint64(i)
	}
	p := upload(t, d, in)
	out := upload(t, d, make([]uint64, threads))
	launch(t, d, function(t, m, "k"), 1, threads, p, p, p, out)
	return download[uint64](t, d, out, threads)
}

func checkThreads(t *testing.T, name string, got []uint64, want func(i int) uint64) {
	t.Helper()
	for i := range got {
		if got[i] != want(i) {
			t.Errorf("%s: thread %d has %#x, want %#x", name, i, got[i], want(i))
			return
		}
	}
}

func TestControlFlow(t *testing.T) {
	d := newDevice(t)
	tests := []struct {
		name, body string
		want       func(i int) uint64
	}{
		{"both sides of a branch", "setp.lt.u32 %p, %a32, 20; @%p bra L1; mov.u64 %d, 1; bra.uni L2; L1: mov.u64 %d, 2; L2: add.u64 %d, %d, 10;",
			func(i int) uint64 {
				if i < 20 {
					return 12
				}
				return 11
			}},
		{"loop of another length per thread", "L1: add.u64 %d, %d, %a; sub.u64 %a, %a, 1; setp.gt.s64 %p, %a, 0; @%p bra L1;",
			func(i int) uint64 { return uint64(i * (i + 1) / 2) }},
		{"jump table", "rem.u32 %t1, %a32, 4; T: .branchtargets L0, L1, L2, L3; brx.idx %t1, T; L0: add.u64 %d, %d, 1; L1: add.u64 %d, %d, 10; L2: add.u64 %d, %d, 100; L3: add.u64 %d, %d, 1000;",
			func(i int) uint64 { return []uint64{1111, 1110, 1100, 1000}[i%4] }},
		{"guards", "setp.gt.u32 %p, %a32, 9; @%p mov.u64 %d, 5; @!%p mov.u64 %d, 6; @%p add.u64 %d, %d, %a;",
			func(i int) uint64 {
				if i > 9 {
					return 5 + uint64(i)
				}
				return 6
			}},
		{"value kept by a guard", "mov.u64 %w2, 7; setp.eq.u32 %p, %a32, 3; @%p mov.u64 %w2, 9; add.u64 %w3, %a, 1; mov.u64 %d, %w2;",
			func(i int) uint64 {
				if i == 3 {
					return 9
				}
				return 7
			}},
		{"early exit", "setp.eq.u32 %p, %a32, 5; @%p exit; mov.u64 %d, 1; bar.sync 0; add.u64 %d, %d, 1;",
			func(i int) uint64 {
				if i == 5 {
					return 0
				}
				return 2
			}},
		{"shuffle with a partner on the other side", "setp.lt.u32 %p, %a32, 16; @%p bra L1; add.u32 %t1, %a32, 100; bra.uni L2; L1: add.u32 %t1, %a32, 200; L2: shfl.sync.bfly.b32 %t2, %t1, 16, 31, -1; cvt.u64.u32 %d, %t2;",
			func(i int) uint64 {
				if i%32 < 16 {
					return uint64(i) + 16 + 100
				}
				return uint64(i) - 16 + 100 + 100*b(i-16 < 16)
			}},
		{"shuffle that waits", "setp.lt.u32 %p, %a32, 8; mov.u32 %t1, 0; @!%p bra L2; L1: add.u32 %t1, %t1, 1; setp.lt.u32 %q, %t1, 50; @%q bra L1; L2: shfl.sync.idx.b32 %t2, %t1, 3, 31, -1; cvt.u64.u32 %d, %t2;",
			func(i int) uint64 { return 50 * b(i < 32) }},
		{"warp barrier on both sides", "{ .shared .b32 x[64]; mov.u64 %w7, x; shl.b64 %w6, %a, 2; add.u64 %w7, %w7, %w6; setp.lt.u32 %p, %a32, 16; @%p bra L1; st.shared.u32 [%w7], %a32; bar.warp.sync -1; bra.uni L2; L1: bar.warp.sync -1; ld.shared.u32 %t1, [%w7+64]; cvt.u64.u32 %d, %t1; L2: }",
			func(i int) uint64 { return uint64(i+16) * b(i < 16) }},
		{"votes of those who are there", "setp.lt.u32 %p, %a32, 10; @!%p bra L1; activemask.b32 %t1; setp.gt.u32 %q, %a32, 3; vote.sync.ballot.b32 %t2, %q, 0x3ff; vote.sync.any.pred %r, %q, 0x3ff; shl.b32 %t2, %t2, 16; or.b32 %t1, %t1, %t2; cvt.u64.u32 %d, %t1; @%r add.u64 %d, %d, 0x100000000; L1:",
			func(i int) uint64 { return 0x103f003ff * b(i < 10) }},
		{"sums of a warp", "redux.sync.add.s32 %t1, %a32, -1; redux.sync.max.u32 %t2, %a32, -1; redux.sync.xor.b32 %t3, %a32, -1; mad.lo.u32 %t1, %t2, 10000, %t1; add.u32 %t1, %t1, %t3; cvt.u64.u32 %d, %t1;",
			func(i int) uint64 { return [2]uint64{31*10000 + 496, 63*10000 + 496 + 32*32}[i/32] }},
		{"match", "shr.u32 %t1, %a32, 2; match.any.sync.b32 %t2, %t1, -1; match.all.sync.b32 %t3|%p, %t1, -1; match.all.sync.b64 %t4|%q, 7, -1; cvt.u64.u32 %d, %t2; @%p add.u64 %d, %d, 1; @%q add.u64 %d, %d, 0x100000000;",
			func(i int) uint64 { return 0xf<<(i%32/4*4) + 0x100000000 }},
		{"election", "setp.gt.u32 %q, %a32, 6; @!%q bra L1; elect.sync %t1|%p, 0xffffff80; cvt.u64.u32 %d, %t1; @%p add.u64 %d, %d, 100; L1:",
			func(i int) uint64 {
				switch {
				case i < 7:
					return 0
				case i < 32:
					return 7 + 100*b(i == 7)
				}
				return 100 * b(i == 32)
			}},
		{"barrier with a sum", "setp.gt.u32 %p, %a32, 40; barrier.cta.red.popc.aligned.u32 %t1, 1, %p; bar.red.or.pred %q, 2, %p; bar.red.and.pred %r, 0, !%p; cvt.u64.u32 %d, %t1; @%q add.u64 %d, %d, 100; @%r add.u64 %d, %d, 1000;",
			func(int) uint64 { return 123 }},
		{"producer and consumer", "{ .shared .b32 x; setp.lt.u32 %p, %a32, 32; @%p bra L1; bar.sync 3, 64; ld.shared.u32 %t1, [x]; cvt.u64.u32 %d, %t1; bra.uni L2; L1: setp.eq.u32 %q, %a32, 7; @%q st.shared.u32 [x], 77; bar.arrive 3, 64; L2: }",
			func(i int) uint64 { return 77 * b(i >= 32) }},
		{"lane registers", "mov.u32 %t1, %laneid; mov.u32 %t2, %lanemask_lt; mov.u32 %t3, %lanemask_ge; popc.b32 %t2, %t2; popc.b32 %t3, %t3; mov.u32 %t4, %warpid; mad.lo.u32 %t1, %t2, 100, %t1; mad.lo.u32 %t1, %t3, 10000, %t1; mad.lo.u32 %t1, %t4, 1000000, %t1; cvt.u64.u32 %d, %t1;",
			func(i int) uint64 { l := uint64(i % 32); return l + 100*l + 10000*(32-l) + 1000000*uint64(i/32) }},
		{"time goes on", "mov.u64 %w2, %clock64; mov.u64 %w3, %globaltimer; nanosleep.u32 10; mov.u64 %w4, %clock64; setp.ge.u64 %p, %w4, %w2; setp.gt.u64 %q, %w3, 1000000; @%p add.u64 %d, %d, 1; @%q add.u64 %d, %d, 2;",
			func(int) uint64 { return 3 }},
		{"registers of an inner scope", "mov.u64 %w2, 1; { .reg .b64 %w2; mov.u64 %w2, 5; add.u64 %d, %d, %w2; } add.u64 %d, %d, %w2;",
			func(int) uint64 { return 6 }},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			checkThreads(t, test.name, runThreads(t, d, 64, test.body), test.want)
		})
	}
}

// b is 1 when the condition holds.
func b(cond bool) uint64 {
	if cond {
		return 1
	}
	return 0
}

func TestGridShape(t *testing.T) {
	d := newDevice(t)
	m := load(t, d, `.version 7.0
.target sm_70
.address_size 64
.visible .entry shape(.param .u64 out)
{
	.reg .b32 %r<16>;
	.reg .b64 %rd<4>;
	mov.u32 %r0, %tid.x; mov.u32 %r1, %tid.y; mov.u32 %r2, %tid.z;
	mov.u32 %r3, %ctaid.x; mov.u32 %r4, %ctaid.y; mov.u32 %r5, %ctaid.z;
	mov.u32 %r6, %ntid.y; mad.lo.u32 %r2, %r2, %r6, %r1;
	mov.u32 %r6, %ntid.x; mad.lo.u32 %r2, %r2, %r6, %r0;
	mov.u32 %r6, %nctaid.y; mad.lo.u32 %r5, %r5, %r6, %r4;
	mov.u32 %r6, %nctaid.x; mad.lo.u32 %r5, %r5, %r6, %r3;
	mad.lo.u32 %r7, %r5, 30, %r2;
	ld.param.u64 %rd0, [out];
	mul.wide.u32 %rd1, %r7, 4;
	add.u64 %rd0, %rd0, %rd1;
	red.global.add.u32 [%rd0], 1;
	ret;
}`)
	f := function(t, m, "shape")
	out := upload(t, d, make([]uint32, 30*24))
	s := d.DefaultStream()
	must(t, s.Launch(gpu.Launch{Function: f, Grid: [3]uint32{2, 3, 4}, Block: [3]uint32{5, 3, 2}, Params: params(t, f, out)}))
	must(t, s.Synchronize())
	for i, n := range download[uint32](t, d, out, 30*24) {
		if n != 1 {
			t.Fatalf("place %d was written %d times", i, n)
		}
	}
}

func TestDeadlockIsAFault(t *testing.T) {
	d := newDevice(t)
	m := load(t, d, snippet("setp.lt.u32 %p, %a32, 5; @%p bar.sync 1, 32; @!%p bar.sync 2, 32;"))
	in := make([]uint64, 32)
	for i := range in {
		in[i] = uint64(i)
	}
	p := upload(t, d, in)
	wantCode(t, "launch", tryLaunch(t, d, function(t, m, "k"), 1, 32, p, p, p, p), gpu.LaunchFailed)
}

func TestStackOverflowIsAFault(t *testing.T) {
	d := newDevice(t)
	m := load(t, d, `.version 7.0
.target sm_70
.address_size 64
.func (.param .b32 r) deep(.param .b32 n)
{
	.reg .b32 %r<4>;
	.local .align 8 .b8 pad[512];
	.param .b32 p0; .param .b32 r0;
	ld.param.b32 %r0, [n];
	add.s32 %r0, %r0, 1;
	st.param.b32 [p0], %r0;
	call.uni (r0), deep, (p0);
	ld.param.b32 %r1, [r0];
	st.param.b32 [r], %r1;
	ret;
}
.entry k()
{
	.param .b32 p0; .param .b32 r0;
	st.param.b32 [p0], 0;
	call.uni (r0), deep, (p0);
	ret;
}`)
	wantCode(t, "launch", tryLaunch(t, d, function(t, m, "k"), 1, 32), gpu.HardwareStackError)
}
