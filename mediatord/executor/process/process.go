// Package process is what an executor keeps for its guest process: handles,
// contexts, memory, images, fences. It executes the records of the process's
// channel on a driver.
//
// Everything in a record is the guest process's word. What only that process
// can suffer from goes to the driver as it is; what names host memory, chunks
// or lengths is checked. A process that lies there does not use our library:
// the violation ends its executor.
package process

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/sirupsen/logrus"

	"libvirt-vgpu/mediatord/executor/channel"
	"libvirt-vgpu/mediatord/executor/control"
	"libvirt-vgpu/mediatord/executor/driver"
	"libvirt-vgpu/mediatord/executor/handle"
	"libvirt-vgpu/mediatord/executor/modcache"
	"libvirt-vgpu/mediatord/executor/pinned"
	"libvirt-vgpu/mediatord/executor/wire"
	"libvirt-vgpu/mediatord/internal/lease"
	"libvirt-vgpu/plugin/window"
)

// ErrViolation: the guest process asked for what no guest library asks for.
var ErrViolation = errors.New("protocol violation by the guest process")

// Sender takes messages for mediatord.
type Sender interface {
	Send(m control.Message) error
}

// Config is what a Process works with. All of it outlives the Process.
type Config struct {
	Driver driver.Driver
	Window *window.Window
	Number int // of the channel
	// Generation of the channel: handles of an earlier owner mean nothing.
	Generation uint32
	Channel    *channel.Channel
	Pinned     *pinned.Range
	Account    *window.Account
	Cache      *modcache.Cache // nil: none
	Interrupt  int             // eventfd that wakes the guest process
	Printer    Printer         // nil: kernels print nowhere
	Lease      *lease.Page     // nil: nobody limits the process's work
	Clock      lease.Clock     // of the lease
	Sender     Sender
	Log        logrus.FieldLogger
	// Granularity of device memory in bytes.
	Granularity uint64
	// Calls are the names of the driver's functions in the order of calls.table.
	Calls []string
}

// Process implements channel.Executor and wire.Handler. Its methods run on the
// consumer's thread, except those for the reader of the control socket (requests.go,
// Look, RoomHeard, RoomMade and Nudge).
type Process struct {
	Config
	// Walls names what stands around this process, for a mediatord that starts
	// anew. It is set before the control socket is read.
	Walls string
	// Wake has the consumer call Interrupted soon. It is set when there is one.
	Wake func()

	tables    handle.Tables
	native    *native
	violation error

	current   uint32 // context of the consumer's thread
	retained  int    // of the primary context
	registrar uint32 // context in which host memory is registered, 0: none

	memory  deviceMemory
	exports exports
	greens  map[uint32]bool // contexts that are green
	// contextOf is the context that each green one is as well.
	contextOf map[uint32]uint32
	imports   imports
	arrays    arrays
	costs     costs
	bindless  bindless
	linkers   map[uint32]*linker
	pools     pools
	images    images
	names     map[handle.Owner][]string
	fences    fences
	captures  map[driver.Stream]uint32 // capturing streams; number of the graph that the process gave, or 0
	pins      map[uint64]*hostPin      // by address
	graphs    graphNumbers
	launch    driver.Launch
	// parameters is where those of a launch are made as long as the kernel's.
	parameters []byte
	burster    driver.Burster // nil: the driver is none
	handles    driver.BurstHandles
	metered    driver.Metered
	turn       turn
	slice      gpuSlice
	refused    map[uint32]uint64

	statistics statistics

	synchronizing atomic.Int32
	lostOnce      sync.Once
	requests      requests
	resources     resources
	limits        limits
	parking       parking
	checkpoint    checkpoint
	endings       *endings
	loose         looseWork
	room          roomWish
	asserted      atomic.Bool // an assertion of a kernel has failed

	prints bool // code that may print is loaded
}

// New makes the state of a process that has asked for nothing yet.
func New(c Config) *Process {
	p := &Process{
		Config:   c,
		names:    map[handle.Owner][]string{},
		captures: map[driver.Stream]uint32{},
		pins:     map[uint64]*hostPin{},
		bindless: bindless{},
		linkers:  map[uint32]*linker{},
		refused:  map[uint32]uint64{},

		statistics: statistics{account: c.Account, number: c.Number},
	}
	p.endings = &endings{Driver: c.Driver, process: p}
	p.Driver = &roomy{Driver: p.endings, process: p}
	p.native = &native{Driver: p.Driver, captures: p.captures, fences: &p.fences, process: p}
	p.memory = newDeviceMemory(c.Account, c.Number)
	p.arrays = arrays{memory: &p.memory, sizes: map[arrayKey]arrayCharge{}}
	p.costs = newCosts(&p.memory, c.Account.Facts())
	p.exports = newExports()
	p.limits = p.newLimits()
	p.room = roomWish{answers: make(chan roomAnswer, 1), heard: make(chan struct{}, 1), silence: heardWithin}
	p.parking.patience.within = wakeWithin
	p.greens, p.contextOf = map[uint32]bool{}, map[uint32]uint32{}
	p.resources = resources{number: map[driver.Resource]uint32{}}
	p.imports = imports{waiting: map[uint64]waitingImport{}}
	p.images = newImages(c.Cache, c.Log)
	p.burster, _ = c.Driver.(driver.Burster)
	p.checkpoint.driver, _ = c.Driver.(driver.Checkpointer)
	p.slice.driver, _ = c.Driver.(driver.Slicer)
	p.slice.log = c.Log
	p.Driver.OnCall(p.Channel.Call)
	p.newTurn()
	p.graphs = newGraphNumbers()
	p.graphs.memory = graphMemory{memory: &p.memory, pools: &p.pools, plans: map[driver.GraphExec]*graphPlan{}}
	p.tables.Put(driver.KindStream, 0, 0) // the current context's default stream
	p.pools = newPools(c.Driver, c.Account, c.Number)
	p.pools.away = p.Away
	if pool, r := c.Driver.DefaultPool(); r == driver.Success {
		p.tables.Put(driver.KindPool, 0, uint64(pool))
		p.pools.first, p.pools.all[pool] = pool, struct{}{}
	}
	return p
}

// Execute implements channel.Executor.
func (p *Process) Execute(r *channel.Record, reply []byte) ([]byte, driver.Result, error) {
	if !rests(r.Opcode) {
		if result := p.restore(); result != driver.Success {
			p.cannotReturn(r, result)
			return reply, result, p.violation
		}
	}
	if p.Parked() && needsMemory(r.Opcode) {
		if result := p.wake(); result != driver.Success {
			p.lost(result, r.Opcode)
			return reply, result, p.violation
		}
	}
	if r.Call.Context != p.current && r.Call.Context != 0 && runsInContext(r.Opcode) {
		if result := p.enter(r.Call.Context); result != driver.Success {
			p.lost(result, r.Opcode)
			return reply, result, nil
		}
	}
	data, result, err := wire.Dispatch(r.Call, r.Opcode, r.Payload, reply, p.native, p, &p.tables)
	if err == nil {
		p.statistics.count(r, result)
		err = p.violation
	}
	p.lost(result, r.Opcode)
	if result == driver.Success && !p.Away() {
		p.submitted(r)
	}
	return data, result, err
}

// violate notes why the executor must end.
func (p *Process) violate(format string, args ...any) driver.Result {
	p.violation = fmt.Errorf("%w: %w", ErrViolation, fmt.Errorf(format, args...))
	return driver.ErrorInvalidValue
}

// lost tells process and mediatord if the result means that the context is gone.
func (p *Process) lost(result driver.Result, opcode uint16) {
	if !result.Sticky() {
		return
	}
	if result == driver.ErrorAssert {
		p.asserted.Store(true)
	}
	p.Channel.SetSticky(result)
	p.turn.lost.Store(true)
	p.lostOnce.Do(func() {
		message := fmt.Sprintf("the context is lost: error %d, seen by %s", result, wire.Name(opcode))
		_ = p.Sender.Send(control.Message{Type: control.Fault, Result: result, Message: message})
	})
}

// Idle implements channel.Executor. What mediatord reads when it hears of it is told before.
func (p *Process) Idle() {
	if !p.Away() {
		p.pools.settle()
	}
	p.reportRefused()
	p.statistics.publish()
	if p.Lease != nil {
		p.Lease.Idle()
	}
}

// Awake implements channel.Executor.
func (p *Process) Awake() {
	if p.Lease != nil {
		p.Lease.Awake()
	}
}

// native carries the native ops, with what an executor adds to them.
type native struct {
	driver.Driver
	captures map[driver.Stream]uint32
	fences   *fences
	process  *Process
}

// captureRelaxed is CU_STREAM_CAPTURE_MODE_RELAXED.
const captureRelaxed = 2

// CaptureBegin begins every capture in relaxed mode: which calls a capture
// forbids in which guest thread is the guest library's business.
func (n *native) CaptureBegin(s driver.Stream, _ uint32) driver.Result {
	r := n.Driver.CaptureBegin(s, captureRelaxed)
	if r == driver.Success {
		n.captures[s] = 0
	}
	return r
}

// NodeSetAttribute refuses updatable nodes: they come with a handle of the driver's
// that device code uses.
func (n *native) NodeSetAttribute(node driver.Node, attribute uint32, value []byte) driver.Result {
	if attribute == driver.LaunchAttributeUpdatableNode {
		return driver.ErrorNotSupported
	}
	return n.Driver.NodeSetAttribute(node, attribute, value)
}

// StreamDestroy refuses the default stream, which no process has created.
func (n *native) StreamDestroy(s driver.Stream) driver.Result {
	if s == 0 {
		return driver.ErrorInvalidHandle
	}
	n.process.leaves(s)
	delete(n.captures, s)
	n.fences.forget(s)
	n.process.streamEnds(s)
	return n.Driver.StreamDestroy(s)
}

var (
	_ channel.Executor = (*Process)(nil)
	_ wire.Handler     = (*Process)(nil)
)
