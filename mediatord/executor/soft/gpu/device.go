package gpu

import (
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"libvirt-vgpu/mediatord/executor/soft/gpu/internal/simt"
	"libvirt-vgpu/mediatord/executor/soft/gpu/internal/vmem"
)

// The limits of a launch, those of an H200.
const (
	MaxThreadsPerBlock = 1024
	MaxGridX           = 1<<31 - 1
	MaxGridYZ          = 65535
	MaxBlockXY         = 1024
	MaxBlockZ          = 64
	MaxSharedDefault   = 48 << 10  // per block unless the function asks for more
	MaxSharedOptIn     = 227 << 10 // per block
	MaxParamBytes      = 32764
	MaxLocalBytes      = 512 << 10 // per thread
	WarpSize           = simt.WarpSize
)

// Config describes a device. Zero values stand for the defaults.
type Config struct {
	Memory   uint64 // bytes of device memory; default 4 GiB
	Workers  int    // goroutines of a kernel; default GOMAXPROCS
	HeapBase uint64 // where the device itself may place things; default 1<<40
	HeapSize uint64 // default 64 GiB of addresses
	Major    int    // compute capability; default 9.0
	Minor    int
	// Print and Complain take what kernels print, a call of a thread at a time, and
	// what failed assertions say; they come from several goroutines. nil: nobody does.
	Print, Complain func(text string)
	// Share is the memory that this device has with those of other processes; nil: it has
	// its own.
	Share Share
	// OnFault is called once when the device fails, from whatever goroutine
	// finds out. It must not call the device, except Err.
	OnFault func(error)
}

// Share counts what a device has of the memory of several. Its methods are called by one
// goroutine at a time.
type Share interface {
	Take(bytes uint64) bool // false: there is not as much
	Give(bytes uint64)
	Taken() uint64
	Free() (uint64, error)
}

// Device is a GPU with one context.
type Device struct {
	cfg   Config
	space vmem.Space
	start time.Time

	stop     atomic.Bool // ends kernels and waits
	failed   atomic.Pointer[deviceError]
	executed atomic.Uint64
	grids    atomic.Uint64

	memory heap

	submit   sync.Mutex // orders submissions across streams; guards what follows
	streams  map[*Stream]struct{}
	standard *Stream // the legacy default stream
	captures map[*capture]struct{}
	closed   bool
	workers  sync.WaitGroup
}

type deviceError struct{ err error }

// New makes a device. Close releases it.
func New(cfg Config) (*Device, error) {
	if cfg.Memory == 0 {
		cfg.Memory = 4 << 30
	}
	if cfg.Workers <= 0 {
		cfg.Workers = runtime.GOMAXPROCS(0)
	}
	if cfg.HeapBase == 0 {
		cfg.HeapBase = 1 << 40
	}
	if cfg.HeapSize == 0 {
		cfg.HeapSize = 64 << 30
	}
	if cfg.Major == 0 {
		cfg.Major = 9
	}
	if cfg.HeapBase%pageSize != 0 || cfg.HeapSize%pageSize != 0 || cfg.HeapBase+cfg.HeapSize > vmem.Limit {
		return nil, failure(InvalidValue, "device addresses %#x+%#x are not pages below %#x", cfg.HeapBase, cfg.HeapSize, uint64(vmem.Limit))
	}
	d := &Device{cfg: cfg, start: time.Now(), streams: map[*Stream]struct{}{}, captures: map[*capture]struct{}{}}
	d.memory.init(d)
	d.standard = d.newStream(StreamFlags{})
	return d, nil
}

// Close kills the device, waits for its streams and gives its memory back.
func (d *Device) Close() {
	d.fail(ContextIsDestroyed)
	d.submit.Lock()
	if d.closed {
		d.submit.Unlock()
		return
	}
	d.closed = true
	for s := range d.streams {
		s.close()
	}
	d.submit.Unlock()
	d.workers.Wait()
	d.memory.releaseAll()
}

// Kill ends the kernels that run and drops what is queued; from then on every
// call returns CUDA_ERROR_CONTEXT_IS_DESTROYED.
func (d *Device) Kill() { d.fail(ContextIsDestroyed) }

// Err is the error that the device has failed with, or nil.
func (d *Device) Err() error {
	if f := d.failed.Load(); f != nil {
		return f.err
	}
	return nil
}

// fail makes an error the device's for good, if it is the first.
func (d *Device) fail(err error) {
	if !d.failed.CompareAndSwap(nil, &deviceError{err}) {
		return
	}
	d.stop.Store(true)
	if d.cfg.OnFault != nil {
		d.cfg.OnFault(err)
	}
}

// Executed is the number of thread instructions that kernels have executed.
func (d *Device) Executed() uint64 { return d.executed.Load() }

// ComputeCapability is the architecture that the device claims to be.
func (d *Device) ComputeCapability() (major, minor int) { return d.cfg.Major, d.cfg.Minor }
