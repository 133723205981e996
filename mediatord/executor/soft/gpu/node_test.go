package gpu_test

import (
	"testing"

	"libvirt-vgpu/mediatord/executor/soft/gpu"
)

// nested is a graph whose node holds y = 0, y += 2x, behind an event's recording.
func nested(t *testing.T) (d *gpu.Device, outer *gpu.Graph, node *gpu.Node, f *gpu.Function, x, y uint64) {
	d = newDevice(t)
	f = function(t, loadFile(t, d, "kernels.ptx"), "axpy")
	x, y = upload(t, d, ramp(32, ones)), upload(t, d, make([]float32, 32))
	inner := d.NewGraph()
	zero, err := inner.Add(nil, gpu.FillWork(gpu.Fill{Addr: y, Size: 4, Width: 32, Height: 1}))
	must(t, err)
	_, err = inner.Add([]*gpu.Node{zero}, gpu.KernelWork(axpy(t, f, 2, x, y)))
	must(t, err)
	outer = d.NewGraph()
	node, err = outer.Add(nil, gpu.GraphWork(inner))
	must(t, err)
	return d, outer, node, f, x, y
}

func execute(t *testing.T, d *gpu.Device, x *gpu.GraphExec) {
	t.Helper()
	must(t, x.Launch(d.DefaultStream()))
	must(t, d.DefaultStream().Synchronize())
}

func TestGraphInsideANodeMayBeChanged(t *testing.T) {
	d, outer, node, f, x, y := nested(t)
	inside, err := node.Inside()
	must(t, err)
	before, err := outer.Instantiate()
	must(t, err)
	nodes := inside.Nodes()
	must(t, nodes[1].Set(gpu.KernelWork(axpy(t, f, 5, x, y))))
	after, err := outer.Instantiate()
	must(t, err)
	execute(t, d, after)
	wantAll(t, d, y, 5)
	execute(t, d, before)
	wantAll(t, d, y, 2)

	// an executable graph takes another graph of the same shape
	must(t, before.Set(node, gpu.GraphWork(inside)))
	execute(t, d, before)
	wantAll(t, d, y, 5)
	other := d.NewGraph()
	_, err = other.Add(nil, gpu.EmptyWork())
	must(t, err)
	wantCode(t, "another shape", before.Set(node, gpu.GraphWork(other)), gpu.GraphExecUpdateFailure)
	wantCode(t, "another kind", before.Set(node, gpu.EmptyWork()), gpu.InvalidValue)
	_, err = nodes[0].Inside()
	wantCode(t, "a fill", err, gpu.InvalidValue)
}

func TestUpdateLooksIntoNodes(t *testing.T) {
	d, outer, node, f, x, y := nested(t)
	exec, err := outer.Instantiate()
	must(t, err)
	inside, err := node.Inside()
	must(t, err)
	must(t, inside.Nodes()[1].Set(gpu.KernelWork(axpy(t, f, 3, x, y))))
	if outcome, n, err := exec.Update(outer); outcome != gpu.UpdateSuccess || n != nil || err != nil {
		t.Fatal(outcome, n, err)
	}
	execute(t, d, exec)
	wantAll(t, d, y, 3)
	added, err := inside.Add(nil, gpu.EmptyWork())
	must(t, err)
	outcome, _, err := exec.Update(outer)
	wantCode(t, "a node more inside", err, gpu.GraphExecUpdateFailure)
	if outcome != gpu.UpdateTopologyChanged {
		t.Errorf("outcome %d", outcome)
	}
	must(t, added.Remove())
}

func TestClonesAreFoundAndKeepTheirTags(t *testing.T) {
	d, outer, node, f, x, y := nested(t)
	node.SetTag("mine")
	clone, _ := outer.Clone()
	twin, err := node.FindInClone(clone)
	must(t, err)
	if twin == node || twin.Tag() != "mine" {
		t.Errorf("the node of the clone has tag %v", twin.Tag())
	}
	inside, err := twin.Inside()
	must(t, err)
	must(t, inside.Nodes()[1].Set(gpu.KernelWork(axpy(t, f, 9, x, y))))
	exec, err := outer.Instantiate()
	must(t, err)
	execute(t, d, exec)
	wantAll(t, d, y, 2)
	_, err = twin.FindInClone(clone)
	wantCode(t, "a node of the clone itself", err, gpu.InvalidValue)
}

func TestDisabledNodesAreLeftOut(t *testing.T) {
	d := newDevice(t)
	f := function(t, loadFile(t, d, "kernels.ptx"), "axpy")
	x, y := upload(t, d, ramp(32, ones)), upload(t, d, make([]float32, 32))
	g := d.NewGraph()
	node, err := g.Add(nil, gpu.KernelWork(axpy(t, f, 1, x, y)))
	must(t, err)
	empty, err := g.Add(nil, gpu.EmptyWork())
	must(t, err)
	exec, err := g.Instantiate()
	must(t, err)
	must(t, exec.SetEnabled(node, false))
	execute(t, d, exec)
	wantAll(t, d, y, 0)
	if on, err := exec.Enabled(node); on || err != nil {
		t.Error(on, err)
	}
	must(t, exec.SetEnabled(node, true))
	execute(t, d, exec)
	wantAll(t, d, y, 1)
	wantCode(t, "an empty node", exec.SetEnabled(empty, false), gpu.InvalidValue)
}

func TestSeveralCopiesAndMemoryOperationsAsOneNode(t *testing.T) {
	d := newDevice(t)
	from, to := upload(t, d, []uint32{1, 2, 3, 4}), upload(t, d, make([]uint32, 8))
	g := d.NewGraph()
	first, err := g.Add(nil, gpu.CopyWork(
		gpu.Copy{To: gpu.DevicePlace(to), From: gpu.DevicePlace(from), Width: 8, Height: 1},
		gpu.Copy{To: gpu.DevicePlace(to + 16), From: gpu.DevicePlace(from + 8), Width: 8, Height: 1}))
	must(t, err)
	_, err = g.Add([]*gpu.Node{first}, gpu.MemOpsWork([]gpu.MemOp{
		{Addr: to + 16, Value: 3, Wait: true, Condition: gpu.WaitEqual}, {Addr: to + 8, Value: 7}, {Addr: to + 24, Value: 1<<32 | 9, Wide: true},
	}))
	must(t, err)
	_, err = g.Add(nil, gpu.CopyWork(gpu.Copy{To: gpu.DevicePlace(16), From: gpu.DevicePlace(from), Width: 8, Height: 1}, gpu.Copy{}))
	wantCode(t, "a copy to nowhere", err, gpu.InvalidValue)
	_, err = g.Add(nil, gpu.MemOpsWork([]gpu.MemOp{{Addr: to + 2}}))
	wantCode(t, "a word across words", err, gpu.InvalidValue)
	exec, err := g.Instantiate()
	must(t, err)
	execute(t, d, exec)
	want := []uint32{1, 2, 7, 0, 3, 4, 9, 1}
	for i, got := range download[uint32](t, d, to, 8) {
		if got != want[i] {
			t.Errorf("word %d is %d, want %d", i, got, want[i])
		}
	}
}

func TestCaptureIntoAGraph(t *testing.T) {
	d, outer, node, f, x, y := nested(t)
	s, err := d.NewStream(gpu.StreamFlags{NonBlocking: true})
	must(t, err)
	outside, err := d.NewEvent(false)
	must(t, err)
	other := d.NewGraph()
	stranger, err := other.Add(nil, gpu.EmptyWork())
	must(t, err)
	wantCode(t, "a node of another graph", s.BeginCaptureInto(outer, []*gpu.Node{stranger}, gpu.CaptureRelaxed, 0), gpu.InvalidValue)
	must(t, s.BeginCaptureInto(outer, []*gpu.Node{node}, gpu.CaptureRelaxed, 0))
	must(t, s.Launch(axpy(t, f, 4, x, y)))
	must(t, s.RecordExternal(outside))
	g, err := s.EndCapture(0)
	must(t, err)
	if g != outer || len(g.Nodes()) != 3 || g.Nodes()[2].Kind() != gpu.EventRecordNode {
		t.Fatalf("%d nodes", len(g.Nodes()))
	}
	exec, err := g.Instantiate()
	must(t, err)
	must(t, exec.Launch(s))
	must(t, outside.Synchronize())
	wantAll(t, d, y, 6)
	must(t, s.WaitExternal(outside)) // outside of captures as any wait
	must(t, s.Synchronize())
}
