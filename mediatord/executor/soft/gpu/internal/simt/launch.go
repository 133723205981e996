package simt

import (
	"fmt"
	"math/bits"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"libvirt-vgpu/mediatord/executor/soft/gpu/internal/vmem"
)

// FaultKind is what a kernel did wrong.
type FaultKind uint8

// The kinds of faults.
const (
	NoFault FaultKind = iota
	IllegalAddress
	MisalignedAddress
	IllegalInstruction
	StackOverflow
	AssertFailed
	Trapped
	Deadlock // all threads of a block wait for each other
)

func (k FaultKind) String() string {
	return [...]string{"no fault", "illegal address", "misaligned address", "illegal instruction",
		"stack overflow", "assertion failed", "trap", "deadlock at a barrier"}[k]
}

// Fault is the end of a kernel by its own mistake.
type Fault struct {
	Kind    FaultKind
	Kernel  string
	Instr   string // opcode
	Line    int    // in the PTX text
	Block   [3]uint32
	Thread  [3]uint32
	Address uint64
}

func (f *Fault) Error() string {
	return fmt.Sprintf("kernel %s: %v at %#x by %s (PTX line %d), block %v thread %v",
		f.Kernel, f.Kind, f.Address, f.Instr, f.Line, f.Block, f.Thread)
}

// Launch is one execution of a program by a grid of blocks.
type Launch struct {
	Program       *Program
	Grid, Block   [3]uint32
	DynamicShared int
	Params        []byte // Program.ParamBytes
	Space         *vmem.Space
	Workers       int          // goroutines at most
	Stop          *atomic.Bool // ends the kernel early
	ID            uint64
	Start         time.Time // %clock counts from here
	// Print and Complain take what threads print, a call at a time, and what
	// failed assertions say. nil: nobody does.
	Print, Complain func(text string)

	params  *vmem.Region
	workers int
	next    atomic.Uint64
	total   uint64
	count   atomic.Uint64
	fault   atomic.Pointer[Fault]
	ended   atomic.Bool
}

func (l *Launch) threads() int { return int(l.Block[0]) * int(l.Block[1]) * int(l.Block[2]) }

// sharedBytes is the shared memory of a block.
func (l *Launch) sharedBytes() int {
	if l.DynamicShared == 0 {
		return l.Program.SharedBytes
	}
	return int(dynamicOffset(l.Program.SharedBytes)) + l.DynamicShared
}

// clock counts as a GPU of 1 GHz would.
func (l *Launch) clock() uint64 { return uint64(time.Since(l.Start)) }

func (l *Launch) wallTime() uint64 { return uint64(time.Now().UnixNano()) }

func (l *Launch) stopped() bool { return l.ended.Load() || l.Stop.Load() }

// Run executes the grid and returns the number of instructions that its
// threads executed. The fault is nil when all went well or Stop was set.
func (l *Launch) Run() (executed uint64, fault *Fault) {
	buf := make([]byte, alignUp(max(len(l.Params), 1), vmem.Granule))
	copy(buf, l.Params)
	l.params = vmem.NewRegion(buf)
	l.total = uint64(l.Grid[0]) * uint64(l.Grid[1]) * uint64(l.Grid[2])
	l.workers = int(min(uint64(max(l.Workers, 1)), l.total))
	if l.workers == 1 {
		l.work(0)
	} else {
		var wg sync.WaitGroup
		for i := range l.workers {
			wg.Go(func() { l.work(i) })
		}
		wg.Wait()
	}
	return l.count.Load(), l.fault.Load()
}

// residentLimit bounds the blocks that a worker holds at once while they wait
// for each other.
const residentLimit = 256

// work executes blocks one after the other. A block that waits for another
// one makes room: the worker starts further blocks beside it.
func (l *Launch) work(worker int) {
	var running []*block
	var spare []*block
	var executed uint64
	idle := 0
	defer func() { l.count.Add(executed) }()
	begin := func() bool {
		n := l.next.Add(1) - 1
		if n >= l.total {
			return false
		}
		var b *block
		if k := len(spare); k > 0 {
			b, spare = spare[k-1], spare[:k-1]
		} else {
			b = newBlock(l, worker)
		}
		b.start(n)
		running = append(running, b)
		return true
	}
	for !l.stopped() {
		if len(running) == 0 && !begin() {
			return
		}
		b := running[0]
		switch b.round() {
		case finished:
			executed += b.executed()
			running = append(running[:0], running[1:]...)
			spare = append(spare, b)
			idle = 0
		case spinning:
			copy(running, running[1:])
			running[len(running)-1] = b
			idle++
			if len(running) < residentLimit && l.next.Load() < l.total && begin() {
				last := len(running) - 1
				running[0], running[last] = running[last], running[0]
				idle = 0
			} else if idle > len(running) {
				pause(idle - len(running))
			}
		default:
			idle = 0
		}
	}
	for _, b := range running {
		executed += b.executed()
	}
}

// pause waits for others to change memory.
func pause(n int) {
	if n < 50 {
		runtime.Gosched()
		return
	}
	time.Sleep(20 * time.Microsecond)
}

// executed takes the count of instructions of the block's warps.
func (b *block) executed() uint64 {
	var n uint64
	for i := range b.warps {
		n += b.warps[i].executed
		b.warps[i].executed = 0
	}
	return n
}

func popcount(m uint32) int { return bits.OnesCount32(m) }

// fail ends the kernel with a fault of a lane.
func (w *warp) fail(kind FaultKind, in *instr, lane int, addr uint64) {
	l := w.block.grid
	w.failed = true
	f := &Fault{Kind: kind, Kernel: l.Program.Name, Instr: in.name, Line: int(in.line), Block: w.block.id, Address: addr}
	for i := range f.Thread {
		f.Thread[i] = uint32(w.tid[i][lane])
	}
	l.fault.CompareAndSwap(nil, f)
	l.ended.Store(true)
}
