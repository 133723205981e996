// Package arbiter gives the executors on one GPU their leases: it reads what they
// say, asks the policy of package sched, and writes what that decides.
//
// It has one thread, which sleeps while there is nothing to decide: executors
// wake it through an eventfd when they begin, wait or have finished, and only if
// several domains share the GPU. A lease that is not renewed expires, so a dead
// mediatord stops nobody for good.
//
// Lock order: Arbiter.mu is the only lock and is never held over a wait.
package arbiter

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"sync"
	"time"

	"github.com/sirupsen/logrus"
	"golang.org/x/sys/unix"

	"libvirt-vgpu/mediatord/internal/lease"
	"libvirt-vgpu/mediatord/internal/sched"
)

// lifetime is how long a lease lasts that is not renewed.
const lifetime = 250 * time.Millisecond

// Arbiter decides for one GPU.
type Arbiter struct {
	clock   lease.Clock
	turn    time.Duration
	log     logrus.FieldLogger
	epoll   int
	timer   int // timerfd
	quit    int // eventfd
	stopped chan struct{}

	mu      sync.Mutex // guards the rest
	policy  *sched.Scheduler
	domains []*Domain // with executors, in the order of the policy's
	closed  bool
}

// New starts the arbiter of a GPU.
func New(options sched.Options, log logrus.FieldLogger) (*Arbiter, error) {
	a := &Arbiter{
		clock: lease.NewClock(), turn: options.Turn, log: log, policy: sched.New(options),
		stopped: make(chan struct{}), epoll: -1, timer: -1, quit: -1,
	}
	var err error
	if a.epoll, err = unix.EpollCreate1(unix.EPOLL_CLOEXEC); err == nil {
		a.timer, err = unix.TimerfdCreate(unix.CLOCK_MONOTONIC, unix.TFD_CLOEXEC|unix.TFD_NONBLOCK)
	}
	if err == nil {
		a.quit, err = unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
	}
	for _, fd := range []int{a.timer, a.quit} {
		if err == nil {
			err = a.listen(fd)
		}
	}
	if err != nil {
		a.closeFiles()
		return nil, fmt.Errorf("starting scheduler: %w", err)
	}
	go a.run()
	return a, nil
}

// Close ends the decisions. Leases expire, or stay unlimited.
func (a *Arbiter) Close() {
	a.mu.Lock()
	closed := a.closed
	a.closed = true
	a.mu.Unlock()
	if closed {
		return
	}
	_, _ = unix.Write(a.quit, []byte{1, 0, 0, 0, 0, 0, 0, 0})
	<-a.stopped
	a.closeFiles()
}

func (a *Arbiter) closeFiles() {
	for _, fd := range []int{a.epoll, a.timer, a.quit} {
		if fd >= 0 {
			_ = unix.Close(fd)
		}
	}
}

func (a *Arbiter) listen(fd int) error {
	return unix.EpollCtl(a.epoll, unix.EPOLL_CTL_ADD, fd, &unix.EpollEvent{Events: unix.EPOLLIN, Fd: int32(fd)})
}

// run sleeps in the kernel, on a thread of its own, so that no other goroutine
// stands between a doorbell and the decision.
func (a *Arbiter) run() {
	runtime.LockOSThread()
	defer close(a.stopped)
	events := make([]unix.EpollEvent, 64)
	for {
		n, err := unix.EpollWait(a.epoll, events, -1)
		if err != nil && !errors.Is(err, unix.EINTR) {
			a.log.WithError(err).Error("the scheduler has stopped; leases expire")
			return
		}
		for _, e := range events[:max(n, 0)] {
			if int(e.Fd) == a.quit {
				return
			}
			var count [8]byte
			_, _ = unix.Read(int(e.Fd), count[:])
		}
		a.mu.Lock()
		if !a.closed {
			a.decide()
		}
		a.mu.Unlock()
	}
}

// decide looks at all executors and gives them their leases. It needs a.mu.
func (a *Arbiter) decide() {
	now := a.clock.Now()
	active := a.collect(now)
	a.policy.Decide(now)
	several := len(a.domains) > 1
	for _, d := range a.domains {
		d.give(now, several)
	}
	next := a.policy.Next()
	if several && active {
		next = min(next, now+lifetime/3) // leases must not expire
	}
	a.wakeAt(next)
}

// collect takes what the executors say to the policy, and says whether any of
// them is active. It needs a.mu.
func (a *Arbiter) collect(now time.Duration) (active bool) {
	samples := make([][]sched.Sample, len(a.domains))
	for i, d := range a.domains {
		samples[i] = d.sample(now)
	}
	reports, parts := sched.Merge(samples)
	for i, d := range a.domains {
		a.policy.Report(now, d.policy, reports[i])
		d.charge(parts[i])
		active = active || reports[i].Active
	}
	return active
}

// wakeAt makes run decide again at a time.
func (a *Arbiter) wakeAt(at time.Duration) {
	var spec unix.ItimerSpec
	if at != sched.Never {
		spec.Value = unix.NsecToTimespec(int64(max(at, 1)))
	}
	if err := unix.TimerfdSettime(a.timer, unix.TFD_TIMER_ABSTIME, &spec, nil); err != nil {
		a.log.WithError(err).Error("setting the scheduler's timer failed")
	}
}

// Domain is one domain's part in the GPU. Its executors come and go.
type Domain struct {
	arbiter   *Arbiter
	leases    *lease.Table
	report    *os.File // eventfd
	settings  sched.Settings
	policy    *sched.Domain // nil: it has no executors
	executors []*executor
	single    *executor // who may submit while only one may
}

type executor struct {
	*lease.Holder
	channel int
	state   lease.State
	used    time.Duration
}

// Join makes a domain known. leases and report belong to the caller and must stay
// open until Leave.
func (a *Arbiter) Join(leases *lease.Table, report *os.File, settings sched.Settings) (*Domain, error) {
	d := &Domain{arbiter: a, leases: leases, report: report, settings: settings}
	if err := a.listen(int(report.Fd())); err != nil {
		return nil, fmt.Errorf("joining the scheduler: %w", err)
	}
	return d, nil
}

// Leave ends a domain's part.
func (d *Domain) Leave() {
	a := d.arbiter
	a.mu.Lock()
	defer a.mu.Unlock()
	_ = unix.EpollCtl(a.epoll, unix.EPOLL_CTL_DEL, int(d.report.Fd()), nil) // fails after Close
	d.executors = nil
	d.settle()
}

// Set changes a domain's terms from now on.
func (d *Domain) Set(settings sched.Settings) {
	a := d.arbiter
	a.mu.Lock()
	defer a.mu.Unlock()
	d.settings = settings
	if d.policy != nil {
		a.policy.Set(d.policy, settings)
		d.settle()
	}
}

// Start begins to watch the executor of a channel, before that runs; a resumed
// one, which ran under an earlier mediatord, keeps its page.
func (d *Domain) Start(channel int, resumed bool) {
	a := d.arbiter
	a.mu.Lock()
	defer a.mu.Unlock()
	d.remove(channel)
	if !resumed {
		d.leases.Clear(channel)
	}
	d.executors = append(d.executors, &executor{Holder: d.leases.Holder(channel, a.clock.Now()), channel: channel})
	d.settle()
}

// Stop forgets the executor of a channel: it is gone.
func (d *Domain) Stop(channel int) {
	a := d.arbiter
	a.mu.Lock()
	defer a.mu.Unlock()
	if d.policy != nil && !a.closed {
		a.collect(a.clock.Now()) // the last of its work counts
	}
	d.remove(channel)
	d.settle()
}

// Used is the GPU time charged to the executor of a channel up to now.
func (d *Domain) Used(channel int) time.Duration {
	a := d.arbiter
	a.mu.Lock()
	defer a.mu.Unlock()
	if d.policy != nil && !a.closed {
		a.collect(a.clock.Now())
	}
	return d.leases.Charged(channel)
}

func (d *Domain) remove(channel int) {
	for i, e := range d.executors {
		if e.channel == channel {
			d.executors = append(d.executors[:i:i], d.executors[i+1:]...)
			if d.single == e {
				d.single = nil
			}
			return
		}
	}
}

// settle brings the policy up to date and decides. It needs the arbiter's lock.
func (d *Domain) settle() {
	a := d.arbiter
	switch {
	case len(d.executors) > 0 && d.policy == nil:
		d.policy = a.policy.Add(d.settings)
		a.domains = append(a.domains, d)
	case len(d.executors) == 0 && d.policy != nil:
		a.policy.Remove(d.policy)
		d.policy, d.single = nil, nil
		for i, o := range a.domains {
			if o == d {
				a.domains = append(a.domains[:i:i], a.domains[i+1:]...)
				break
			}
		}
	}
	if !a.closed {
		a.decide()
	}
}

func (d *Domain) sample(now time.Duration) []sched.Sample {
	samples := make([]sched.Sample, len(d.executors))
	for i, e := range d.executors {
		e.state = e.State(now)
		busy := e.Busy(now)
		s := &samples[i]
		*s = sched.Sample{Active: e.state.Active, Waiting: e.state.Waiting, Flying: e.state.Flying, Arrived: e.state.Arrived}
		for _, span := range busy {
			s.Busy = append(s.Busy, sched.Span(span))
		}
	}
	return samples
}

func (d *Domain) charge(parts []time.Duration) {
	for i, e := range d.executors {
		e.used += parts[i]
		if parts[i] > 0 {
			e.Charge(parts[i])
		}
	}
}

// give writes the domain's lease into its executors' pages.
func (d *Domain) give(now time.Duration, several bool) {
	l := d.policy.Lease()
	active := 0
	for _, e := range d.executors {
		if e.state.Active {
			active++
		}
	}
	if l.Single {
		d.single = d.choose()
	} else {
		l = l.Among(active)
	}
	for _, e := range d.executors {
		t := lease.Terms{Budget: l.Budget, ClearBy: l.ClearBy, Expiry: lease.Never}
		if l.Single && e != d.single {
			t.Budget = 0
		}
		if t.Budget != lease.Unlimited {
			t.Expiry = now + lifetime
		}
		e.Set(t)
		e.Listen(several)
	}
}

// choose picks the one executor that may submit: the one that has it already, as
// long as it wants it and is not a turn ahead of another.
func (d *Domain) choose() *executor {
	var least *executor
	for _, e := range d.executors {
		if e.state.Active && (least == nil || e.used < least.used) {
			least = e
		}
	}
	if d.single != nil && d.single.state.Active && d.single.used < least.used+d.arbiter.turn {
		return d.single
	}
	return least
}
