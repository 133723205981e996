package hostile

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"libvirt-vgpu/mediatord/executor/modcache"
	"libvirt-vgpu/plugin/window"
)

var binaries string

// long says how long each attack lasts; VGPU_HOSTILE_SECONDS changes it.
func long(t testing.TB) time.Duration {
	t.Helper()
	text := os.Getenv("VGPU_HOSTILE_SECONDS")
	if text == "" {
		return 4 * time.Second
	}
	d, err := time.ParseDuration(text + "s")
	check(t, err)
	return d
}

func TestMain(m *testing.M) {
	if socket := os.Getenv(workerSocket); socket != "" {
		os.Exit(beWorker(socket))
	}
	dir, err := os.MkdirTemp("", "vgpu-hostile")
	if err == nil {
		binaries = dir
		// The addresses that executors share with guests are the race detector's.
		err = errors.Join(build(dir, "mediatord", raceFlags()...), build(dir, "vgpu-executor"), build(dir, "vgpuctl"))
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "building mediatord:", err)
		os.Exit(1)
	}
	code := m.Run()
	_ = os.RemoveAll(dir)
	os.Exit(code)
}

func build(dir, name string, flags ...string) error {
	cmd := exec.Command("go", append(append([]string{"build"}, flags...), "-o", dir, "./mediatord/cmd/"+name)...)
	cmd.Dir = filepath.Join("..", "..")
	cmd.Stderr = os.Stderr
	return cmd.Run()
}

func digest(image string) []byte {
	sum := modcache.Sum([]byte(image))
	return sum[:]
}

// attack is what a hostile process does again and again until its executor is gone
// or it has had enough of this one.
type attack func(p *process, r *rand.Rand)

// put writes a record where the next one goes, without looking whether there is
// room, and says that tail bytes are reserved.
func (p *process) put(record []byte, tail uint64) {
	ring, at := p.Memory()[window.ChRing:], p.Head()%window.RingSize
	for i := 4; i < len(record); i++ {
		ring[(at+uint64(i))%window.RingSize] = record[i]
	}
	p.StoreTail(p.Head() + tail)
	p.StoreRing(at, binary.LittleEndian.Uint32(record))
	p.WakeExecutor()
}

func randomBytes(r *rand.Rand, to []byte) {
	for i := range to {
		to[i] = byte(r.Uint32())
	}
}

// names of ops that a hostile process mixes its nonsense with.
func someRecord(p *process, r *rand.Rand) []byte {
	switch r.IntN(8) {
	case 0:
		return p.Record(uint16(r.IntN(64)), "primary_retain", 0)
	case 1:
		return p.Record(uint16(r.IntN(64)), "mem_block", device+uint64(r.IntN(64))<<21, 2<<20)
	case 2:
		return p.Record(window.NoReply, "copy_htod", r.Uint64(), pinned, r.IntN(1<<20), 0)
	case 3:
		return p.Record(window.NoReply, "mem_unblock", device+uint64(r.IntN(64))<<21)
	case 4:
		return p.Record(uint16(r.IntN(64)), "map_pinned", pinned, uint64(r.IntN(40))*window.ChunkSize, r.IntN(8), 0)
	case 5:
		return p.Record(window.NoReply, "launch", r.IntN(3), 1, 1, 1, 32, 1, 1, 0, 0, make([]byte, r.IntN(100)))
	case 6:
		return p.Record(window.NoReply, "stream_create", r.IntN(100), r.IntN(3), 0)
	}
	return p.Record(uint16(r.IntN(64)), "ctx_synchronize")
}

var attacks = map[string]attack{
	// everything that the process can write, while commands run
	"random bytes": func(p *process, r *rand.Rand) {
		for range 200 {
			p.put(someRecord(p, r), 4096)
			memory := p.Memory()
			if at := r.IntN(len(memory) - 4096); r.IntN(4) == 0 {
				randomBytes(r, memory[at:at+r.IntN(4096)])
			}
			if chunk := r.IntN(int(p.Window.Chunks)); r.IntN(8) == 0 {
				randomBytes(r, p.Window.ChunkMemory(chunk)[:4096])
			}
		}
	},
	// in host-process mode a process has the tables too, as a guest's kernel does
	"lying tables": func(p *process, r *rand.Rand) {
		for range 50 {
			p.Window.SetChunk(r.IntN(int(p.Window.Chunks)), window.ChunkEntry(r.Uint32()))
			p.Window.SetGuest(r.IntN(int(p.Window.Channels)), window.GuestState(r.IntN(6)), r.Uint32()%4)
			p.put(someRecord(p, r), 4096)
			_, _ = p.Doorbell.Write([]byte{1, 0, 0, 0, 0, 0, 0, 0})
		}
	},
	"lying lengths": func(p *process, r *rand.Rand) {
		record := someRecord(p, r)
		binary.LittleEndian.PutUint32(record, r.Uint32()>>r.IntN(32))
		p.put(record, r.Uint64()>>r.IntN(64))
	},
	"replays": func(p *process, r *rand.Rand) {
		records := make([][]byte, 8)
		for i := range records {
			records[i] = someRecord(p, r)
		}
		for range 300 {
			p.put(records[r.IntN(len(records))], 1024)
		}
	},
	"wrapped counters": func(p *process, r *rand.Rand) {
		p.StoreTail([]uint64{0, 1, 1 << 63, ^uint64(0), p.Head() - 64, p.Head() + window.RingSize + 64}[r.IntN(6)])
		p.StoreRing(p.Head()%window.RingSize, uint32(24+r.IntN(window.RecMax)))
		p.WakeExecutor()
		time.Sleep(time.Millisecond)
	},
	// its ranges over whatever the executor has, or where nobody has memory
	"places": func(p *process, r *rand.Rand) {
		for range 20 {
			p.put(p.Record(1, "place_ranges", r.Uint64()>>r.IntN(40)&^(window.ChunkSize-1), r.Uint64()>>(16+r.IntN(20))&^(window.ChunkSize-1)), 64)
			p.put(p.Record(1, "map_pinned", pinned, uint64(r.IntN(40))*window.ChunkSize, r.IntN(8), 0), 64)
			time.Sleep(50 * time.Microsecond)
		}
	},
	"doorbells": func(p *process, _ *rand.Rand) {
		for range 20000 {
			_, _ = p.Doorbell.Write([]byte{1, 0, 0, 0, 0, 0, 0, 0})
		}
	},
	"all memory": func(p *process, r *rand.Rand) {
		p.put(p.Record(1, "primary_retain", 0), 64)
		p.Context = 1
		for i := range 200 {
			p.put(p.Record(window.NoReply+0, "mem_unblock", device), 64)
			p.put(p.Record(2, "mem_block", device+uint64(i)<<21, uint64(1+r.IntN(64))<<21), 64)
			time.Sleep(50 * time.Microsecond)
		}
	},
	"requests": func(p *process, r *rand.Rand) {
		for range 100 {
			m := message{kind: uint32(r.IntN(look + 2)), channel: r.Uint32(), count: r.Uint32() >> r.IntN(32), offset: r.Uint64() >> r.IntN(64)}
			var err error
			if m.kind == look {
				err = tell(p.conn, m)
			} else {
				_, _, err = ask(p.conn, m)
			}
			if errors.Is(err, unix.EPIPE) {
				return
			}
		}
	},
	"open and close": func(*process, *rand.Rand) {},
}

// Each attack runs beside a neighbour that computes. Whatever the attacker does,
// the neighbour's results are right, its executor is the same, and mediatord lives.
func TestOnlyTheAttackerSuffers(t *testing.T) {
	s := begin(t, "")
	neighbour, err := s.domain("neighbour", 64<<20).process().work()
	check(t, err)
	before := descriptors(t, s.mediator.Process.Pid)
	for name, attack := range attacks {
		t.Run(name, func(t *testing.T) {
			s := &stand{TB: t, bus: s.bus, mediator: s.mediator, logFile: s.logFile}
			attacker := s.domain("attacker", 64<<20)
			stop := make(chan struct{})
			rounds, done := 0, make(chan error, 1)
			go func() {
				for {
					select {
					case <-stop:
						done <- nil
						return
					default:
					}
					if err := neighbour.compute(); err != nil {
						done <- err
						return
					}
					rounds++
				}
			}()
			processes := 0
			r := rand.New(rand.NewPCG(1, uint64(len(name))))
			for deadline := time.Now().Add(long(t)); time.Now().Before(deadline); processes++ {
				p, err := connect(t, attacker.socket)
				if err != nil { // it has spoilt its own tables, or is too fast
					time.Sleep(20 * time.Millisecond)
					continue
				}
				for range 20 {
					if attack(p, r); p.Window.ChannelState(p.number) != window.HostReady || time.Now().After(deadline) {
						break
					}
				}
				check(t, p.close())
			}
			close(stop)
			select {
			case err := <-done:
				check(t, err)
			case <-time.After(timeout):
				t.Fatal("the neighbour hangs")
			}
			if rounds == 0 {
				t.Error("the neighbour has not computed")
			}
			t.Logf("%d processes attacked, the neighbour computed %d rounds", processes, rounds)
			attacker.end()
			s.until("end of the attacker's domain", func() bool {
				_, err := s.bus.Object(service, attacker.path).GetProperty(service + ".Slot.State")
				return err != nil
			})
		})
	}
	check(t, neighbour.compute())
	if err := neighbour.close(); err != nil {
		t.Error(err)
	}
	s.until("closed descriptors", func() bool { return descriptors(t, s.mediator.Process.Pid) <= before })
}

// Copies may name all of a process's pinned memory and not a byte beside it: who does names what others have, the executor
// itself among them, and has no executor any more.
func TestCopiesBesidePinnedMemory(t *testing.T) {
	s := begin(t, "")
	neighbour, err := s.domain("neighbour", 64<<20).process().work()
	check(t, err)
	other, err := s.domain("other", 64<<20).process().work() // at the same addresses
	check(t, err)
	d := s.domain("attacker", 64<<20)
	const whole = 2 * window.ChunkSize
	for _, e := range []struct {
		at, size uint64
		good     bool
	}{
		{pinned, whole, true}, {pinned + whole - 1, 1, true}, {pinned + window.ChunkSize - 1, 2, true}, {pinned, 0, true}, {pinned + whole, 0, true},
		{pinned, whole + 1, false}, {pinned + whole - 1, 2, false}, {pinned - 1, 2, false}, {pinned - 64, 64, false}, {pinned + whole, 1, false},
		{pinned, 1 << 63, false}, {pinned + 64, ^uint64(0), false}, {pinned + 1, ^uint64(pinned), false}, {pinned + 3*window.ChunkSize, 64, false},
		{device, 64, false}, {0, 64, false}, {^uint64(0), 2, false}, {1<<47 - 4096, 4096, false},
	} {
		for _, in := range []bool{true, false} {
			p := d.process()
			first, err := p.chunks(2)
			check(t, err)
			p.Must("primary_retain", 0)
			p.Context = 1
			p.Must("mem_block", device, whole)
			for i := range 2 { // two mappings side by side
				p.Must("map_pinned", pinned+uint64(i)*window.ChunkSize, uint64(first+i)*window.ChunkSize, 1, 0)
			}
			if in {
				p.Post("copy_htod", device, e.at, e.size, 0)
			} else {
				p.Post("copy_dtoh", e.at, device, e.size, 0)
			}
			failed := func() bool { return p.Window.ChannelState(p.number) == window.HostFailed }
			s.until("end of the copy", func() bool { return p.Head() == p.Tail() || failed() })
			if !e.good {
				s.until(fmt.Sprintf("end of the executor that was to copy %d bytes at %#x", e.size, e.at), failed)
			} else if p.Must("ctx_synchronize"); failed() {
				t.Errorf("%d bytes at %#x: its executor has ended", e.size, e.at)
			}
			check(t, p.close())
			check(t, neighbour.compute())
			check(t, other.compute())
		}
	}
}

func descriptors(t testing.TB, pid int) int {
	t.Helper()
	entries, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", pid))
	check(t, err)
	return len(entries)
}
