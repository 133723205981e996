package process

import (
	"fmt"
	"runtime"
	"slices"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"libvirt-vgpu/mediatord/executor/cuda/cudatest"
	"libvirt-vgpu/plugin/window"
)

// BenchmarkBeside says what another thread costs an executor that consumes launches, all ways in
// alternation, so that what changes on the machine meets all of them: nanoseconds for a launch,
// the median batch, the driver's call included. "alone": the ring was filled by the same thread. "filled": by another,
// which is done. "filling": by another meanwhile. "naps", "spins", "reads": what a guest's thread does that waits for
// room, for a fence, for the executor's word. "spins_on_N": on processor N, the executor on "own": one that
// costs much more than the others is the other half of a core, whatever the machine says. VGPU_BENCH_DRIVER names the
// driver; run it with -benchtime 100x, the number of rounds.
func BenchmarkBeside(b *testing.B) {
	terms := unlimitedTerms()
	x := newBenched(b, &terms)
	head := unsafe.Pointer(&x.Memory()[window.ChHead])
	run := func() { x.step(b, x.process.statistics.Launches+launchBatch) }
	filler := make(chan int)
	defer close(filler)
	filled := make(chan struct{})
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		for count := range filler {
			filled <- struct{}{}
			x.fill(count)
			filled <- struct{}{}
		}
	}()
	ways := []besideWay{
		{name: "alone", before: func() { x.fill(launchBatch) }},
		{name: "filled", before: func() { filler <- launchBatch; <-filled; <-filled }},
		{name: "filling", before: func() { filler <- launchBatch; <-filled }, after: func() { <-filled }},
	}
	beside := func(name string, way, processor int) {
		var end func()
		ways = append(ways, besideWay{name: name,
			before: func() { x.fill(launchBatch); end = cudatest.Neighbour(way, head, processor) },
			after:  func() { end() },
		})
	}
	beside("naps", cudatest.Naps, -1)
	beside("spins", cudatest.Spins, -1)
	beside("reads", cudatest.Reads, -1)
	own, others := stay(b)
	for _, processor := range others {
		beside(fmt.Sprintf("spins_on_%d", processor), cudatest.Spins, processor)
	}
	for range b.N {
		for i := range ways {
			w := &ways[i]
			w.before()
			start := time.Now()
			run()
			w.times = append(w.times, time.Since(start))
			if w.after != nil {
				w.after()
			}
			x.synchronize(b)
		}
	}
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(float64(own), "own")
	for _, w := range ways {
		slices.Sort(w.times)
		b.ReportMetric(float64(w.times[len(w.times)/2])/launchBatch, "ns/"+w.name)
	}
}

type besideWay struct {
	name          string
	before, after func()
	times         []time.Duration
}

// stay keeps the calling thread on the processor where it is, until the benchmark's end, and tells the
// others that it might have.
func stay(b *testing.B) (own int, others []int) {
	b.Helper()
	var all, one unix.CPUSet
	if err := unix.SchedGetaffinity(0, &all); err != nil {
		b.Fatal(err)
	}
	var here uint32
	if _, _, errno := unix.RawSyscall(unix.SYS_GETCPU, uintptr(unsafe.Pointer(&here)), 0, 0); errno != 0 {
		b.Fatal(errno)
	}
	own = int(here)
	one.Set(own)
	if err := unix.SchedSetaffinity(0, &one); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = unix.SchedSetaffinity(0, &all) })
	for processor := 0; len(others) < all.Count()-1; processor++ {
		if processor != own && all.IsSet(processor) {
			others = append(others, processor)
		}
	}
	return own, others
}
