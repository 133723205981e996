package hostile

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"libvirt-vgpu/plugin/window"
)

// park has the domain's processes parked, however busy they are at first.
func (d *domain) park() {
	d.Helper()
	d.until("parking", func() bool { return d.asksToPark("Park") == 1 })
}

// asksToPark is how many of the domain's processes are parked then, in one of two ways.
func (d *domain) asksToPark(method string) (parked uint32) {
	d.Helper()
	var kept []string
	err := d.bus.Object(service, root).Call(service+".Manager."+method, 0, d.property("UUID").(string)).Store(&parked, &kept)
	check(d, err)
	return parked
}

// hostMemory is what the pool's parked processes take of the host's.
func (s *stand) hostMemory() uint64 {
	s.Helper()
	value, err := s.bus.Object(service, root+"/pool/default").GetProperty(service + ".Pool.ParkedHostMemory")
	check(s, err)
	return value.Value().(uint64)
}

// anonymous counts the canaries in a process's memory that is no file's.
func anonymous(t testing.TB, pid int) (count int) {
	t.Helper()
	maps, err := os.ReadFile(fmt.Sprintf("/proc/%d/maps", pid))
	check(t, err)
	memory, err := os.Open(fmt.Sprintf("/proc/%d/mem", pid))
	check(t, err)
	defer memory.Close()
	piece := make([]byte, 1<<20)
	for line := range strings.Lines(string(maps)) {
		fields := strings.Fields(line)
		if len(fields) != 5 || !strings.HasPrefix(fields[1], "rw-p") {
			continue // it has a name, or cannot be written
		}
		var from, to int64
		if _, err := fmt.Sscanf(fields[0], "%x-%x", &from, &to); err != nil {
			t.Fatal(err)
		}
		for at := from; at < to; at += int64(len(piece)) {
			n, _ := memory.ReadAt(piece[:min(int64(len(piece)), to-at)], at) // unmapped meanwhile: less
			count += bytes.Count(piece[:n], canary)
		}
	}
	return count
}

// hoard has a process of the domain fill device memory with canaries and be parked.
func (d *domain) hoard() *worker {
	d.Helper()
	w, err := d.process().work()
	check(d, err)
	fill(w.memory)
	w.Post("copy_htod", device, pinned, window.ChunkSize, 1)
	if sticky := w.Fence(1, 9, 1); sticky != 0 {
		d.Fatalf("sticky %d", sticky)
	}
	clear(w.memory)
	d.park()
	return w
}

// What lies in host memory while a process is parked is in no other process's memory,
// in none that the process itself gave back, and not in what domains get next: after
// waking, after kill -9 of the parked process's executor, and at its end.
func TestParkedMemoryIsNobodyElses(t *testing.T) {
	for name, over := range map[string]func(d *domain, w *worker){
		"woken": func(d *domain, w *worker) {
			executor := d.executor()
			w.Post("copy_dtoh", pinned, device, window.ChunkSize, 1)
			if w.Fence(1, 9, 2); bytes.Count(w.memory, canary) != window.ChunkSize/64 {
				d.Error("the canaries have not come back")
			}
			clear(w.memory)
			w.Must("ctx_synchronize")
			d.until("end of the host memory", func() bool { return d.hostMemory() == 0 })
			if n := anonymous(d, executor); n != 0 {
				d.Errorf("%d canaries are left in its executor's host memory", n)
			}
			check(d, w.close())
		},
		"executor killed": func(d *domain, w *worker) {
			check(d, unix.Kill(d.executor(), unix.SIGKILL))
			d.until("end of the executor", func() bool { return w.Window.ChannelState(w.number) == window.HostFailed })
			check(d, w.close())
		},
		"process ended": func(d *domain, w *worker) { check(d, w.close()) },
	} {
		t.Run(name, func(t *testing.T) {
			s := begin(t, "")
			one, other := s.domain("one", 64<<20), s.domain("other", 64<<20)
			neighbour := other.process()
			neighbour.Must("primary_retain", 0)
			w := one.hoard()
			if n := anonymous(t, one.executor()); n != window.ChunkSize/64 {
				t.Fatalf("%d canaries are parked, should be %d", n, window.ChunkSize/64)
			}
			for whose, pid := range map[string]int{"the neighbour's executor": other.executor(), "mediatord": s.mediator.Process.Pid} {
				if n := anonymous(t, pid); n != 0 {
					t.Errorf("%d canaries in the memory of %s", n, whose)
				}
			}
			if where := other.search(); len(where) != 0 {
				t.Errorf("another domain finds canaries in %v while the process is parked", where)
			}
			over(one, w)
			s.until("end of the host memory", func() bool { return s.hostMemory() == 0 })
			for name, d := range map[string]*domain{"another domain": other, "another process of the domain": one} {
				if where := d.search(); len(where) != 0 {
					t.Errorf("%s finds canaries in %v", name, where)
				}
			}
		})
	}
}

// A process ends, or its executor, while it leaves the GPU, is away, or is on its way back: nothing of it stays, no other one waits
// for it, and its domain takes the next one.
func TestEndsBetweenLeavingAndReturn(t *testing.T) {
	s := begin(t, "")
	neighbour, err := s.domain("neighbour", 64<<20).process().work()
	check(t, err)
	d := s.domain("one", 64<<20)
	draw := rand.New(rand.NewPCG(4, 5))
	moment := func() { time.Sleep(time.Duration(draw.IntN(3000)) * time.Microsecond) }
	returns := func(w *worker) { w.Post("copy_dtoh", pinned, device, window.ChunkSize, 1) }
	for name, over := range map[string]func(w *worker, executor int){
		"process, leaving": func(w *worker, _ int) {
			asked := make(chan struct{})
			go func() { d.asksToPark("ParkContexts"); close(asked) }()
			moment()
			check(d, w.close())
			<-asked
		},
		"process, away":       func(w *worker, _ int) { check(d, w.close()) },
		"executor, away":      func(w *worker, executor int) { check(d, unix.Kill(executor, unix.SIGKILL)) },
		"process, on its way": func(w *worker, _ int) { returns(w); moment(); check(d, w.close()) },
		"executor, on its way": func(w *worker, executor int) {
			returns(w)
			moment()
			check(d, unix.Kill(executor, unix.SIGKILL))
		},
		"ends what it has, then lies": func(w *worker, _ int) {
			w.Post("mem_unblock", device)
			w.Post("stream_destroy", 1)
			d.until("what ends", func() bool { return w.Head() == w.Tail() })
			w.put(w.Record(window.NoReply, "copy_dtoh", 1, device, 64, 0), 64)
		},
	} {
		t.Run(name, func(t *testing.T) {
			s.TB = t
			for range rounds(t, 3) {
				w, err := d.process().work()
				check(t, err)
				check(t, w.compute())
				executor := d.executor()
				if name != "process, leaving" {
					d.until("leaving", func() bool { return d.asksToPark("ParkContexts") == 1 })
				}
				over(w, executor)
				d.until("end of the executor", func() bool { return unix.Kill(executor, 0) != nil })
				_ = w.close()
				s.until("end of the host memory", func() bool { return s.hostMemory() == 0 })
				d.until("end of its memory", func() bool { return d.property("MemoryUsed").(uint64) == 0 })
				check(t, neighbour.compute())
			}
		})
	}
	s.TB = t
}
