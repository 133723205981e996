// Package drivertest is a driver for tests that records what it is asked.
package drivertest

import (
	"fmt"
	"strings"
	"sync"

	"libvirt-vgpu/mediatord/executor/driver"
)

// Recorder is a driver that does nothing, succeeds and remembers. Handles count
// up from 1001; other answers are 1.
type Recorder struct {
	driver.Unsupported
	// Fail answers calls by method name.
	Fail map[string]driver.Result
	// Params is the number of parameters of every function.
	Params int
	// Nodes and Edges are what every graph holds, and every capture depends on.
	Nodes []driver.Node
	Edges []driver.Edge
	// CaptureGraph is what captures make; 0: a new graph each.
	CaptureGraph driver.Graph
	// Instantiation and Update are what these calls tell.
	Instantiation driver.Instantiation
	Update        driver.Update
	// Allocations are the bytes that every graph allocates.
	Allocations uint64
	// FreeMemory is the bytes that MemoryInfo says are free; 0: 50e9.
	FreeMemory uint64
	// Node is what a node was last told to do.
	Node driver.NodeParams
	// FunctionNames are names of functions.
	FunctionNames map[driver.Function]string
	// CaptureStatus is what Capturing answers for a stream.
	CaptureStatus map[driver.Stream]uint32
	// PoolBytes is a pool's number by attribute; GraphBytes what graphs hold.
	PoolBytes  map[driver.Pool]map[uint32]uint64
	GraphBytes uint64
	// OnAlloc is called by MemAllocAsync.
	OnAlloc func(size uint64)
	// Call is what OnCall was given, for tests to play the driver's thread.
	Call func(number uint32, status driver.Result)
	// Linked is what every linker gives, LinkOutputs what its options return.
	Linked      []byte
	LinkOutputs driver.LinkState

	// Blocked hears of calls that a driver would hold up, because they come between
	// Checkpoint and Restore. Torn: a Checkpoint that fails leaves nothing intact.
	// RestoreLoses: nor does a Restore.
	Blocked      func(name string)
	Torn         bool
	RestoreLoses bool

	mu    sync.Mutex
	calls []string
	last  uint64
	away  bool
}

// Primary is the handle of the primary context, DefaultPool that of the default pool.
const (
	Primary     driver.Context = 1000
	DefaultPool driver.Pool    = 999
)

var _ driver.Driver = (*Recorder)(nil)

// Last is the handle that was given last.
func (r *Recorder) Last() uint64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return 1000 + r.last
}

// Calls returns and forgets what was asked: "Method arg arg".
func (r *Recorder) Calls() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	calls := r.calls
	r.calls = nil
	return calls
}

func (r *Recorder) call(name string, args ...any) driver.Result {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.away && name != "Restore" && r.Blocked != nil {
		r.Blocked(name)
	}
	r.calls = append(r.calls, strings.TrimSpace(name+" "+strings.TrimSuffix(fmt.Sprintln(args...), "\n")))
	return r.Fail[name]
}

func (r *Recorder) create(name string, args ...any) (uint64, driver.Result) {
	if result := r.call(name, args...); result != driver.Success {
		return 0, result
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.last++
	return 1000 + r.last, driver.Success
}
