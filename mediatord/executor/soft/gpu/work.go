package gpu

import (
	"libvirt-vgpu/mediatord/executor/soft/gpu/internal/simt"
)

// NodeKind is what an operation or a node of a graph does (CUgraphNodeType).
type NodeKind int

// The kinds of nodes with the driver's numbers.
const (
	KernelNode      NodeKind = 0
	MemcpyNode      NodeKind = 1
	MemsetNode      NodeKind = 2
	HostNode        NodeKind = 3
	GraphNode       NodeKind = 4 // a graph as a node
	EmptyNode       NodeKind = 5
	EventWaitNode   NodeKind = 6
	EventRecordNode NodeKind = 7
	BatchMemOpNode  NodeKind = 12
)

// work is an operation that a stream or a graph can execute.
type work interface {
	kind() NodeKind
	check(*Device) error // what the driver checks when the call is made
	do(*Device) error
}

// Launch is one launch of a kernel.
type Launch struct {
	Function      *Function
	Grid          [3]uint32 // in blocks
	Block         [3]uint32 // in threads
	DynamicShared uint32    // bytes
	Params        []byte    // Function.ParamBytes() long
	Cooperative   bool      // all blocks are present at once
}

func (l *Launch) kind() NodeKind { return KernelNode }

func (l *Launch) check(d *Device) error {
	f := l.Function
	if f == nil || f.mod.dev != d {
		return InvalidHandle
	}
	threads := uint64(1)
	for i := range 3 {
		maxGrid, maxBlock := uint32(MaxGridYZ), uint32(MaxBlockXY)
		if i == 0 {
			maxGrid = MaxGridX
		}
		if i == 2 {
			maxBlock = MaxBlockZ
		}
		if l.Grid[i] == 0 || l.Grid[i] > maxGrid || l.Block[i] == 0 || l.Block[i] > maxBlock {
			return failure(InvalidValue, "launching %s: grid %v of blocks %v", f.Name(), l.Grid, l.Block)
		}
		threads *= uint64(l.Block[i])
	}
	if threads > uint64(f.maxThreads()) {
		return failure(InvalidValue, "launching %s: %d threads in a block, of %d", f.Name(), threads, f.maxThreads())
	}
	if r := f.source.ReqThreads; r[0] != 0 && [3]uint32{uint32(r[0]), uint32(r[1]), uint32(r[2])} != l.Block {
		return failure(InvalidValue, "launching %s: block %v, it demands %v", f.Name(), l.Block, r)
	}
	if int64(l.DynamicShared) > f.maxDynamic.Load() {
		return failure(InvalidValue, "launching %s: %d bytes of dynamic shared memory, of %d", f.Name(), l.DynamicShared, f.maxDynamic.Load())
	}
	if len(l.Params) != f.program.ParamBytes {
		return failure(InvalidValue, "launching %s: %d bytes of parameters, not %d", f.Name(), len(l.Params), f.program.ParamBytes)
	}
	if l.Cooperative && uint64(l.Grid[0])*uint64(l.Grid[1])*uint64(l.Grid[2]) > cooperativeBlocks {
		return CooperativeLaunchTooLarge
	}
	return nil
}

// cooperativeBlocks is the largest grid whose blocks can all be present.
const cooperativeBlocks = 256

func (l *Launch) do(d *Device) error {
	run := &simt.Launch{Program: l.Function.program, Grid: l.Grid, Block: l.Block, DynamicShared: int(l.DynamicShared),
		Params: l.Params, Space: &d.space, Workers: d.cfg.Workers, Stop: &d.stop, ID: d.grids.Add(1), Start: d.start,
		Print: d.cfg.Print, Complain: d.cfg.Complain}
	executed, fault := run.Run()
	d.executed.Add(executed)
	if fault != nil {
		return &Error{Code: faultCode(fault.Kind), Err: fault}
	}
	return nil
}

func faultCode(k simt.FaultKind) Result {
	switch k {
	case simt.IllegalAddress:
		return IllegalAddress
	case simt.MisalignedAddress:
		return MisalignedAddress
	case simt.IllegalInstruction:
		return IllegalInstruction
	case simt.StackOverflow:
		return HardwareStackError
	case simt.AssertFailed:
		return Assert
	}
	return LaunchFailed
}

// Launch executes a kernel. CUDA_ERROR_INVALID_VALUE for a grid, a block,
// shared memory or parameters that the kernel cannot have. The parameters are
// copied.
func (s *Stream) Launch(l Launch) error {
	l.Params = append([]byte(nil), l.Params...)
	return s.submit(&l)
}

// HostFunc calls f on a goroutine of the device; what follows in the stream
// waits until it returns.
func (s *Stream) HostFunc(f func()) error { return s.Submit(HostWork(f, 0)) }

// Callback calls f as HostFunc does, and with the device's error when it has
// failed meanwhile. It spoils a capture: CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED.
func (s *Stream) Callback(f func(error)) error {
	if err := s.idleCheck(); err != nil {
		return err
	}
	s.dev.submit.Lock()
	defer s.dev.submit.Unlock()
	_, err := s.pushOperation(operation{do: func(*Device) error { f(nil); return nil }, failed: f})
	return err
}

// Submit gives work to the stream.
func (s *Stream) Submit(w Work) error { return s.submit(w) }

type hostWork struct {
	f  func()
	id uint32 // the caller's
}

func (h *hostWork) kind() NodeKind      { return HostNode }
func (h *hostWork) check(*Device) error { return nil }
func (h *hostWork) do(*Device) error    { h.f(); return nil }

// emptyWork does nothing.
type emptyWork struct{}

func (emptyWork) kind() NodeKind      { return EmptyNode }
func (emptyWork) check(*Device) error { return nil }
func (emptyWork) do(*Device) error    { return nil }

// FreeAsync gives memory of Alloc back in the order of the stream.
// CUDA_ERROR_INVALID_VALUE when va is not the start of an allocation.
func (s *Stream) FreeAsync(va uint64) error {
	h := &s.dev.memory
	h.mu.Lock()
	m := h.mappings[va]
	h.mu.Unlock()
	if m == nil || !m.whole {
		return InvalidValue
	}
	d := s.dev
	d.submit.Lock()
	defer d.submit.Unlock()
	if s.capture != nil {
		return NotSupported
	}
	_, err := s.push(nil, func(d *Device) error { return d.release(va) })
	return err
}
