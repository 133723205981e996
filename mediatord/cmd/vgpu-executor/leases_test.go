package main

import (
	"encoding/binary"
	"os"
	"testing"
	"time"

	"github.com/sirupsen/logrus"
	"golang.org/x/sys/unix"

	"libvirt-vgpu/mediatord/executor/guesttest"
	"libvirt-vgpu/mediatord/internal/arbiter"
	"libvirt-vgpu/mediatord/internal/lease"
	"libvirt-vgpu/mediatord/internal/sched"
)

// A kernel that lasts, whatever else the processor does, and then counts.
const lasting = `.version 7.0
.target sm_70
.address_size 64
.visible .entry last(.param .u64 duration)
{
	.reg .pred %p<2>;
	.reg .b32 %r<3>;
	.reg .b64 %rd<6>;
	ld.param.u64 %rd1, [duration];
	mov.u64 %rd2, %globaltimer;
LOOP:
	mov.u64 %rd3, %globaltimer;
	sub.s64 %rd4, %rd3, %rd2;
	setp.lt.u64 %p1, %rd4, %rd1;
	@%p1 bra LOOP;
	mov.u64 %rd5, counter;
	ld.global.u32 %r1, [%rd5];
	add.u32 %r2, %r1, 1;
	st.global.u32 [%rd5], %r2;
	ret;
}
.visible .global .align 4 .u32 counter;
`

// tenant is a guest process under a lease of a domain of its own.
type tenant struct {
	*guesttest.Guest
	leases  *lease.Table
	report  *os.File
	domain  *arbiter.Domain
	holder  *lease.Holder
	terms   sched.Settings
	fence   uint32
	counter uint64

	executor *guesttest.Executor
}

func newTenant(t *testing.T, a *arbiter.Arbiter, class sched.Class, weight int) *tenant {
	t.Helper()
	leases, err := lease.Create("test")
	if err != nil {
		t.Fatal(err)
	}
	fd, err := unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
	if err != nil {
		t.Fatal(err)
	}
	x := &tenant{
		Guest: guesttest.New(t, 32*mib, quota), leases: leases, report: os.NewFile(uintptr(fd), "report"),
		terms: sched.Settings{Pool: "gold", PoolWeight: 100, Weight: weight, Class: class},
	}
	x.Lease = []*os.File{leases.File(), x.report}
	x.domain = a.Join(leases, x.report, x.terms)
	x.domain.Start(guesttest.Channel, false)
	t.Cleanup(func() {
		x.domain.Leave()
		_, _ = leases.Close(), x.report.Close()
	})
	x.executor = x.Start(executorBinary, "--backend", testBackend(), "--lease")
	x.executor.Expect("ready")
	x.Must("primary_retain", 0)
	x.Context = 1
	upload(x.Guest, 1, lasting)
	x.Must("module_load", 1, 1, 0, "")
	x.Must("module_function", 1, 1, "last")
	x.counter = binary.LittleEndian.Uint64(x.Must("module_global", 1, "counter"))
	x.Post("stream_create", 1, 1, 0)
	return x
}

// post launches kernels of a duration and then a fence; what it returns says
// whether the GPU has got there.
func (x *tenant) post(count int, duration time.Duration) (done func() bool) {
	x.T.Helper()
	for range count {
		x.Post("launch", 1, 1, 1, 1, 1, 1, 1, 0, 1, binary.LittleEndian.AppendUint64(nil, uint64(duration)))
	}
	x.fence++
	value := x.fence
	x.Post("fence", 1, 1, value)
	return func() bool { return int32(x.FenceWord(1)-value) >= 0 }
}

func (x *tenant) used() time.Duration { return x.domain.Used(guesttest.Channel) }

// state is what the executor says.
func (x *tenant) state() lease.State {
	now := lease.NewClock().Now()
	if x.holder == nil {
		x.holder = x.leases.Holder(guesttest.Channel, now)
	}
	return x.holder.State(now)
}

func (x *tenant) await(what string, done func() bool) {
	x.T.Helper()
	if !x.WaitFor(done) {
		x.T.Fatalf("%s: it does not come; the executor says %+v", what, x.state())
	}
}

func newArbiter(t *testing.T) *arbiter.Arbiter {
	t.Helper()
	a := arbiter.New(sched.Defaults(), logrus.New())
	t.Cleanup(a.Close)
	return a
}

func TestAloneUnderALease(t *testing.T) {
	x := newTenant(t, newArbiter(t), sched.Normal, 100)
	done := x.post(20, time.Millisecond)
	x.await("end of the work", done)
	x.await("end of the accounting", func() bool { return !x.state().Active })
	if used := x.used(); used < 20*time.Millisecond {
		t.Errorf("20 ms of work are charged as %v", used)
	}
}

func TestSharesOnTheSoftwareGPU(t *testing.T) {
	a := newArbiter(t)
	heavy, light := newTenant(t, a, sched.Normal, 300), newTenant(t, a, sched.Normal, 100)
	heavy.post(2000, time.Millisecond)
	light.post(2000, time.Millisecond)
	heavy.await("both at work", func() bool { return heavy.used() > 20*time.Millisecond && light.used() > 20*time.Millisecond })
	beforeHeavy, beforeLight, began := heavy.used(), light.used(), time.Now()
	// Neither is ever more than a turn ahead, so on a slow machine the share comes closer with time; both have work for all of it.
	for {
		time.Sleep(200 * time.Millisecond)
		h, l := heavy.used()-beforeHeavy, light.used()-beforeLight
		share, took := float64(h)/float64(h+l), time.Since(began)
		if took > 1200*time.Millisecond && share > .70 && share < .80 {
			return
		}
		if took > 2200*time.Millisecond {
			t.Fatalf("%v and %v: the share is %.3f, should be 0.75", h, l, share)
		}
	}
}

func TestHighGoesFirstOnTheSoftwareGPU(t *testing.T) {
	a := newArbiter(t)
	low, high := newTenant(t, a, sched.Low, 100), newTenant(t, a, sched.High, 100)
	rest := low.post(300, time.Millisecond)
	low.await("work of the low one", func() bool { return low.used() > 10*time.Millisecond })
	done := high.post(300, time.Millisecond)
	low.await("stop of the low one", func() bool { s := low.state(); return s.Waiting && !s.Flying })
	var beside time.Duration
	before := low.used()
	high.await("end of the high one", func() bool {
		if done() {
			return true
		}
		beside = low.used() - before
		return false
	})
	if high := high.used(); beside > high/2 { // an equal would have had as much
		t.Errorf("beside %v of a high one, a low one had %v", high, beside)
	}
	low.await("end of the low one", rest)
}

// Without mediatord the leases run out, and everybody gets through.
func TestDeadMediatorOnTheSoftwareGPU(t *testing.T) {
	a := newArbiter(t)
	low, high := newTenant(t, a, sched.Low, 100), newTenant(t, a, sched.High, 100)
	highDone := high.post(400, time.Millisecond)
	lowDone := low.post(50, time.Millisecond)
	low.await("waiting for the high one", func() bool { return low.state().Waiting })
	a.Close()
	low.await("end of the low one", lowDone)
	high.await("end of the high one", highDone)
}

// What waits on the ring runs in order and completely, over several streams, with
// an event between them, while the lease comes and goes.
func TestOrderUnderALease(t *testing.T) {
	a := newArbiter(t)
	x, other := newTenant(t, a, sched.Normal, 100), newTenant(t, a, sched.Normal, 100)
	x.Post("stream_create", 2, 1, 0)
	x.Post("event_create", 1, 2)
	otherDone := other.post(200, time.Millisecond)
	const rounds = 100
	for range rounds {
		x.Post("launch", 1, 1, 1, 1, 1, 1, 1, 0, 1, binary.LittleEndian.AppendUint64(nil, 200_000))
		x.Post("event_record", 1, 1, 0, 0, 0)
		x.Post("stream_wait_event", 2, 1, 0)
		x.Post("launch", 1, 1, 1, 1, 1, 1, 1, 0, 2, binary.LittleEndian.AppendUint64(nil, 200_000))
		x.Post("event_record", 1, 2, 0, 0, 0)
		x.Post("stream_wait_event", 1, 1, 0)
	}
	done := x.post(0, 0)
	x.await("end of the work", done)
	other.await("end of the other's work", otherDone)
	x.Own(0, 1)
	x.Must("map_pinned", hostVA, 0, 1, 0)
	x.Post("copy_dtoh", hostVA, x.counter, 4, 1)
	x.await("copy", x.post(0, 0))
	if got := binary.LittleEndian.Uint32(x.Window.ChunkMemory(0)); got != 2*rounds {
		t.Errorf("%d kernels ran, %d were launched", got, 2*rounds)
	}
}
