package soft

import (
	"bytes"
	"encoding/binary"

	"libvirt-vgpu/mediatord/executor/driver"
	"libvirt-vgpu/mediatord/executor/soft/gpu"
)

// nodeTag is what is remembered of a node. Clones of the node share it, so it is
// replaced, never changed.
type nodeTag struct {
	params     driver.NodeParams
	attributes map[uint32][attributeSize]byte
}

const attributeSize = 64

func tagOf(n *gpu.Node) nodeTag {
	tag, _ := n.Tag().(nodeTag)
	return tag
}

// kept copies what belongs to the caller.
func kept(p *driver.NodeParams) driver.NodeParams {
	k := *p
	k.Data, k.Offsets = bytes.Clone(p.Data), nil
	return k
}

// NodeAdd implements driver.Graphs.
func (d *Driver) NodeAdd(g driver.Graph, after []driver.Edge, p *driver.NodeParams, _ bool) (driver.Node, driver.Result) {
	graph, ok := d.graphs.items[uint64(g)]
	if !ok {
		return 0, driver.ErrorInvalidHandle
	}
	nodes, r := d.behind(after)
	if r != driver.Success {
		return 0, r
	}
	work, r := d.work(p)
	if r != driver.Success {
		return 0, r
	}
	n, err := graph.Add(nodes, work)
	if err != nil {
		return 0, d.result(err)
	}
	n.SetTag(nodeTag{params: kept(p)})
	return d.nodeNumber(n), driver.Success
}

// NodeSet implements driver.Graphs.
func (d *Driver) NodeSet(n driver.Node, p *driver.NodeParams, _ bool) driver.Result {
	node, ok := d.nodes.items[uint64(n)]
	if !ok {
		return driver.ErrorInvalidHandle
	}
	if uint32(node.Kind()) != p.Type() {
		return driver.ErrorInvalidValue
	}
	work, r := d.work(p)
	if r != driver.Success {
		return r
	}
	d.forgetInside(node)
	tag := tagOf(node)
	tag.params = kept(p)
	if r := d.result(node.Set(work)); r != driver.Success {
		return r
	}
	node.SetTag(tag)
	return driver.Success
}

// ExecNodeSet implements driver.Graphs.
func (d *Driver) ExecNodeSet(x driver.GraphExec, n driver.Node, p *driver.NodeParams, _ bool) driver.Result {
	exec, ok1 := d.execs.items[uint64(x)]
	node, ok2 := d.nodes.items[uint64(n)]
	if !ok1 || !ok2 {
		return driver.ErrorInvalidHandle
	}
	work, r := d.work(p)
	if r != driver.Success {
		return r
	}
	return d.result(exec.Set(node, work))
}

// nothing says that a node would move no byte: the driver takes such calls and
// refuses such nodes (measured, driver 580).
func nothing(p *driver.NodeParams) bool {
	switch p.Type() {
	case driver.NodeCopy:
		return p.Copy.WidthBytes == 0 || p.Copy.Height == 0 || p.Copy.Depth == 0
	case driver.NodeFill:
		return p.Double(driver.FillWidthAt) == 0 || p.Double(driver.FillHeightAt) == 0
	}
	return false
}

// work makes what the device can do of a node's parameters.
func (d *Driver) work(p *driver.NodeParams) (gpu.Work, driver.Result) {
	if nothing(p) {
		return nil, driver.ErrorInvalidValue
	}
	switch p.Type() {
	case driver.NodeKernel:
		return d.kernelWork(p)
	case driver.NodeCopy:
		list, ok := d.slices(&p.Copy)
		if !ok {
			return nil, driver.ErrorInvalidValue
		}
		return gpu.CopyWork(list...), driver.Success
	case driver.NodeFill:
		return gpu.FillWork(gpu.Fill{
			Addr: p.Double(driver.FillAddressAt), Pitch: p.Double(driver.FillPitchAt), Value: p.Word(driver.FillValueAt),
			Size: uint64(p.Word(driver.FillElementAt)), Width: p.Double(driver.FillWidthAt), Height: p.Double(driver.FillHeightAt),
		}), driver.Success
	case driver.NodeHost:
		return d.hostWork(p.Word(driver.HostAt)), driver.Success
	case driver.NodeGraph:
		graph, ok := d.graphs.items[p.Double(driver.GraphAt)]
		if !ok {
			return nil, driver.ErrorInvalidHandle
		}
		if p.Word(driver.OwnershipAt) != 0 {
			return gpu.MovedGraphWork(graph), driver.Success
		}
		return gpu.GraphWork(graph), driver.Success
	case driver.NodeEmpty:
		return gpu.EmptyWork(), driver.Success
	case driver.NodeEventWait, driver.NodeEventRecord:
		event, ok := d.events.items[p.Double(driver.EventAt)]
		if !ok {
			return nil, driver.ErrorInvalidHandle
		}
		if p.Type() == driver.NodeEventWait {
			return gpu.WaitWork(event), driver.Success
		}
		return gpu.RecordWork(event), driver.Success
	case driver.NodeMemOps:
		return memOpsWork(p.Data)
	}
	return nil, driver.ErrorNotSupported
}

func (d *Driver) kernelWork(p *driver.NodeParams) (gpu.Work, driver.Result) {
	handle := p.Double(driver.KernelFunctionAt)
	if handle == 0 {
		handle = p.Double(driver.KernelKernelAt)
	}
	f, ok := d.functions.items[handle]
	if !ok {
		return nil, driver.ErrorInvalidHandle
	}
	l := gpu.Launch{Function: f, DynamicShared: p.Word(driver.KernelSharedAt), Params: p.Data}
	for i := range 3 {
		l.Grid[i], l.Block[i] = p.Word(driver.KernelGridAt+4*i), p.Word(driver.KernelBlockAt+4*i)
	}
	return gpu.KernelWork(l), driver.Success
}

// memOpsWork leaves out flushes and barriers, as BatchMemOps does.
func memOpsWork(operations []byte) (gpu.Work, driver.Result) {
	le := binary.LittleEndian
	var list []gpu.MemOp
	for o := operations; len(o) > 0; o = o[driver.MemOpSize:] {
		op := gpu.MemOp{Addr: le.Uint64(o[memOpAddress:]), Value: le.Uint64(o[memOpValue:])}
		switch le.Uint32(o) {
		case driver.MemOpWait32, driver.MemOpWait64:
			op.Wait, op.Condition = true, gpu.WaitCondition(le.Uint32(o[memOpFlags:])&waitConditions)
			op.Wide = le.Uint32(o) == driver.MemOpWait64
		case driver.MemOpWrite32, driver.MemOpWrite64:
			op.Wide = le.Uint32(o) == driver.MemOpWrite64
		case driver.MemOpFlush, driver.MemOpBarrier:
			continue
		default:
			return nil, driver.ErrorInvalidValue
		}
		list = append(list, op)
	}
	return gpu.MemOpsWork(list), driver.Success
}

// NodeGet implements driver.Graphs.
func (d *Driver) NodeGet(n driver.Node, nodeType uint32) (*driver.NodeParams, driver.Result) {
	node, ok := d.nodes.items[uint64(n)]
	if !ok {
		return nil, driver.ErrorInvalidHandle
	}
	if uint32(node.Kind()) != nodeType {
		return nil, driver.ErrorInvalidValue
	}
	p := tagOf(node).params
	if p.Type() == nodeType && (nodeType != driver.NodeKernel || p.Double(driver.KernelFunctionAt) != 0) {
		p.Data = bytes.Clone(p.Data)
		return &p, driver.Success
	}
	return d.captured(node)
}

// captured describes a node that a capture made.
func (d *Driver) captured(node *gpu.Node) (*driver.NodeParams, driver.Result) {
	p := new(driver.NodeParams)
	p.SetWord(0, uint32(node.Kind()))
	if l, err := node.Kernel(); err == nil {
		return d.capturedKernel(p, &l)
	}
	if c, err := node.Copy(); err == nil {
		p.Copy = driver.Copy3D{WidthBytes: c.Width, Height: c.Height, Depth: 1, Src: capturedEnd(&c.From), Dst: capturedEnd(&c.To)}
		return p, driver.Success
	}
	if f, err := node.Fill(); err == nil {
		p.SetDouble(driver.FillAddressAt, f.Addr)
		p.SetDouble(driver.FillPitchAt, f.Pitch)
		p.SetWord(driver.FillValueAt, f.Value)
		p.SetWord(driver.FillElementAt, uint32(f.Size))
		p.SetDouble(driver.FillWidthAt, f.Width)
		p.SetDouble(driver.FillHeightAt, f.Height)
		return p, driver.Success
	}
	if number, err := node.Host(); err == nil {
		p.SetDouble(driver.HostAt, uint64(number))
		return p, driver.Success
	}
	if e, err := node.Event(); err == nil {
		for number, event := range d.events.items {
			if event == e {
				p.SetDouble(driver.EventAt, number)
			}
		}
		return p, driver.Success
	}
	return nil, driver.ErrorNotSupported
}

func (d *Driver) capturedKernel(p *driver.NodeParams, l *gpu.Launch) (*driver.NodeParams, driver.Result) {
	for number, f := range d.functions.items {
		if f == l.Function {
			p.SetDouble(driver.KernelFunctionAt, number)
		}
	}
	for i := range 3 {
		p.SetWord(driver.KernelGridAt+4*i, l.Grid[i])
		p.SetWord(driver.KernelBlockAt+4*i, l.Block[i])
	}
	p.SetWord(driver.KernelSharedAt, l.DynamicShared)
	p.SetDouble(driver.KernelParamsAt, 1)
	p.Data = bytes.Clone(l.Params)
	return p, driver.Success
}

// capturedEnd is one end of a captured copy: registered host memory counts as the
// device's.
func capturedEnd(p *gpu.Place) driver.Copy3DEnd {
	return driver.Copy3DEnd{Type: driver.MemoryDevice, Address: p.Addr + p.Offset, Pitch: p.Pitch}
}

// NodeGetAttribute implements driver.Native.
func (d *Driver) NodeGetAttribute(n driver.Node, attribute uint32) (value [attributeSize]byte, r driver.Result) {
	node, ok := d.nodes.items[uint64(n)]
	if !ok {
		return value, driver.ErrorInvalidHandle
	}
	l, err := node.Kernel()
	if err != nil || attribute == 0 || attribute > driver.LaunchAttributeMax {
		return value, driver.ErrorInvalidValue
	}
	if attribute == driver.LaunchAttributeCooperative && l.Cooperative {
		value[0] = 1
		return value, driver.Success
	}
	return tagOf(node).attributes[attribute], driver.Success
}

// NodeSetAttribute implements driver.Native: hints have no effect.
func (d *Driver) NodeSetAttribute(n driver.Node, attribute uint32, value []byte) driver.Result {
	node, ok := d.nodes.items[uint64(n)]
	if !ok {
		return driver.ErrorInvalidHandle
	}
	if attribute == 0 || attribute > driver.LaunchAttributeMax {
		return driver.ErrorInvalidValue
	}
	return d.setAttributes(node, map[uint32][attributeSize]byte{attribute: [attributeSize]byte(value)})
}

// NodeCopyAttributes implements driver.Native.
func (d *Driver) NodeCopyAttributes(to, from driver.Node) driver.Result {
	source, ok1 := d.nodes.items[uint64(from)]
	target, ok2 := d.nodes.items[uint64(to)]
	if !ok1 || !ok2 {
		return driver.ErrorInvalidHandle
	}
	if source.Kind() != gpu.KernelNode {
		return driver.ErrorInvalidValue
	}
	return d.setAttributes(target, tagOf(source).attributes)
}

func (d *Driver) setAttributes(node *gpu.Node, changes map[uint32][attributeSize]byte) driver.Result {
	l, err := node.Kernel()
	if err != nil {
		return driver.ErrorInvalidValue
	}
	tag := tagOf(node)
	attributes := map[uint32][attributeSize]byte{}
	for _, from := range []map[uint32][attributeSize]byte{tag.attributes, changes} {
		for attribute, value := range from {
			attributes[attribute] = value
		}
	}
	tag.attributes = attributes
	if value, set := changes[driver.LaunchAttributeCooperative]; set {
		l.Cooperative = binary.LittleEndian.Uint32(value[:]) != 0
		if r := d.result(node.SetKernel(l)); r != driver.Success {
			return r
		}
	}
	node.SetTag(tag)
	return driver.Success
}

// NodeSetEnabled implements driver.Native.
func (d *Driver) NodeSetEnabled(x driver.GraphExec, n driver.Node, enabled uint32) driver.Result {
	exec, ok1 := d.execs.items[uint64(x)]
	node, ok2 := d.nodes.items[uint64(n)]
	if !ok1 || !ok2 {
		return driver.ErrorInvalidHandle
	}
	return d.result(exec.SetEnabled(node, enabled != 0))
}

// NodeGetEnabled implements driver.Native.
func (d *Driver) NodeGetEnabled(x driver.GraphExec, n driver.Node) (uint32, driver.Result) {
	exec, ok1 := d.execs.items[uint64(x)]
	node, ok2 := d.nodes.items[uint64(n)]
	if !ok1 || !ok2 {
		return 0, driver.ErrorInvalidHandle
	}
	enabled, err := exec.Enabled(node)
	if enabled {
		return 1, d.result(err)
	}
	return 0, d.result(err)
}

// ConditionalCreate implements driver.Graphs: PTX here cannot set conditions.
func (d *Driver) ConditionalCreate(driver.Graph, driver.Context, uint32, uint32) (uint64, driver.Result) {
	return 0, driver.ErrorNotSupported
}
