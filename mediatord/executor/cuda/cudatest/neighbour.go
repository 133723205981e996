package cudatest

/*
#define _GNU_SOURCE
#include <stdint.h>
#include <time.h>

enum { NAPS, SPINS, READS };

static void vg_neighbour(int way, const uint32_t *word, const uint32_t *stop)
{
	const struct timespec nap = { .tv_nsec = 10000 };

	while (!__atomic_load_n(stop, __ATOMIC_ACQUIRE)) {
		if (way == NAPS)
			nanosleep(&nap, NULL);
		if (way == READS)
			(void)__atomic_load_n(word, __ATOMIC_ACQUIRE);
		__builtin_ia32_pause();
	}
}
*/
import "C"

import (
	"runtime"
	"sync/atomic"
	"unsafe"

	"golang.org/x/sys/unix"
)

// What a guest's thread does while an executor works.
const (
	Naps  = C.NAPS  // 10 us each, as one that waits for room in the ring
	Spins = C.SPINS // as one that waits for a fence
	Reads = C.READS // a word that the executor writes
)

// Neighbour runs a thread that does so, on one processor if processor is not
// negative, until the function that it returns is called. word is only of use to
// Reads; it lies outside Go's heap.
func Neighbour(way int, word unsafe.Pointer, processor int) (end func()) {
	stop, begun, ended := new(atomic.Uint32), make(chan struct{}), make(chan struct{})
	go func() {
		runtime.LockOSThread() // and not unlocked: the thread ends with its affinity
		if processor >= 0 {
			var set unix.CPUSet
			set.Set(processor)
			_ = unix.SchedSetaffinity(0, &set)
		}
		close(begun)
		C.vg_neighbour(C.int(way), (*C.uint32_t)(word), (*C.uint32_t)(unsafe.Pointer(stop)))
		close(ended)
	}()
	<-begun
	return func() {
		stop.Store(1)
		<-ended
	}
}
