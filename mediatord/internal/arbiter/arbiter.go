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
	"os"
	"sync"
	"time"

	"github.com/sirupsen/logrus"

	"libvirt-vgpu/mediatord/internal/lease"
	"libvirt-vgpu/mediatord/internal/sched"
)

// lifetime is how long a lease lasts that is not renewed.
const lifetime = 250 * time.Millisecond

// Arbiter decides for one GPU.
type Arbiter struct {
	clock lease.Clock
	log   logrus.FieldLogger

	mu      sync.Mutex // guards the rest
	turn    time.Duration
	free    bool // nobody waits for anybody
	policy  *sched.Scheduler
	domains []*Domain // with executors
	loop    *loop     // nil: nobody has executors
	closed  bool
}

// New makes the arbiter of a GPU. Its thread runs while there are executors.
func New(options sched.Options, log logrus.FieldLogger) *Arbiter {
	return &Arbiter{clock: lease.NewClock(), turn: options.Turn, free: options.Unlimited, log: log, policy: sched.New(options)}
}

// SetOptions changes the terms from now on.
func (a *Arbiter) SetOptions(options sched.Options) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.turn, a.free = options.Turn, options.Unlimited
	a.policy.SetOptions(options)
	if len(a.domains) > 0 && !a.closed {
		a.decide()
	}
}

// Close ends the decisions. Leases expire, or stay unlimited.
func (a *Arbiter) Close() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.closed = true
	if a.loop != nil {
		a.loop.stop()
		a.loop = nil
	}
}

// attend starts the thread for the first domain with executors, and ends it after
// the last. It needs a.mu.
func (a *Arbiter) attend() {
	switch {
	case a.closed:
	case len(a.domains) > 0 && a.loop == nil:
		l, err := newLoop()
		if err != nil {
			a.log.WithError(err).Error("domains share this GPU without order")
			return
		}
		a.loop = l
		go func() {
			err := l.run(func() {
				a.mu.Lock()
				defer a.mu.Unlock()
				if a.loop == l {
					a.decide()
				}
			})
			if err != nil {
				a.log.WithError(err).Error("the scheduler has stopped; leases expire")
			}
		}()
	case len(a.domains) == 0 && a.loop != nil:
		a.loop.stop()
		a.loop = nil
	}
}

// decide looks at all executors and gives them their leases. It needs a.mu.
func (a *Arbiter) decide() {
	now := a.clock.Now()
	for _, d := range a.domains {
		d.hear()
	}
	active := a.collect(now)
	a.policy.Decide(now)
	several := len(a.domains) > 1 && !a.free
	next := a.policy.Next()
	for _, d := range a.domains {
		if d.give(now, several) {
			next = min(next, now+a.turn) // another of its executors may have the next turn
		}
	}
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
	if a.loop == nil {
		return
	}
	if err := a.loop.wakeAt(at); err != nil {
		a.log.WithError(err).Error("the scheduler has no timer")
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
	single    *executor     // who may submit while only one may
	leaving   *executor     // who might before, and may still have work on the GPU
	left      time.Duration // when that was
	observer  Observer      // nil: nobody listens
	watched   bool          // kernels that do not end are looked for
	heard     bool          // the thread listens to report
	woken     func()        // Rest's; nil: it has ended
}

type executor struct {
	*lease.Holder
	channel int
	state   lease.State
	used    time.Duration
	shown   shown
	halted  bool          // gets no lease any more
	slice   time.Duration // that it was given last
	work    runningWork
}

// Join makes a domain known. leases and report belong to the caller and must stay
// open until Leave.
func (a *Arbiter) Join(leases *lease.Table, report *os.File, settings sched.Settings) *Domain {
	return &Domain{arbiter: a, leases: leases, report: report, settings: settings}
}

// Leave ends a domain's part.
func (d *Domain) Leave() {
	a := d.arbiter
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, e := range d.executors {
		d.tellStretch(e, a.clock.Now())
	}
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
	e := &executor{Holder: d.leases.Holder(channel, a.clock.Now()), channel: channel}
	e.Watch(d.watched)
	e.Tell(false) // what an earlier mediatord wanted
	d.executors = append(d.executors, e)
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
			d.tellStretch(e, d.arbiter.clock.Now())
			d.executors = append(d.executors[:i:i], d.executors[i+1:]...)
			if d.leaving == e {
				d.leaving = nil
			}
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
		a.attend()
		if a.loop == nil {
			break
		}
		if err := a.loop.listen(int(d.report.Fd())); err != nil {
			a.log.WithError(err).Error("a domain is not heard by the scheduler")
			break
		}
		d.heard = true
	case len(d.executors) == 0 && d.policy != nil:
		a.policy.Remove(d.policy)
		d.policy, d.single, d.leaving = nil, nil, nil
		for i, o := range a.domains {
			if o == d {
				a.domains = append(a.domains[:i:i], a.domains[i+1:]...)
				break
			}
		}
		if a.loop != nil {
			a.loop.ignore(int(d.report.Fd()))
		}
		d.heard, d.woken = false, nil
		a.attend()
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
		d.ran(e, busy, now)
		s := &samples[i]
		*s = sched.Sample{Active: e.state.Active, Waiting: e.state.Waiting, Flying: e.state.Flying, Arrived: e.state.Arrived, Slice: e.slice}
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

// give writes the domain's lease into its executors' pages, and says whether several want what only one may have.
func (d *Domain) give(now time.Duration, several bool) (contended bool) {
	l := d.policy.Lease()
	active := 0
	for _, e := range d.executors {
		if e.state.Active {
			active++
		}
	}
	expected, slice := d.expected(), d.arbiter.policy.Slice(d.policy)
	if slice > 0 && l.Budget != lease.Unlimited {
		l.Single = true // with short slices several at once would lose too much to the changes between them
	}
	vacated := true
	if l.Single {
		if chosen := d.choose(); chosen != d.single {
			d.single, d.leaving, d.left = chosen, d.single, now
		}
		// What is still there of the last one would share the GPU with the next one's, slice by slice. If it takes longer
		// than a turn, it does.
		vacated = d.leaving == nil || !d.leaving.state.Flying || now >= d.left+d.arbiter.turn
	} else {
		d.leaving = nil
		l = l.Among(active)
	}
	for _, e := range d.executors {
		t := lease.Terms{Budget: l.Budget, ClearBy: l.ClearBy, Coarse: l.Coarse, Grace: l.Grace, Expiry: lease.Never, Slice: slice}
		if e == expected {
			t.Ready = l.Ready
		}
		switch {
		case e.halted:
			t.Budget = 0
		case l.Single && (e != d.single || !vacated):
			t.Budget, t.Expiry = 0, now+lifetime
		case t.Budget != lease.Unlimited:
			t.Expiry = now + lifetime
		case d.watched:
			t.Budget = lease.Measured
		}
		e.slice = t.Slice
		e.Set(t)
		e.Listen(several)
		within := time.Duration(0)
		if t.Budget > 0 && t.ClearBy != lease.Never {
			within = max(t.ClearBy-now, 1)
		}
		d.allowed(e, t.Budget > 0, within)
	}
	return l.Single && active > 1
}

// expected is the executor that comes next, as far as one can know: the one that came last.
func (d *Domain) expected() *executor {
	var last *executor
	for _, e := range d.executors {
		if last == nil || e.state.Arrived > last.state.Arrived {
			last = e
		}
	}
	return last
}

// choose picks the one executor that may submit: the one that has it already, as
// long as it wants it and is not a turn ahead of another; if nobody wants it, the one that came last.
func (d *Domain) choose() *executor {
	var least *executor
	for _, e := range d.executors {
		if e.state.Active && (least == nil || e.used < least.used) {
			least = e
		}
	}
	if least == nil {
		return d.expected()
	}
	if d.single != nil && d.single.state.Active && d.single.used < least.used+d.arbiter.turn {
		return d.single
	}
	return least
}
