package process

import (
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"libvirt-vgpu/mediatord/executor/channel"
	"libvirt-vgpu/mediatord/executor/cuda/cudatest"
	"libvirt-vgpu/mediatord/executor/driver"
	"libvirt-vgpu/mediatord/executor/guesttest"
	leased "libvirt-vgpu/mediatord/executor/lease"
	"libvirt-vgpu/mediatord/internal/lease"
	"libvirt-vgpu/plugin/window"
)

// budgetPlace is where a lease's budget lies behind its sequence; internal/lease/layout.go.
const budgetPlace = 8

// simulated is a process under a lease on a GPU whose time passes only when the
// driver is called and when a test says so.
type simulated struct {
	*harness
	*Process
	log    string
	time   *cudatest.Simulation
	holder *lease.Holder
	page   *lease.Page
	pauses int           // in a row
	run    *driver.Burst // the last
	woken  *atomic.Uint32
	// runs are launches that bursts took under a limited lease.
	runs int
	// waits makes reading the time take some: who waits reads it in a loop.
	waits bool
}

func simulate(t *testing.T, library string) *simulated {
	t.Helper()
	memory, err := unix.Mmap(-1, 0, 4096, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Munmap(memory) })
	s := &simulated{time: (*cudatest.Simulation)(unsafe.Pointer(&memory[0]))}
	s.time.Now.Store(uint64(time.Second))
	t.Setenv(cudatest.ClockVariable, fmt.Sprint(uintptr(unsafe.Pointer(s.time))))
	s.page, s.holder = leaseOf(t, unlimitedTerms())
	sequence, _ := s.page.Changes()
	s.time.Sequence = uint64(uintptr(unsafe.Pointer(sequence)))
	s.time.Budget = s.time.Sequence + budgetPlace
	s.harness, s.log = onEmptyDriver(t, library, s.page)
	s.Process = s.process
	s.Process.Clock = lease.ClockAt(&s.time.Now)
	s.turn.meter = leased.New(s.page, s.Process, s.now)
	if s.consumer, err = channel.NewConsumer(s.Channel, s, int(s.Doorbell.Fd())); err != nil {
		t.Fatal(err)
	}
	return s
}

func (s *simulated) now() time.Duration {
	if s.waits {
		s.time.Now.Add(1000)
	}
	return time.Duration(s.time.Now.Load())
}

// pass lets time pass.
func (s *simulated) pass(d time.Duration) {
	s.time.Now.Add(uint64(d))
	s.Process.Driver.StreamQuery(0)
}

// Pause waits as the process does, in simulated time; somebody has mercy in the end.
func (s *simulated) Pause() {
	s.waits = true
	s.Process.Pause()
	s.waits = false
	s.pass(50 * time.Microsecond)
	if s.pauses++; s.pauses%8 == 0 {
		s.holder.Set(lease.Terms{Budget: time.Millisecond + time.Duration(s.pauses), ClearBy: lease.Never, Expiry: lease.Never})
	}
}

func (s *simulated) Burst(b *driver.Burst, woken *atomic.Uint32, spin time.Duration) {
	s.run, s.woken = b, woken
	limited := !s.turn.meter.Free()
	s.Process.Burst(b, woken, spin)
	if limited {
		s.runs += int(b.Launches)
	}
}

// consume consumes all that is there.
func (s *simulated) consume() error {
	for consumed := true; consumed; {
		var err error
		if consumed, err = s.consumer.Step(); err != nil {
			return err
		}
	}
	if s.Head() != s.Guest.Tail() {
		return fmt.Errorf("HEAD is %d after everything was consumed, TAIL %d", s.Head(), s.Guest.Tail())
	}
	return nil
}

// anyTerms are those of somebody who shares the GPU.
func (s *simulated) anyTerms(random *rand.Rand) lease.Terms {
	us, now := time.Microsecond, s.now()
	budgets := []time.Duration{100 * us, 300 * us, 1000 * us, 10_000 * us, lease.Measured, lease.Unlimited}
	terms := lease.Terms{Budget: budgets[random.IntN(len(budgets))], ClearBy: lease.Never, Expiry: lease.Never}
	switch random.IntN(8) {
	case 0:
		terms.Budget = 0
	case 1, 2:
		terms.ClearBy = now + time.Duration(random.IntN(1000))*us
		terms.Coarse, terms.Grace = 10*us, time.Duration(random.IntN(100))*us
	case 3:
		terms.Expiry = now + time.Duration(random.IntN(30))*us
	}
	return terms
}

// launchOf is a launch that is right.
func (s *simulated) launchOf(random *rand.Rand, stream int) []byte {
	name := []string{"launch", "launch_kernel"}[random.IntN(2)]
	return s.Record(window.NoReply, name, 1+random.IntN(2), 1+random.IntN(5), 1, 1, 32, 1, 1, 0, stream, []byte{})
}

// traffic is what a program posts while mediatord changes its mind.
func (s *simulated) traffic(random *rand.Rand) error {
	streams := [][]int{{1}, {1, 2}, {0, 1}, {0, 1, 2}}[random.IntN(4)]
	s.holder.Watch(random.IntN(2) == 0)
	for range 25 {
		if random.IntN(2) == 0 {
			s.holder.Set(s.anyTerms(random))
		}
		s.time.WithdrawAt = 0
		if random.IntN(4) == 0 {
			s.time.WithdrawAt = s.time.Launches.Load() + 1 + uint64(random.IntN(60))
		}
		for range 1 + random.IntN(300) {
			switch kind := random.IntN(40); {
			case kind < 2:
				s.Push(anyRecord(s.harness, random))
			case kind < 4:
				s.Push(s.Record(window.NoReply, "fence", 1, 1+random.IntN(9), random.Uint32()))
			default:
				s.Push(s.launchOf(random, streams[random.IntN(len(streams))]))
			}
		}
		if err := s.consume(); err != nil {
			return err
		}
		for range random.IntN(12) {
			s.pass(time.Duration(random.IntN(30_000)))
			s.Process.Quiet()
		}
		if random.IntN(10) == 0 {
			s.pass(5 * time.Millisecond)
		}
	}
	return nil
}

// told is all that the executor has told mediatord, and what became of the records.
func (s *simulated) told(t *testing.T, failure error) string {
	t.Helper()
	return fmt.Sprintf("%sat %v: %+v, charged %v\npage\n%s", outcome(s.harness, s.log, failure), s.now(), s.holder.State(s.now()),
		s.holder.Busy(s.now()), hex.Dump(s.pageBytes(t)))
}

func (s *simulated) pageBytes(t *testing.T) []byte {
	t.Helper()
	start, _ := s.page.Changes()
	return unsafe.Slice((*byte)(unsafe.Pointer(start)), 4096)
}

// Under a limited lease a burst does what happens when every launch is asked for by
// itself: at the same instants the same launches and marks, the same charge, the
// same stops at a budget, before an instant by which the GPU must be clear, and at
// the first launch after the lease was withdrawn.
func TestAMeteredBurstDoesWhatRecordsDoOneByOne(t *testing.T) {
	library := cudatest.BuildEmptyDriver(t)
	for seed := range uint64(6) {
		var told [2]string
		launches, runs := uint64(0), 0
		for i, bursts := range []bool{false, true} {
			s := simulate(t, library)
			stop := make(chan struct{})
			go func() { // sleep is not simulated
				for {
					select {
					case <-stop:
						return
					default:
						s.page.Nudge()
						runtime.Gosched()
					}
				}
			}()
			if !bursts {
				s.burster = nil
			}
			told[i] = s.told(t, s.traffic(rand.New(rand.NewPCG(seed, 1))))
			close(stop)
			launches, runs = s.time.Launches.Load(), s.runs
		}
		compare(t, seed, told[0], told[1])
		if uint64(runs) < launches/4 {
			t.Errorf("seed %d: bursts took %d of %d launches under limited leases", seed, runs, launches)
		}
	}
}

// While the ring is empty a burst looks at it as long as the meter has nothing to do.
func TestAMeteredBurstWaitsNoLongerThanTheMeter(t *testing.T) {
	const short, long = 1, 1000 // 7 us and 7 ms
	library := cudatest.BuildEmptyDriver(t)
	for name, of := range map[string]struct {
		width  int
		calm   bool // for so long that others may have the turn
		works  bool // the GPU gets on
		lasts  time.Duration
		flying bool // afterwards
	}{
		"open work is to be marked":  {width: short, lasts: 4 * time.Microsecond, flying: true},
		"others may have the turn":   {width: long, lasts: 50 * time.Microsecond, flying: true},
		"a mark is reached":          {width: long, calm: true, works: true, lasts: 7 * time.Millisecond},
		"what is on the GPU is late": {width: long, calm: true, lasts: 21 * time.Millisecond, flying: true},
	} {
		t.Run(name, func(t *testing.T) {
			s := simulate(t, library)
			s.holder.Set(limitedTerms())
			for range 2 { // what never ran is marked at once
				s.Push(s.Record(window.NoReply, "launch", 1, of.width, 1, 1, 32, 1, 1, 0, 1, []byte{}))
				s.Push(s.Record(window.NoReply, "fence", 1, 1, 1))
				if err := s.consume(); err != nil {
					t.Fatal(err)
				}
				if s.turn.meter.Lends() {
					break
				}
				s.pass(10 * time.Millisecond)
				s.Process.Quiet()
			}
			if of.calm {
				for range 3 {
					s.pass(60 * time.Microsecond)
					s.Process.Quiet()
				}
			}
			if !s.turn.meter.Lends() {
				t.Fatal("the lease cannot be lent")
			}
			begin, really := s.now(), time.Now()
			stop, stopped := make(chan struct{}), make(chan struct{})
			go func() {
				defer close(stopped)
				for {
					select {
					case <-stop:
						return
					default:
						s.time.Now.Add(100)
						if of.works {
							s.Process.Driver.StreamQuery(0)
						}
					}
				}
			}()
			s.Process.Burst(s.run, s.woken, guesttest.Timeout)
			lasted := s.now() - begin
			close(stop)
			<-stopped
			if time.Since(really) >= guesttest.Timeout {
				t.Error("it looked at the ring to the end")
			}
			if of.calm { // since the launch
				lasted += 200 * time.Microsecond
			}
			s.Process.Quiet()
			if state := s.holder.State(s.now()); lasted < of.lasts || state.Flying != of.flying {
				t.Errorf("it looked for %v, not %v; then %+v", lasted, of.lasts, state)
			}
		})
	}
}

func compare(t *testing.T, seed uint64, one, other string) {
	t.Helper()
	each, burst := strings.Split(one, "\n"), strings.Split(other, "\n")
	if len(each) != len(burst) {
		t.Errorf("seed %d: %d lines one by one, %d in bursts", seed, len(each), len(burst))
	}
	for i := range min(len(each), len(burst)) {
		if each[i] != burst[i] {
			for k := max(0, i-6); k < i+4; k++ {
				t.Logf("%.60s   |||  %.60s", each[k], burst[k])
			}
			t.Errorf("seed %d, line %d:\none by one: %.500s\n in bursts: %.500s", seed, i, each[i], burst[i])
			break
		}
	}
}
