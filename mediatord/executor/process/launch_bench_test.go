package process

import (
	"encoding/binary"
	"os"
	"runtime"
	"slices"
	"sync/atomic"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"libvirt-vgpu/mediatord/executor/channel"
	"libvirt-vgpu/mediatord/executor/cuda"
	"libvirt-vgpu/mediatord/executor/cuda/cudatest"
	"libvirt-vgpu/mediatord/executor/driver"
	"libvirt-vgpu/mediatord/executor/guesttest"
	"libvirt-vgpu/mediatord/executor/wire"
	"libvirt-vgpu/mediatord/internal/lease"
	"libvirt-vgpu/plugin/window"
)

// launchBatch is how many launches are timed together: fewer than a ring, and
// than a GPU's queue, holds.
const launchBatch = 512

const benchKernel = ".version 7.0\n.target sm_52\n.address_size 64\n.visible .entry empty()\n{\n\tret;\n}\n\x00"

// benched is a process on a driver of its own, with a kernel and a stream,
// numbers 1.
type benched struct {
	*harness
	gpu     *cuda.Driver
	context driver.Context
	launch  driver.Launch
	record  []byte
	tail    uint64
}

// newBenched takes the driver that VGPU_BENCH_DRIVER names, else one that does
// nothing. terms nil: there is no lease.
func newBenched(b *testing.B, terms *lease.Terms) *benched {
	b.Helper()
	runtime.LockOSThread() // a context is current in a thread
	b.Cleanup(runtime.UnlockOSThread)
	library := os.Getenv("VGPU_BENCH_DRIVER")
	if library == "" {
		library = cudatest.BuildEmptyDriver(b)
	}
	gpu, err := cuda.OpenLibrary(library, "0")
	if err != nil {
		b.Fatal(err)
	}
	x := &benched{gpu: gpu}
	x.harness = newHarness(b, func(c *Config) {
		c.Driver = gpu
		if terms != nil {
			c.Lease, _ = leaseOf(b, *terms)
			c.Clock = lease.NewClock()
		}
	})
	x.must("primary_retain", 0)
	x.Context = primary
	context, _ := x.process.tables.Get(driver.KindContext, primary)
	x.context = driver.Context(context)
	b.Cleanup(func() { // the next one's memory may lie where this one's is registered
		x.synchronize(b)
		if r := x.process.PrimaryRelease(wire.Call{}, wire.PrimaryRelease{}); r != driver.Success {
			b.Errorf("releasing the context: %d", r)
		}
	})
	module, r := gpu.ModuleLoad([]byte(benchKernel), &driver.JIT{})
	if r != driver.Success {
		b.Fatalf("loading the kernel: %d", r)
	}
	function, r := gpu.ModuleFunction(module, "empty")
	if r != driver.Success {
		b.Fatalf("finding the kernel: %d", r)
	}
	x.process.tables.Put(driver.KindFunction, 1, uint64(function))
	if r := x.post("stream_create", 1, 1, 0); r != driver.Success {
		b.Fatalf("making a stream: %d", r)
	}
	stream, _ := x.process.tables.Get(driver.KindStream, 1)
	x.launch = driver.Launch{Function: function, Grid: [3]uint32{1, 1, 1}, Block: [3]uint32{32, 1, 1}, Stream: driver.Stream(stream)}
	x.record = x.Record(window.NoReply, "launch", 1, 1, 1, 1, 32, 1, 1, 0, 1, []byte{})
	x.tail = x.Head()
	return x
}

func leaseOf(t testing.TB, terms lease.Terms) (*lease.Page, *lease.Holder) {
	table, err := lease.Create(t.Name())
	if err != nil {
		t.Fatal(err)
	}
	report, err := unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _, _ = table.Close(), unix.Close(report) })
	holder := table.Holder(guesttest.Channel, 0)
	holder.Set(terms)
	page, err := lease.Open(table.File(), guesttest.Channel, report)
	if err != nil {
		t.Fatal(err)
	}
	return page, holder
}

// fill puts launches into the ring.
func (x *benched) fill(count int) {
	memory := x.Memory()
	lines := (uint64(len(x.record)) + window.Line - 1) / window.Line * window.Line
	head := (*atomic.Uint64)(unsafe.Pointer(&memory[window.ChHead]))
	tail := (*atomic.Uint64)(unsafe.Pointer(&memory[window.ChTail]))
	for ; count > 0; count-- {
		for x.tail+lines-head.Load() > window.RingSize {
			runtime.Gosched()
		}
		at := x.tail % window.RingSize
		slot := memory[window.ChRing+at:]
		copy(slot[4:len(x.record)], x.record[4:])
		x.tail += lines
		tail.Store(x.tail)
		(*atomic.Uint32)(unsafe.Pointer(&slot[0])).Store(binary.LittleEndian.Uint32(x.record))
	}
}

// step consumes launches until there have been so many since the start.
func (x *benched) step(b *testing.B, launches uint64) {
	for x.process.statistics.Launches < launches {
		consumed, err := x.consumer.Step()
		if err != nil {
			b.Fatal(err)
		}
		if consumed {
			continue
		}
		if r, opcode := x.TakeAsync(); r != 0 {
			b.Fatalf("%s failed: %d", wire.Name(uint16(opcode)), r)
		}
	}
}

// synchronize waits for the GPU and leaves the context current.
func (x *benched) synchronize(b *testing.B) {
	r := x.gpu.Synchronize(x.context)
	if r == driver.Success {
		r = x.gpu.SetCurrent(x.context)
	}
	if r != driver.Success {
		b.Fatalf("waiting for the GPU: %d", r)
	}
}

// rounds times batches of launches; what the GPU has left is waited for in
// between.
func (x *benched) rounds(b *testing.B, prepare, run func(count int)) {
	var times []time.Duration
	b.ResetTimer()
	for done := 0; done < b.N; done += launchBatch {
		prepare(launchBatch)
		start := time.Now()
		run(launchBatch)
		times = append(times, time.Since(start))
		x.synchronize(b)
	}
	report(b, times)
}

func must(b *testing.B, r driver.Result, err error) {
	if r != driver.Success || err != nil {
		b.Fatalf("launching: %d, %v", r, err)
	}
}

// report gives the least and the median batch: others share the processor.
func report(b *testing.B, times []time.Duration) {
	slices.Sort(times)
	b.ReportMetric(float64(times[0])/launchBatch, "ns/launch-least")
	b.ReportMetric(float64(times[len(times)/2])/launchBatch, "ns/launch")
	b.ReportMetric(0, "ns/op")
}

// BenchmarkLaunch says where the time of a posted launch goes, the driver's call
// (one of no cost, unless VGPU_BENCH_DRIVER names another) included: the call
// alone, with decoding, with what a record's execution adds, with the ring and
// without a lease, under an unlimited and a limited one, one by one under a limited
// one, and with the ring filled by another processor, under both. Run it with -benchtime 1000000x.
func BenchmarkLaunch(b *testing.B) {
	unlimited, limited := unlimitedTerms(), limitedTerms()
	nothing := func(int) {}
	b.Run("driver", func(b *testing.B) {
		x := newBenched(b, nil)
		x.rounds(b, nothing, func(count int) {
			for range count {
				must(b, x.gpu.Launch(&x.launch), nil)
			}
		})
	})
	b.Run("decoded", func(b *testing.B) {
		x := newBenched(b, nil)
		payload := x.record[window.RecPayload:]
		x.rounds(b, nothing, func(count int) {
			for range count {
				_, r, err := wire.Dispatch(wire.Call{Context: primary}, wire.OpLaunch, payload, nil, x.process.native, x.process, &x.process.tables)
				must(b, r, err)
			}
		})
	})
	b.Run("executed", func(b *testing.B) {
		x := newBenched(b, nil)
		r := channel.Record{Opcode: wire.OpLaunch, Call: wire.Call{Context: primary, Reply: window.NoReply}, Payload: x.record[window.RecPayload:]}
		x.rounds(b, nothing, func(count int) {
			for range count {
				_, result, err := x.process.Execute(&r, nil)
				must(b, result, err)
			}
		})
	})
	for name, terms := range map[string]*lease.Terms{"consumed": nil, "unlimited": &unlimited, "limited": &limited} {
		b.Run(name, func(b *testing.B) {
			x := newBenched(b, terms)
			x.rounds(b, x.fill, func(count int) { x.step(b, x.process.statistics.Launches+uint64(count)) })
		})
	}
	b.Run("limited_one_by_one", func(b *testing.B) {
		x := newBenched(b, &limited)
		x.process.burster = nil
		x.rounds(b, x.fill, func(count int) { x.step(b, x.process.statistics.Launches+uint64(count)) })
	})
	for name, terms := range map[string]*lease.Terms{"between_processors": &unlimited, "limited_between_processors": &limited} {
		b.Run(name, func(b *testing.B) { betweenProcessors(b, terms) })
	}
}

// betweenProcessors consumes as the executor does, while another thread posts.
func betweenProcessors(b *testing.B, terms *lease.Terms) {
	x := newBenched(b, terms)
	total := max(b.N/launchBatch, 1) * launchBatch
	go func() {
		runtime.LockOSThread()
		x.fill(total)
	}()
	b.ResetTimer()
	start := time.Now()
	x.step(b, uint64(total))
	b.ReportMetric(float64(time.Since(start))/float64(total), "ns/launch")
	b.ReportMetric(0, "ns/op")
}
