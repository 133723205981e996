package hostile

import (
	"bytes"
	"fmt"
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"libvirt-vgpu/plugin/window"
)

// park has the domain's processes parked, however busy they are at first.
func (d *domain) park() {
	d.Helper()
	id := d.property("UUID").(string)
	d.until("parking", func() bool {
		var parked uint32
		var kept []string
		err := d.bus.Object(service, root).Call(service+".Manager.Park", 0, id).Store(&parked, &kept)
		check(d, err)
		return parked == 1
	})
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
