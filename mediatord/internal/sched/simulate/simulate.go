// Package simulate runs the scheduler's policy on a GPU, executors and programs
// made of numbers, as fast as the computer can. The same seed gives the same run.
package simulate

import (
	"container/heap"
	"math/rand/v2"
	"time"

	"libvirt-vgpu/mediatord/internal/lease"
	"libvirt-vgpu/mediatord/internal/sched"
)

// Hardware is how long things take that are not work.
type Hardware struct {
	Slice    time.Duration // a context's turn while others have work too
	Switch   time.Duration // between contexts
	Marker   time.Duration // from the end of work to its executor's knowledge
	Linger   time.Duration // that an executor stays active without work
	Doorbell time.Duration // from an executor's doorbell to new leases
	Wake     time.Duration // from a new lease to work of an executor that waited for it
	Timer    time.Duration // lateness of timers, at most
	// An executor whose ring has been empty for Doze sleeps; to wake it takes Rouse.
	Doze, Rouse time.Duration
	// Hiccup is the part of all wake-ups that are late by up to Stall more: the host had something else to do.
	Hiccup float64
	Stall  time.Duration
	// Stalls is the part of all steps' beginnings, and of all work that finds its executor without any, that are
	// late by 1 to 4 ms: another virtual machine has the processor.
	Stalls float64
}

// H200 is what was measured on one or follows from it. Steps beside a hog that only
// the hardware's slices hold back (tests/device, sharing=beside,slices) end 3.39 ms
// after the step before them, if they come sooner than that and take 1.045 ms
// alone, whatever the length of the hog's kernels: a slice of 2 ms, counted from the
// beginning of the context's turn, and two switches. The first step after the hog
// takes 0.16 ms longer than the others: one switch.
func H200() Hardware {
	return Hardware{
		Slice: 2 * time.Millisecond, Switch: 165 * time.Microsecond, Marker: 5 * time.Microsecond, Linger: 50 * time.Microsecond,
		Doorbell: 30 * time.Microsecond, Wake: 30 * time.Microsecond, Timer: 60 * time.Microsecond,
		Doze: 2 * time.Millisecond, Rouse: 40 * time.Microsecond, Hiccup: .005, Stall: time.Millisecond,
	}
}

// Lifetime of a lease that mediatord does not renew.
const Lifetime = 200 * time.Millisecond

// Simulation is one GPU with its tenants.
type Simulation struct {
	Hardware Hardware
	Tenants  []*Tenant
	// Errors is how wrong predictions of durations are: 0.2 is by up to 20 %.
	Errors float64
	// Dies is when mediatord dies; Never by default.
	Dies sched.Time

	now       sched.Time
	random    *rand.Rand
	events    queue
	number    int
	gpu       gpu
	policy    *sched.Scheduler
	turn      time.Duration
	deciding  bool
	decisions int
	planned   sched.Time
	wanting   time.Duration // time in which work could have run and the GPU stood still
	checked   sched.Time
}

// Tenant is a domain.
type Tenant struct {
	Settings sched.Settings
	Program  Program
	// Processes that run the program; each is an executor.
	Processes int
	// Start is when they begin, End when they stop; 0: not at all.
	Start, End sched.Time

	// Latencies of the program's steps.
	Latencies []time.Duration
	// Charged is the GPU time that mediatord thinks it has used.
	Charged time.Duration
	// Done is the time of all work that was finished.
	Done time.Duration
	// Gap is the longest time in which it had work and nothing was finished.
	Gap time.Duration

	domain    *sched.Domain
	executors []*executor
	single    *executor  // who may submit while only one may
	leaving   *executor  // who might before
	left      sched.Time // when that was
	posted    int        // work that is not finished
	progress  sched.Time // when something was last finished, or posted after a pause
}

// Waited is how long the tenant has had work and nothing was finished, until now.
func (t *Tenant) Waited(now sched.Time) time.Duration {
	if t.posted == 0 {
		return 0
	}
	return now - t.progress
}

// choose picks the one executor that may submit, as the arbiter does.
func (t *Tenant) choose(now sched.Time, turn time.Duration) {
	var least *executor
	for _, e := range t.executors {
		if e.active && (least == nil || e.context.onGPU < least.context.onGPU) {
			least = e
		}
	}
	if least == nil && t.single == nil {
		least = t.executors[0]
	}
	if least != nil && (t.single == nil || !t.single.active || t.single.context.onGPU >= least.context.onGPU+turn) {
		t.single, t.leaving, t.left = least, t.single, now
	}
}

// GPUTime is what the tenant's work has had of the GPU.
func (t *Tenant) GPUTime() time.Duration {
	var sum time.Duration
	for _, e := range t.executors {
		sum += e.context.onGPU
	}
	return sum
}

// Program is what a guest process does: Run is called at its start and posts work
// with p.Step.
type Program interface {
	Run(now sched.Time, p *Process)
}

// New makes a simulation.
func New(options sched.Options, hardware Hardware, seed uint64, tenants ...*Tenant) *Simulation {
	s := &Simulation{
		Hardware: hardware, Tenants: tenants, Dies: sched.Never, planned: sched.Never,
		random: rand.New(rand.NewPCG(seed, seed^0x9e3779b97f4a7c15)), policy: sched.New(options), turn: options.Turn,
	}
	s.gpu.hardware = hardware
	s.gpu.until = sched.Never
	for _, t := range tenants {
		t.domain = s.policy.Add(t.Settings)
		for range max(t.Processes, 1) {
			e := &executor{sim: s, tenant: t, terms: lease.Terms{Expiry: sched.Never, ClearBy: sched.Never}}
			t.executors = append(t.executors, e)
			s.at(t.Start, func(now sched.Time) { t.Program.Run(now, &Process{executor: e}) })
		}
	}
	s.ringDoorbell(0)
	return s
}

// Unscheduled is New without mediatord: only the hardware shares.
func Unscheduled(hardware Hardware, seed uint64, tenants ...*Tenant) *Simulation {
	s := New(sched.Defaults(), hardware, seed, tenants...)
	s.Dies = 0
	for _, t := range tenants {
		for _, e := range t.executors {
			e.terms.Budget = lease.Unlimited
		}
	}
	return s
}

// Random is the simulation's source of chance.
func (s *Simulation) Random() *rand.Rand { return s.random }

// Decisions counts how often the policy was asked.
func (s *Simulation) Decisions() int { return s.decisions }

// Unused is the time in which the GPU stood still while a tenant had work.
func (s *Simulation) Unused() time.Duration { return s.wanting }

// Busy is the time in which the GPU worked.
func (s *Simulation) Busy() time.Duration { return s.gpu.busy }

// Run goes on until the given time.
func (s *Simulation) Run(until sched.Time) {
	for len(s.events) > 0 && s.events[0].at <= until {
		e := heap.Pop(&s.events).(event)
		s.watch(e.at)
		s.now = e.at
		e.do(e.at)
	}
	s.watch(until)
	s.now = until
	s.gpu.advance(until)
}

// watch counts the time without use of the GPU although somebody wanted it.
func (s *Simulation) watch(now sched.Time) {
	if s.gpu.current == nil {
		for _, t := range s.Tenants {
			for _, e := range t.executors {
				if len(e.ring) > 0 {
					s.wanting += now - s.checked
					s.checked = now
					return
				}
			}
		}
	}
	s.checked = now
}

func (s *Simulation) at(at sched.Time, do func(now sched.Time)) {
	s.number++
	heap.Push(&s.events, event{at, s.number, do})
}

func (s *Simulation) after(now sched.Time, d time.Duration, do func(now sched.Time)) { s.at(now+d, do) }

// jitter is between 0.5 and 1.5 of d, and now and then more.
func (s *Simulation) jitter(d time.Duration) time.Duration {
	return d/2 + time.Duration(s.random.Float64()*float64(d)) + s.hiccup()
}

// hiccup is how much later something that was to wake up does, mostly not at all.
func (s *Simulation) hiccup() time.Duration {
	if s.random.Float64() >= s.Hardware.Hiccup {
		return 0
	}
	return time.Duration(s.random.Float64() * float64(s.Hardware.Stall))
}

// stall is how long a thread that has something to do is kept from its processor, mostly not at all.
func (s *Simulation) stall() time.Duration {
	if s.Hardware.Stalls == 0 || s.random.Float64() >= s.Hardware.Stalls {
		return 0
	}
	return time.Millisecond + time.Duration(s.random.Float64()*float64(3*time.Millisecond))
}

func (s *Simulation) wrong() float64 { return 1 + s.Errors*(2*s.random.Float64()-1) }

func (s *Simulation) planGPU() {
	version, at := s.gpu.version, s.gpu.until
	if at == sched.Never {
		return
	}
	s.at(at, func(now sched.Time) {
		if s.gpu.version == version {
			s.gpu.event(now)
			s.planGPU()
		}
	})
}

// ringDoorbell makes mediatord decide soon.
func (s *Simulation) ringDoorbell(now sched.Time) {
	if s.deciding {
		return
	}
	s.deciding = true
	s.after(now, s.jitter(s.Hardware.Doorbell), func(now sched.Time) {
		s.deciding = false
		s.decide(now)
	})
}

func (s *Simulation) decide(now sched.Time) {
	if now >= s.Dies {
		return
	}
	s.decisions++
	samples := make([][]sched.Sample, len(s.Tenants))
	for i, t := range s.Tenants {
		for _, e := range t.executors {
			samples[i] = append(samples[i], e.sample(now))
		}
	}
	reports, _ := sched.Merge(samples)
	for i, report := range reports {
		s.Tenants[i].Charged += report.Used
		s.policy.Report(now, s.Tenants[i].domain, report)
	}
	s.policy.Decide(now)
	contended := sched.Never // when another executor of a domain may have the next turn
	for _, t := range s.Tenants {
		active := 0
		for _, e := range t.executors {
			if e.active {
				active++
			}
		}
		l, slice, vacated := t.domain.Lease(), s.policy.Slice(t.domain), true
		if l.Single = l.Single || slice > 0 && l.Budget != lease.Unlimited; l.Single {
			t.choose(now, s.turn)
			vacated = t.leaving == nil || t.leaving.count == 0 || now >= t.left+s.turn
			if active > 1 {
				contended = now + s.turn
			}
		} else {
			l = l.Among(active)
		}
		for _, e := range t.executors {
			e.context.slice = slice
			l := l
			if l.Single && (e != t.single || !vacated) {
				l.Budget = 0
			}
			e.give(now, lease.Terms{Budget: l.Budget, ClearBy: l.ClearBy, Coarse: l.Coarse, Grace: l.Grace, Ready: l.Ready, Expiry: now + Lifetime})
		}
	}
	next := min(s.policy.Next(), now+Lifetime/2, contended)
	if s.planned > now && s.planned <= next {
		return
	}
	s.planned = next
	s.at(next+time.Duration(s.random.Float64()*float64(s.Hardware.Timer)), func(now sched.Time) {
		if s.planned == next { // nothing earlier has taken its place
			s.planned = sched.Never
			s.decide(now)
		}
	})
}

// waits looks again when the lease will have expired.
func (s *Simulation) waits(now sched.Time, e *executor) {
	if e.retry > now || now >= e.terms.Expiry || e.terms.Expiry == sched.Never {
		return
	}
	e.retry = e.terms.Expiry
	s.at(e.retry, e.consume)
}

// event is something that will happen.
type event struct {
	at     sched.Time
	number int
	do     func(now sched.Time)
}

type queue []event

func (q queue) Len() int { return len(q) }
func (q queue) Less(i, j int) bool {
	return q[i].at < q[j].at || q[i].at == q[j].at && q[i].number < q[j].number
}
func (q queue) Swap(i, j int) { q[i], q[j] = q[j], q[i] }
func (q *queue) Push(x any)   { *q = append(*q, x.(event)) }
func (q *queue) Pop() any {
	last := (*q)[len(*q)-1]
	*q = (*q)[:len(*q)-1]
	return last
}
