package gpu_test

import (
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"libvirt-vgpu/mediatord/executor/soft/gpu"
)

func TestFaultsAreSticky(t *testing.T) {
	tests := []struct {
		name   string
		kernel string
		arg    func(t *testing.T, d *gpu.Device) uint64
		want   gpu.Result
		text   string
	}{
		{"unmapped address", "writeOutside", func(*testing.T, *gpu.Device) uint64 { return 0xdead0000 }, gpu.IllegalAddress, "writeOutside"},
		{"behind the end", "writeOutside", func(t *testing.T, d *gpu.Device) uint64 { return upload(t, d, make([]byte, 4096)) + 4096 - 64 }, gpu.IllegalAddress, "thread [16 0 0]"},
		{"misaligned address", "writeOutside", func(t *testing.T, d *gpu.Device) uint64 { return upload(t, d, make([]byte, 4096)) + 2 }, gpu.MisalignedAddress, "st"},
		{"trap", "trapIf", func(t *testing.T, d *gpu.Device) uint64 { return upload(t, d, []int32{31: 1}) }, gpu.LaunchFailed, "thread [31 0 0]"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			var seen atomic.Value
			d, err := gpu.New(gpu.Config{Memory: 64 << 20, OnFault: func(err error) { seen.Store(err) }})
			must(t, err)
			defer d.Close()
			f := function(t, loadFile(t, d, "kernels.ptx"), test.kernel)
			err = tryLaunch(t, d, f, 1, 32, test.arg(t, d))
			wantCode(t, "synchronise", err, test.want)
			if !strings.Contains(err.Error(), test.text) {
				t.Errorf("%q does not say %q", err, test.text)
			}
			if got, _ := seen.Load().(error); gpu.CodeOf(got) != test.want {
				t.Errorf("OnFault saw %v", got)
			}
			s := d.DefaultStream()
			_, err = d.Alloc(4096)
			wantCode(t, "alloc", err, test.want)
			wantCode(t, "host function", s.HostFunc(func() {}), test.want)
			wantCode(t, "query", s.Query(), test.want)
			wantCode(t, "synchronise again", d.Synchronize(), test.want)
			_, err = d.LoadModule("")
			wantCode(t, "load", err, test.want)
			_, err = d.NewStream(gpu.StreamFlags{})
			wantCode(t, "stream", err, test.want)
		})
	}
}

func TestQueuedWorkIsDroppedAfterAFault(t *testing.T) {
	d := newDevice(t)
	f := function(t, loadFile(t, d, "kernels.ptx"), "writeOutside")
	s := newStream(t, d, true)
	g := hold(t, s)
	var ran atomic.Bool
	must(t, s.Launch(gpu.Launch{Function: f, Grid: [3]uint32{1, 1, 1}, Block: [3]uint32{1, 1, 1}, Params: params(t, f, uint64(16))}))
	must(t, s.HostFunc(func() { ran.Store(true) }))
	var told error
	must(t, s.Callback(func(err error) { told = err }))
	close(g)
	wantCode(t, "synchronise", s.Synchronize(), gpu.IllegalAddress)
	if ran.Load() {
		t.Error("work behind the fault ran")
	}
	wantCode(t, "callback", told, gpu.IllegalAddress)
	wantCode(t, "late callback", s.Callback(func(error) {}), gpu.IllegalAddress)
}

func TestCallbacksHearOfNoErrorAndAreNotCaptured(t *testing.T) {
	d := newDevice(t)
	s := newStream(t, d, true)
	var calls, errors int
	must(t, s.Callback(func(err error) {
		calls++
		if err != nil {
			errors++
		}
	}))
	must(t, s.Synchronize())
	if calls != 1 || errors != 0 {
		t.Errorf("%d calls, %d with an error", calls, errors)
	}
	must(t, s.BeginCapture(gpu.CaptureRelaxed, 0))
	wantCode(t, "captured", s.Callback(func(error) {}), gpu.CaptureUnsupported)
	_, err := s.EndCapture(0)
	wantCode(t, "end", err, gpu.CaptureInvalidated)
}

func TestKillEndsEndlessKernel(t *testing.T) {
	d := newDevice(t)
	f := function(t, loadFile(t, d, "kernels.ptx"), "spinForever")
	s := newStream(t, d, true)
	must(t, s.Launch(gpu.Launch{Function: f, Grid: [3]uint32{2000, 1, 1}, Block: [3]uint32{256, 1, 1}, Params: params(t, f, upload(t, d, []int32{0}))}))
	other := newStream(t, d, true)
	must(t, other.WaitValue32(upload(t, d, []uint32{0}), 1, gpu.WaitEqual))
	time.Sleep(30 * time.Millisecond)
	wantCode(t, "running", s.Query(), gpu.NotReady)
	start := time.Now()
	d.Kill()
	wantCode(t, "synchronise", d.Synchronize(), gpu.ContextIsDestroyed)
	d.Close()
	if took := time.Since(start); took > time.Minute {
		t.Errorf("the kernel ended after %v", took)
	}
}

func TestLaunchChecks(t *testing.T) {
	d := newDevice(t)
	m := loadFile(t, d, "kernels.ptx")
	f, bounded := function(t, m, "reverse"), function(t, m, "bounded")
	p := params(t, f, upload(t, d, make([]int32, 1024)))
	s := d.DefaultStream()
	one := [3]uint32{1, 1, 1}
	tests := []struct {
		name string
		l    gpu.Launch
		want gpu.Result
	}{
		{"no blocks", gpu.Launch{Function: f, Grid: [3]uint32{0, 1, 1}, Block: one, Params: p}, gpu.InvalidValue},
		{"no threads", gpu.Launch{Function: f, Grid: one, Block: [3]uint32{1, 1, 0}, Params: p}, gpu.InvalidValue},
		{"large block", gpu.Launch{Function: f, Grid: one, Block: [3]uint32{1025, 1, 1}, Params: p}, gpu.InvalidValue},
		{"large product", gpu.Launch{Function: f, Grid: one, Block: [3]uint32{64, 32, 1}, Params: p}, gpu.InvalidValue},
		{"deep block", gpu.Launch{Function: f, Grid: one, Block: [3]uint32{1, 1, 65}, Params: p}, gpu.InvalidValue},
		{"wide grid", gpu.Launch{Function: f, Grid: [3]uint32{1 << 31, 1, 1}, Block: one, Params: p}, gpu.InvalidValue},
		{"high grid", gpu.Launch{Function: f, Grid: [3]uint32{1, 65536, 1}, Block: one, Params: p}, gpu.InvalidValue},
		{"too much shared memory", gpu.Launch{Function: f, Grid: one, Block: one, DynamicShared: 48<<10 + 1, Params: p}, gpu.InvalidValue},
		{"no parameters", gpu.Launch{Function: f, Grid: one, Block: one}, gpu.InvalidValue},
		{"beyond launch bounds", gpu.Launch{Function: bounded, Grid: one, Block: [3]uint32{65, 1, 1}, Params: p}, gpu.InvalidValue},
		{"within launch bounds", gpu.Launch{Function: bounded, Grid: one, Block: [3]uint32{64, 1, 1}, Params: p}, gpu.Success},
		{"large cooperative grid", gpu.Launch{Function: bounded, Grid: [3]uint32{100000, 1, 1}, Block: one, Params: p, Cooperative: true}, gpu.CooperativeLaunchTooLarge},
		{"no function", gpu.Launch{Grid: one, Block: one, Params: p}, gpu.InvalidHandle},
		{"as large as allowed", gpu.Launch{Function: f, Grid: one, Block: [3]uint32{1024, 1, 1}, DynamicShared: 48 << 10, Params: p}, gpu.Success},
	}
	for _, test := range tests {
		wantCode(t, test.name, s.Launch(test.l), test.want)
	}
	must(t, s.Synchronize())
	must(t, f.SetMaxDynamicShared(gpu.MaxSharedOptIn))
	must(t, s.Launch(gpu.Launch{Function: f, Grid: one, Block: one, DynamicShared: gpu.MaxSharedOptIn, Params: p}))
	wantCode(t, "more than there is", f.SetMaxDynamicShared(gpu.MaxSharedOptIn+1), gpu.InvalidValue)
	must(t, s.Synchronize())
}

func TestAttributes(t *testing.T) {
	d := newDevice(t)
	m := loadFile(t, d, "kernels.ptx")
	a := function(t, m, "matrixMul").Attributes()
	if a.SharedSize != 2048 || a.MaxThreadsPerBlock != 1024 || a.PTXVersion != 75 || a.BinaryVersion != 90 || a.ConstSize != 16 ||
		a.MaxDynamicShared != 48<<10-2048 || a.Registers < 16 || a.LocalSize != 0 {
		t.Errorf("attributes of matrixMul: %+v", a)
	}
	if b := function(t, m, "bounded").Attributes(); b.MaxThreadsPerBlock != 64 {
		t.Errorf("attributes of bounded: %+v", b)
	}
	f := function(t, m, "matrixMul")
	if n := f.Occupancy(256, 0); n != 8 {
		t.Errorf("occupancy %d, want 8", n)
	}
	if n := f.Occupancy(32, 200<<10); n != 1 {
		t.Errorf("occupancy with much shared memory %d, want 1", n)
	}
	if n := f.Occupancy(2000, 0); n != 0 {
		t.Errorf("occupancy of an impossible block %d", n)
	}
}

func TestBadModules(t *testing.T) {
	head := ".version 8.0\n.target sm_90\n.address_size 64\n"
	tests := []struct {
		name, text string
		want       gpu.Result
		says       string
	}{
		{"empty", "", gpu.InvalidPTX, "line 1"},
		{"no PTX", "hello", gpu.InvalidPTX, "line 1"},
		{"newer ISA", ".version 9.1\n.target sm_90\n", gpu.UnsupportedPTXVersion, "9.1"},
		{"newer GPU", ".version 8.0\n.target sm_100\n", gpu.InvalidPTX, "sm_100"},
		{"other GPU", ".version 8.0\n.target sm_80a\n", gpu.InvalidPTX, "sm_80a"},
		{"unknown instruction", head + ".entry k() {\n .reg .b32 %r;\n frobnicate.b32 %r, %r;\n ret;\n}", gpu.InvalidPTX, "line 6"},
		{"unknown register", head + ".entry k() {\n mov.b32 %r1, %r2;\n}", gpu.InvalidPTX, "%r1"},
		{"no closing brace", head + ".entry k() {\n ret;\n", gpu.InvalidPTX, "closing brace"},
		{"undefined variable", head + ".extern .global .b32 x;\n", gpu.InvalidPTX, "x is declared"},
		{"unknown symbol in a table", head + ".global .u64 x[1] = {y};\n", gpu.InvalidPTX, "unknown symbol y"},
		{"too many values", head + ".global .b32 x[1] = {1, 2};\n", gpu.InvalidPTX, "more initial values"},
	}
	d := newDevice(t)
	free, _ := d.MemInfo()
	for _, test := range tests {
		_, err := d.LoadModule(test.text)
		wantCode(t, test.name, err, test.want)
		if err != nil && !strings.Contains(err.Error(), test.says) {
			t.Errorf("%s: %q does not say %q", test.name, err, test.says)
		}
	}
	if now, _ := d.MemInfo(); now != free {
		t.Errorf("refused modules keep %d bytes", free-now)
	}
}

func TestBadKernels(t *testing.T) {
	d := newDevice(t)
	tests := []struct {
		name, body string
		want       gpu.Result
	}{
		{"Volta's matrices", "mma.sync.aligned.m8n8k4.row.col.f32.f16.f16.f32 {%r1,%r1,%r1,%r1,%r1,%r1,%r1,%r1},{%r1,%r1},{%r1,%r1},{%r1,%r1,%r1,%r1,%r1,%r1,%r1,%r1};", gpu.NotSupported},
		{"function of nobody", "{ .param .b64 p0; .param .b64 p1; .param .b32 r; call (r), mystery, (p0, p1); }", gpu.NotSupported},
		{"packed integers from floats", "{ .reg .f32 %f1; cvt.rn.u16x2.f32 %r1, %f1, %f1; }", gpu.NotSupported},
		{"128 bits", "{ .reg .b128 %q1; mov.b128 %q1, %q1; }", gpu.NotSupported},
		{"asynchronous store", "{ .reg .b64 %d1; st.async.b32 [%d1], %r1, [%d1]; }", gpu.NotSupported},
		{"no label", "bra nowhere;", gpu.InvalidPTX},
		{"no type", "add %r1, %r1, %r1;", gpu.InvalidPTX},
		{"too few operands", "add.s32 %r1, %r1;", gpu.InvalidPTX},
		{"predicate as value", "add.s32 %r1, %p1, %r1;", gpu.InvalidPTX},
		{"value as predicate", "selp.b32 %r1, %r1, %r1, %r1;", gpu.InvalidPTX},
		{"unknown variable", "mov.b32 %r1, nothing;", gpu.InvalidPTX},
		{"mul without part", "mul.s32 %r1, %r1, %r1;", gpu.InvalidPTX},
		{"empty vector", "mov.b32 {}, %r1;", gpu.InvalidPTX},
	}
	for _, test := range tests {
		m, err := d.LoadModule(".version 8.0\n.target sm_90\n.address_size 64\n.extern .func (.param .b32 r) mystery (.param .b64 a, .param .b64 b);\n" +
			".entry k() {\n.reg .b32 %r<4>; .reg .pred %p<3>;\n" + test.body + "\nret;\n}\n.entry good() { ret; }\n")
		if err != nil {
			t.Errorf("%s: %v", test.name, err)
			continue
		}
		_, err = m.Function("k")
		wantCode(t, test.name, err, test.want)
		if err != nil && !strings.Contains(err.Error(), "line 7") {
			t.Errorf("%s: %q does not name line 7", test.name, err)
		}
		launch(t, d, function(t, m, "good"), 1, 1)
	}
}
