package reconcile

import (
	"math/rand/v2"
	"testing"
	"time"

	"libvirt-vgpu/mediatord/internal/supervisor"
	"libvirt-vgpu/plugin/window"
)

func TestLifeOfAChannel(t *testing.T) {
	s := newStage(t)
	s.window.SetProcess(1, window.Process{PID: 42, UID: 1000, Comm: "python"})
	s.guest(1, window.GuestOpen, 1)
	s.settled()
	if len(s.all()) != 0 {
		t.Fatal("open alone started an executor")
	}
	s.guest(1, window.GuestStart, 1)
	s.untilHost(1, window.HostStarting, 1)
	e := s.all()[0]
	if e.channel != 1 || e.generation != 1 {
		t.Errorf("started channel %d, generation %d", e.channel, e.generation)
	}
	e.sink(supervisor.Event{Kind: supervisor.Ready})
	s.awaitInterrupt(2)
	s.untilHost(1, window.HostReady, 1)
	if got := s.window.ChannelState(1); got != window.HostReady {
		t.Errorf("the channel's STATE is %d", got)
	}
	s.until("status", func() bool { return len(s.loop.Status()) == 1 && s.loop.Status()[0].State == "ready" })
	if got := s.loop.Status()[0]; got.Process.Comm != "python" || got.ExecutorPID != 1001 || got.Channel != 1 {
		t.Errorf("status is %+v", got)
	}
	s.settled()
	if len(s.all()) != 1 {
		t.Error("more doorbells started more executors")
	}

	s.window.Channel(1)[window.ChRing] = 9
	for chunk := range 3 {
		s.window.SetChunk(chunk, window.OwnedBy(1))
		s.window.ChunkMemory(chunk)[0] = 9
	}
	s.window.SetChunk(3, window.OwnedBy(2))
	if err := s.account.Reserve(1, 1000); err != nil {
		t.Fatal(err)
	}
	s.guest(1, window.GuestClosed, 1)
	s.until("stop", func() bool { return e.stops() > 0 })
	if state, _ := s.window.Host(1); state == window.HostFree {
		t.Error("the channel was free before its executor was gone")
	}
	e.end(719, "terminated")
	s.untilHost(1, window.HostFree, 1)
	s.awaitInterrupt(0)
	if s.window.Channel(1)[window.ChRing] != 0 || s.window.ChunkMemory(0)[0] != 0 {
		t.Error("the next owner would find the last one's data")
	}
	for chunk, free := range []bool{true, true, true, false} {
		if s.window.Chunk(chunk).Free() != free {
			t.Errorf("chunk %d is %#x", chunk, s.window.Chunk(chunk))
		}
	}
	if s.account.Used(1) != 0 {
		t.Error("the account still counts the dead process's memory")
	}
	s.until("empty status", func() bool { return len(s.loop.Status()) == 0 })

	s.guest(1, window.GuestFree, 1)
	if second := s.running(1, 2); second.generation != 2 {
		t.Errorf("second owner has generation %d", second.generation)
	}
}

func TestCloseWithoutStartCleansToo(t *testing.T) {
	s := newStage(t)
	s.guest(0, window.GuestOpen, 5)
	s.window.SetChunk(0, window.OwnedBy(0))
	s.guest(0, window.GuestClosed, 5)
	s.untilHost(0, window.HostFree, 5)
	if !s.window.Chunk(0).Free() {
		t.Error("the chunk is lost")
	}
}

func TestExecutorDeathFailsTheChannelUntilItIsClosed(t *testing.T) {
	s := newStage(t)
	e := s.running(0, 1)
	e.end(700, "an illegal memory access was encountered")
	s.untilHost(0, window.HostFailed, 1)
	s.awaitInterrupt(1)
	if result, text := s.window.Failure(0); result != 700 || text != "an illegal memory access was encountered" {
		t.Errorf("failure is %d %q", result, text)
	}
	s.until("status", func() bool {
		st := s.loop.Status()
		return len(st) == 1 && st[0].State == "failed" && st[0].ExecutorPID == 0
	})
	s.settled()
	if len(s.all()) != 1 {
		t.Error("a failed channel started again")
	}
	s.guest(0, window.GuestClosed, 1)
	s.untilHost(0, window.HostFree, 1)
}

func TestLaunchFailureIsToldToTheProcess(t *testing.T) {
	s := newStage(t)
	s.mu.Lock()
	s.launchErr = errNoBinary
	s.mu.Unlock()
	s.guest(3, window.GuestStart, 1)
	s.untilHost(3, window.HostFailed, 1)
	if result, text := s.window.Failure(3); result != supervisor.ResultSystemNotReady || text != errNoBinary.Error() {
		t.Errorf("failure is %d %q", result, text)
	}
}

func TestReturnedChunkWaitsForTheExecutor(t *testing.T) {
	s := newStage(t)
	e := s.running(0, 1)
	s.window.SetChunk(2, window.OwnedBy(0)|window.ChunkEntry(window.ChunkReturned))
	s.window.ChunkMemory(2)[7] = 1
	s.ring()
	s.until("revoke", func() bool { return len(e.asked()) == 1 })
	s.settled()
	if got := e.asked(); len(got) != 1 || got[0] != 2 || s.window.Chunk(2).Free() {
		t.Fatalf("asked for %v, chunk is %#x", got, s.window.Chunk(2))
	}
	e.sink(supervisor.Event{Kind: supervisor.Revoked, Chunk: 2})
	s.until("free chunk", func() bool { return s.window.Chunk(2).Free() })
	if s.window.ChunkMemory(2)[7] != 0 {
		t.Error("the chunk kept its content")
	}
	// The same chunk again: it is asked for again.
	s.window.SetChunk(2, window.OwnedBy(0)|window.ChunkEntry(window.ChunkReturned))
	s.ring()
	s.until("second revoke", func() bool { return len(e.asked()) == 2 })
	// An executor that dies in between gives the chunk free by that.
	e.end(719, "died")
	s.until("free chunk after death", func() bool { return s.window.Chunk(2).Free() })
}

func TestRevocationsNobodyAskedForChangeNothing(t *testing.T) {
	s := newStage(t)
	e := s.running(0, 1)
	s.window.SetChunk(1, window.OwnedBy(0))
	for _, chunk := range []int{-1, 1, 1 << 30} {
		e.sink(supervisor.Event{Kind: supervisor.Revoked, Chunk: chunk})
	}
	s.settled()
	if s.window.Chunk(1) != window.OwnedBy(0) {
		t.Errorf("chunk 1 is %#x", s.window.Chunk(1))
	}
}

func TestRebootedGuest(t *testing.T) {
	s := newStage(t)
	first := s.running(0, 1)
	s.guest(0, window.GuestStart, 2) // never closed generation 1
	s.until("stop", func() bool { return first.stops() > 0 })
	first.end(719, "terminated")
	s.until("second launch", func() bool { return len(s.all()) == 2 })
	second := s.all()[1]
	if second.generation != 2 {
		t.Errorf("started generation %d", second.generation)
	}
	first.sink(supervisor.Event{Kind: supervisor.Ready}) // late, of the first
	s.settled()
	s.untilHost(0, window.HostStarting, 2)
	s.guest(0, window.GuestFree, 2)
	s.until("stop of the second", func() bool { return second.stops() > 0 })
	second.end(719, "terminated")
	s.untilHost(0, window.HostFree, 2)
}

func TestStopExecutorsFailsTheirChannels(t *testing.T) {
	s := newStage(t)
	e := s.running(0, 1)
	s.loop.StopExecutors()
	s.until("stop", func() bool { return e.stops() > 0 })
	e.end(719, "terminated")
	s.untilHost(0, window.HostFailed, 1)
}

func TestUsedMemoryAndSensorsFollow(t *testing.T) {
	s := newStage(t)
	if err := s.window.SetDescription(&window.Description{DeviceCount: 1}); err != nil {
		t.Fatal(err)
	}
	s.window.SetProcess(0, window.Process{PID: 4711})
	e := s.running(0, 1)
	if err := s.account.Reserve(0, 12345); err != nil {
		t.Fatal(err)
	}
	s.until("used memory", func() bool { d, err := s.window.Description(); return err == nil && d.UsedMemory == 12345 })
	if d, err := s.window.Description(); err != nil || d.Utilization != 11 || d.Temperature != 22 || d.PowerMilliwatts != 33 {
		t.Errorf("sensors are %+v, %v", d, err)
	}
	s.until("the process and its memory", func() bool { pid, used := s.window.User(0); return pid == 4711 && used == 12345 })
	if pid, _ := s.window.User(1); pid != 0 {
		t.Errorf("channel 1 has user %d", pid)
	}
	e.end(719, "died")
	s.until("no used memory", func() bool { d, err := s.window.Description(); return err == nil && d.UsedMemory == 0 })
	s.until("no sensors", func() bool {
		d, err := s.window.Description()
		return err == nil && d.Utilization == 0 && d.Temperature == 0
	})
	if pid, used := s.window.User(0); pid != 0 || used != 0 {
		t.Errorf("the dead process is shown: %d with %d bytes", pid, used)
	}
}

func TestRefusedCallsAreCounted(t *testing.T) {
	s := newStage(t)
	e := s.running(0, 1)
	for range 2 {
		e.sink(supervisor.Event{Kind: supervisor.Refused, Name: "cuTexObjectCreate", Count: 3})
	}
	s.until("count", func() bool { return s.loop.Refused()["cuTexObjectCreate"] == 6 })
}

func TestIdleLoopSleeps(t *testing.T) {
	s := newStage(t)
	s.settled()
	time.Sleep(50 * time.Millisecond)
	if wait := s.loop.scans.Wait(time.Now()); wait != 0 {
		t.Errorf("an idle loop waits for scans: %v", wait)
	}
	tokens := func() int {
		n := 0
		for ok := true; ok; n++ {
			ok, _ = s.loop.scans.Take(time.Now())
		}
		return n
	}
	tokens()
	time.Sleep(100 * time.Millisecond) // refills about 20; a loop that polls would take them
	if n := tokens(); n < 15 {
		t.Errorf("only %d tokens are left after 100 ms of idleness", n)
	}
}

func TestFloodOfDoorbellsIsPaced(t *testing.T) {
	s := newStage(t)
	s.settled()
	launchesBefore := len(s.all())
	scans := 0 // each frees the chunk once
	began := time.Now()
	s.window.SetGuest(0, window.GuestState(77), 1)
	for time.Since(began) < time.Second || scans < scanBurst/2 && time.Since(began) < time.Minute {
		if s.window.Chunk(0).Free() {
			scans++
			s.window.SetChunk(0, window.ChunkEntry(window.ChunkReturned))
		}
		s.ring()
	}
	took := time.Since(began)
	if limit := scanBurst + int(took.Seconds()*scanRate) + 50; scans < scanBurst/2 || scans > limit {
		t.Errorf("%d scans in %v, want at most %d", scans, took, limit)
	}
	if lines := len(s.hook.AllEntries()); lines > 20 {
		t.Errorf("%d log lines", lines)
	}
	if len(s.all()) != launchesBefore {
		t.Error("nonsense started an executor")
	}
	s.guest(0, window.GuestOpen, 1) // still served
	s.running(1, 1)
}

func TestStartsAreRateLimited(t *testing.T) {
	s := newStage(t)
	began := time.Now()
	for generation := uint32(1); time.Since(began) < 500*time.Millisecond; generation++ {
		for i := range testChannels {
			s.guest(i, window.GuestStart, generation)
		}
		for _, e := range s.all() {
			if e.stops() > 0 {
				e.end(719, "terminated")
			}
		}
		time.Sleep(time.Millisecond)
	}
	s.until("a start of each channel's executor", func() bool { return len(s.all()) >= testChannels })
	if n, took := len(s.all()), time.Since(began); n > launchBurst+int(took.Seconds()*launchRate)+5 {
		t.Errorf("%d executors were started in %v", n, took)
	}
}

// TestHostileTables writes random words over everything a guest can write and
// checks that the loop stays alive and within the domain.
func TestHostileTables(t *testing.T) {
	s := newStage(t)
	random := rand.New(rand.NewPCG(1, 2))
	stop := time.Now().Add(time.Second)
	for time.Now().Before(stop) {
		for range 20 {
			channel := random.IntN(testChannels)
			s.window.SetGuest(channel, window.GuestState(random.IntN(6)), random.Uint32N(4))
			s.window.SetChunk(random.IntN(int(s.window.Chunks)), window.ChunkEntry(random.Uint32()))
			s.window.SetHost(channel, window.HostState(random.Uint32()), random.Uint32())
			s.window.SetProcess(channel, window.Process{PID: random.Uint32(), Comm: "\x1b[2J\n"})
		}
		s.ring()
		for _, e := range s.all() {
			switch random.IntN(4) {
			case 0:
				e.sink(supervisor.Event{Kind: supervisor.Ready})
			case 1:
				e.sink(supervisor.Event{Kind: supervisor.Revoked, Chunk: random.IntN(100) - 10})
			case 2:
				if e.stops() > 0 {
					e.end(719, "terminated")
				}
			}
		}
	}
	if lines := len(s.hook.AllEntries()); lines > 20 {
		t.Errorf("%d log lines", lines)
	}
	for chunk := range int(s.window.Chunks) {
		s.window.SetChunk(chunk, 0)
	}
	for i := range testChannels {
		s.guest(i, window.GuestClosed, 100)
	}
	s.until("cleaning up", func() bool {
		for _, e := range s.all() {
			if e.stops() > 0 {
				e.end(719, "terminated")
			}
		}
		for i := range testChannels {
			if state, generation := s.window.Host(i); state != window.HostFree || generation != 100 {
				return false
			}
		}
		return true
	})
}

func TestCloseWithoutAnythingRunning(t *testing.T) {
	s := newStage(t)
	s.loop.Close()
	s.loop.Close()
	s.loop.StopExecutors()
	if s.loop.Status() != nil {
		t.Error("a closed loop has a status")
	}
}
