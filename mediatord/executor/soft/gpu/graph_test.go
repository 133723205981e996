package gpu_test

import (
	"sync/atomic"
	"testing"
	"time"

	"libvirt-vgpu/mediatord/executor/soft/gpu"
)

// axpy makes a launch of y += a*x over 32 elements.
func axpy(t testing.TB, f *gpu.Function, a float32, x, y uint64) gpu.Launch {
	t.Helper()
	return gpu.Launch{Function: f, Grid: [3]uint32{1, 1, 1}, Block: [3]uint32{32, 1, 1}, Params: params(t, f, a, x, y, int32(32))}
}

func ones(int) float64 { return 1 }

func wantAll(t testing.TB, d *gpu.Device, va uint64, want float32) {
	t.Helper()
	for i, got := range download[float32](t, d, va, 32) {
		if got != want {
			t.Fatalf("element %d is %v, want %v", i, got, want)
		}
	}
}

func TestGraphOfNodes(t *testing.T) {
	d := newDevice(t)
	f := function(t, loadFile(t, d, "kernels.ptx"), "axpy")
	x, y := upload(t, d, ramp(32, ones)), upload(t, d, make([]float32, 32))
	out := make([]byte, 128)
	calls := 0
	g := d.NewGraph()
	zero, err := g.AddFill(nil, gpu.Fill{Addr: y, Size: 4, Width: 32, Height: 1})
	must(t, err)
	first, err := g.AddKernel([]*gpu.Node{zero}, axpy(t, f, 2, x, y))
	must(t, err)
	second, err := g.AddKernel([]*gpu.Node{first}, axpy(t, f, 3, x, y))
	must(t, err)
	side, err := g.AddHost([]*gpu.Node{zero}, func() { calls++ })
	must(t, err)
	join, err := g.AddEmpty([]*gpu.Node{second, side})
	must(t, err)
	read, err := g.AddCopy([]*gpu.Node{join}, gpu.Copy{To: gpu.HostPlace(out), From: gpu.DevicePlace(y), Width: 128, Height: 1})
	must(t, err)
	if n := len(g.Nodes()); n != 6 {
		t.Errorf("%d nodes", n)
	}
	if n := len(g.Edges()); n != 6 {
		t.Errorf("%d edges", n)
	}
	if r := g.Roots(); len(r) != 1 || r[0] != zero {
		t.Errorf("roots %v", r)
	}
	for n, kind := range map[*gpu.Node]gpu.NodeKind{zero: gpu.MemsetNode, first: gpu.KernelNode, side: gpu.HostNode, join: gpu.EmptyNode, read: gpu.MemcpyNode} {
		if n.Kind() != kind {
			t.Errorf("kind %d, want %d", n.Kind(), kind)
		}
	}
	if dep := join.Dependencies(); len(dep) != 2 || len(zero.Dependents()) != 2 {
		t.Errorf("dependencies %v, dependents %v", dep, zero.Dependents())
	}
	x1, err := g.Instantiate()
	must(t, err)
	s := newStream(t, d, true)
	for range 3 {
		must(t, x1.Launch(s))
	}
	must(t, s.Synchronize())
	wantAll(t, d, y, 5)
	if calls != 3 || out[3] != 0x40 || out[2] != 0xa0 { // 5.0
		t.Errorf("%d calls, copied %x", calls, out[:4])
	}

	must(t, x1.SetKernel(second, axpy(t, f, 10, x, y)))
	must(t, x1.Launch(s))
	must(t, s.Synchronize())
	wantAll(t, d, y, 12)
	wantCode(t, "kernel parameters for a memset", x1.SetKernel(zero, axpy(t, f, 1, x, y)), gpu.InvalidValue)
	_, err = zero.Kernel()
	wantCode(t, "kernel of a memset", err, gpu.InvalidValue)
	if l, err := second.Kernel(); err != nil || l.Function != f {
		t.Errorf("kernel of a kernel node: %v", err)
	}
}

func TestGraphEdges(t *testing.T) {
	d := newDevice(t)
	g, other := d.NewGraph(), d.NewGraph()
	a, err := g.AddEmpty(nil)
	must(t, err)
	b, err := g.AddEmpty([]*gpu.Node{a})
	must(t, err)
	foreign, err := other.AddEmpty(nil)
	must(t, err)
	_, err = g.AddEmpty([]*gpu.Node{foreign})
	wantCode(t, "foreign dependency", err, gpu.InvalidValue)
	_, err = g.AddEmpty([]*gpu.Node{a, a})
	wantCode(t, "repeated dependency", err, gpu.InvalidValue)
	wantCode(t, "edge that is there", g.AddDependencies([]gpu.Edge{{From: a, To: b}}), gpu.InvalidValue)
	must(t, g.AddDependencies([]gpu.Edge{{From: b, To: a}}))
	_, err = g.Instantiate()
	wantCode(t, "cycle", err, gpu.InvalidValue)
	must(t, g.RemoveDependencies([]gpu.Edge{{From: b, To: a}}))
	wantCode(t, "edge that is gone", g.RemoveDependencies([]gpu.Edge{{From: b, To: a}}), gpu.InvalidValue)
	c, twin := g.Clone()
	if len(c.Nodes()) != 2 || twin[b].Dependencies()[0] != twin[a] {
		t.Error("the clone differs")
	}
	must(t, a.Remove())
	if len(b.Dependencies()) != 0 || len(g.Nodes()) != 1 || len(c.Nodes()) != 2 {
		t.Error("the node is still there")
	}
	wantCode(t, "removing twice", a.Remove(), gpu.InvalidHandle)
}

func TestGraphUpdate(t *testing.T) {
	d := newDevice(t)
	f := function(t, loadFile(t, d, "kernels.ptx"), "axpy")
	x, y := upload(t, d, ramp(32, ones)), upload(t, d, make([]float32, 32))
	build := func(a float32, chained bool, extra bool) *gpu.Graph {
		g := d.NewGraph()
		n, err := g.AddKernel(nil, axpy(t, f, a, x, y))
		must(t, err)
		deps := []*gpu.Node{n}
		if !chained {
			deps = nil
		}
		if extra {
			_, err = g.AddEmpty(deps)
		} else {
			_, err = g.AddKernel(deps, axpy(t, f, a, x, y))
		}
		must(t, err)
		return g
	}
	e, err := build(1, true, false).Instantiate()
	must(t, err)
	s := newStream(t, d, true)
	must(t, e.Launch(s))
	r, _, err := e.Update(build(4, true, false))
	if r != gpu.UpdateSuccess || err != nil {
		t.Fatalf("update: %v, %v", r, err)
	}
	must(t, e.Launch(s))
	must(t, s.Synchronize())
	wantAll(t, d, y, 2*1+2*4)
	r, node, err := e.Update(build(4, true, true))
	if r != gpu.UpdateNodeTypeChanged || node == nil || gpu.CodeOf(err) != gpu.GraphExecUpdateFailure {
		t.Errorf("other kind: %v %v", r, err)
	}
	r, _, err = e.Update(build(4, false, false))
	if r != gpu.UpdateTopologyChanged || gpu.CodeOf(err) != gpu.GraphExecUpdateFailure {
		t.Errorf("other edges: %v %v", r, err)
	}
	r, _, _ = e.Update(d.NewGraph())
	if r != gpu.UpdateTopologyChanged {
		t.Errorf("no nodes: %v", r)
	}
}

func TestCapture(t *testing.T) {
	d := newDevice(t)
	f := function(t, loadFile(t, d, "kernels.ptx"), "axpy")
	x, y, z := upload(t, d, ramp(32, ones)), upload(t, d, make([]float32, 32)), upload(t, d, make([]float32, 32))
	a, b := newStream(t, d, false), newStream(t, d, true)
	fork, join := newEvent(t, d), newEvent(t, d)
	must(t, a.BeginCapture(gpu.CaptureGlobal, 1))
	wantCode(t, "second begin", a.BeginCapture(gpu.CaptureGlobal, 1), gpu.IllegalState)
	must(t, a.Fill(gpu.Fill{Addr: y, Size: 4, Width: 32, Height: 1}))
	must(t, a.RecordEvent(fork))
	must(t, b.WaitEvent(fork))
	must(t, b.Launch(axpy(t, f, 7, x, z)))
	must(t, a.Launch(axpy(t, f, 2, x, y)))
	must(t, b.RecordEvent(join))
	must(t, a.WaitEvent(join))
	must(t, a.Launch(axpy(t, f, 1, z, y)))
	info, err := b.CaptureInfo()
	if err != nil || info.Status != gpu.Capturing || len(info.Dependencies) != 1 {
		t.Errorf("capture info %+v, %v", info, err)
	}
	g, err := a.EndCapture(1)
	must(t, err)
	if n, e := len(g.Nodes()), len(g.Edges()); n != 4 || e != 4 {
		t.Errorf("%d nodes and %d edges", n, e)
	}
	if info, _ := a.CaptureInfo(); info.Status != gpu.NotCapturing {
		t.Error("the stream still captures")
	}
	wantAll(t, d, z, 0) // nothing has run yet
	e, err := g.Instantiate()
	must(t, err)
	must(t, e.Launch(b))
	must(t, b.Synchronize())
	wantAll(t, d, z, 7)
	wantAll(t, d, y, 2+7)
	must(t, e.Launch(a))
	must(t, e.Launch(b)) // after the launch in a
	must(t, d.Synchronize())
	wantAll(t, d, z, 21)
	wantAll(t, d, y, 2+21)
}

func TestCaptureErrors(t *testing.T) {
	tests := []struct {
		name  string
		spoil func(t *testing.T, d *gpu.Device, s, other *gpu.Stream) error
		want  gpu.Result // of the call
		end   gpu.Result // of EndCapture
	}{
		{"synchronise", func(_ *testing.T, _ *gpu.Device, s, _ *gpu.Stream) error { return s.Synchronize() }, gpu.CaptureUnsupported, gpu.CaptureInvalidated},
		{"query", func(_ *testing.T, _ *gpu.Device, s, _ *gpu.Stream) error { return s.Query() }, gpu.CaptureUnsupported, gpu.CaptureInvalidated},
		{"device synchronise", func(_ *testing.T, d *gpu.Device, _, _ *gpu.Stream) error { return d.Synchronize() }, gpu.CaptureUnsupported, gpu.CaptureInvalidated},
		{"default stream", func(_ *testing.T, d *gpu.Device, _, _ *gpu.Stream) error {
			return d.DefaultStream().HostFunc(func() {})
		}, gpu.CaptureImplicit, gpu.CaptureInvalidated},
		{"outside event", func(t *testing.T, d *gpu.Device, s, other *gpu.Stream) error {
			e := newEvent(t, d)
			must(t, other.RecordEvent(e))
			return s.WaitEvent(e)
		}, gpu.CaptureIsolation, gpu.CaptureInvalidated},
		{"captured event", func(t *testing.T, d *gpu.Device, s, _ *gpu.Stream) error {
			e := newEvent(t, d)
			must(t, s.RecordEvent(e))
			return e.Query()
		}, gpu.CapturedEvent, gpu.CaptureInvalidated},
		{"two captures", func(t *testing.T, d *gpu.Device, s, other *gpu.Stream) error {
			must(t, other.BeginCapture(gpu.CaptureRelaxed, 2))
			e := newEvent(t, d)
			must(t, other.RecordEvent(e))
			return s.WaitEvent(e)
		}, gpu.CaptureMerge, gpu.CaptureInvalidated},
		{"unjoined fork", func(t *testing.T, d *gpu.Device, s, other *gpu.Stream) error {
			e := newEvent(t, d)
			must(t, s.RecordEvent(e))
			must(t, other.WaitEvent(e))
			return other.HostFunc(func() {})
		}, gpu.Success, gpu.CaptureUnjoined},
		{"end elsewhere", func(t *testing.T, d *gpu.Device, s, other *gpu.Stream) error {
			e := newEvent(t, d)
			must(t, s.RecordEvent(e))
			must(t, other.WaitEvent(e))
			_, err := other.EndCapture(1)
			return err
		}, gpu.CaptureUnmatched, gpu.CaptureInvalidated},
		{"unsafe call of another thread", func(_ *testing.T, d *gpu.Device, _, _ *gpu.Stream) error { return d.Unsafe(9, gpu.CaptureGlobal) }, gpu.CaptureUnsupported, gpu.CaptureInvalidated},
		{"unsafe call of a relaxed thread", func(_ *testing.T, d *gpu.Device, _, _ *gpu.Stream) error { return d.Unsafe(1, gpu.CaptureRelaxed) }, gpu.Success, gpu.Success},
		{"unsafe call of a careful thread", func(_ *testing.T, d *gpu.Device, _, _ *gpu.Stream) error { return d.Unsafe(9, gpu.CaptureThreadLocal) }, gpu.Success, gpu.Success},
		{"nothing", func(*testing.T, *gpu.Device, *gpu.Stream, *gpu.Stream) error { return nil }, gpu.Success, gpu.Success},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			d := newDevice(t)
			s, other := newStream(t, d, false), newStream(t, d, true)
			must(t, s.BeginCapture(gpu.CaptureGlobal, 1))
			wantCode(t, "call", test.spoil(t, d, s, other), test.want)
			_, err := s.EndCapture(1)
			wantCode(t, "end", err, test.end)
			must(t, s.HostFunc(func() {}))
			must(t, s.Synchronize())
		})
	}
	d := newDevice(t)
	s := newStream(t, d, true)
	_, err := s.EndCapture(1)
	wantCode(t, "end without begin", err, gpu.IllegalState)
	wantCode(t, "default stream", d.DefaultStream().BeginCapture(gpu.CaptureGlobal, 1), gpu.CaptureUnsupported)
	wantCode(t, "unknown mode", s.BeginCapture(3, 1), gpu.InvalidValue)
	must(t, s.BeginCapture(gpu.CaptureThreadLocal, 1))
	_, err = s.EndCapture(2)
	wantCode(t, "other thread", err, gpu.CaptureWrongThread)
	_, err = s.EndCapture(1)
	must(t, err)
}

func TestGraphInGraph(t *testing.T) {
	d := newDevice(t)
	s := newStream(t, d, true)
	var order []int
	child := d.NewGraph()
	n, err := child.AddHost(nil, func() { order = append(order, 1) })
	must(t, err)
	_, err = child.AddHost([]*gpu.Node{n}, func() { order = append(order, 2) })
	must(t, err)
	e, err := child.Instantiate()
	must(t, err)
	must(t, s.BeginCapture(gpu.CaptureRelaxed, 1))
	must(t, e.Launch(s))
	must(t, s.HostFunc(func() { order = append(order, 3) }))
	g, err := s.EndCapture(1)
	must(t, err)
	if k := g.Nodes()[0].Kind(); k != gpu.GraphNode {
		t.Errorf("kind %d", k)
	}
	e, err = g.Instantiate()
	must(t, err)
	must(t, e.Launch(s))
	must(t, s.Synchronize())
	if len(order) != 3 || order[0] != 1 || order[1] != 2 || order[2] != 3 {
		t.Errorf("order %v", order)
	}
}

func TestEventNodes(t *testing.T) {
	d := newDevice(t)
	a, b, c := newStream(t, d, true), newStream(t, d, true), newStream(t, d, true)
	before, after := newEvent(t, d), newEvent(t, d)
	held := hold(t, a)
	must(t, a.RecordEvent(before))
	var ran atomic.Bool
	g := d.NewGraph()
	wait, err := g.AddEventWait(nil, before)
	must(t, err)
	host, err := g.AddHost([]*gpu.Node{wait}, func() { ran.Store(true) })
	must(t, err)
	_, err = g.AddEventRecord([]*gpu.Node{host}, after)
	must(t, err)
	e, err := g.Instantiate()
	must(t, err)
	must(t, e.Launch(b))
	must(t, c.WaitEvent(after))
	time.Sleep(10 * time.Millisecond)
	if ran.Load() || gpu.CodeOf(after.Query()) != gpu.NotReady {
		t.Error("the graph did not wait for the event")
	}
	close(held)
	must(t, c.Synchronize())
	if !ran.Load() {
		t.Error("the stream did not wait for the graph's event")
	}
	must(t, after.Query())
}
