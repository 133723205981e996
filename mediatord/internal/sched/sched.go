// Package sched decides which domains may put work on a GPU, and how much of it:
// start-time fair queueing over the weights of pools and domains, under strict
// classes. It knows no clock and does nothing by itself: the time is an argument,
// what executors say goes in, leases come out. mediatord and the simulation use
// the same object.
//
// A domain's virtual time is the GPU time it used, divided by its weight; it
// counts for all of the domain's processes together. The domains with the lowest
// virtual times run. One that gets more than a turn ahead of a domain that wants
// to run waits until the other has caught up. One that wanted nothing for a while
// comes back at most a turn behind the others, so idling saves nothing up.
//
// While a high domain is armed, which it is for a while after its work, the
// others run one at a time, with little in flight, and only while no high domain
// has work. If it comes at regular times they also keep the GPU clear for it.
//
// Nothing here may be used by two goroutines at once.
package sched

import (
	"slices"
	"time"
)

const (
	// soonest bounds the time to the next decision while domains compete.
	soonest = 200 * time.Microsecond
	// steady is how long domains have had work without a pause when nobody waits for their turns:
	// then they are longTurn times as long, and less is lost between them.
	steady   = 100 * time.Millisecond
	longTurn = 2
	// pausing is how much GPU time those have from one pause to the next, at most, who fill each other's pauses: to so many
	// the hardware's slices cost less than handing the GPU over in each pause. If there are more, turns fill them too.
	pausing  = 20 * time.Millisecond
	together = 2
)

// Scheduler is the policy for one GPU.
type Scheduler struct {
	options Options
	domains []*Domain
	// virtual is, for each class, the virtual time that every active domain of it
	// has reached.
	virtual [High + 1]float64
	next    Time
	made    int
	owed    Time // from when on the lower classes may delay a high domain again
}

// Domain is one domain on the GPU. Its methods and the Scheduler's exclude one
// another.
type Domain struct {
	settings Settings
	number   int // order of arrival, so that decisions are deterministic
	virtual  float64
	report   Report
	running  bool // may submit, and is active
	lease    Lease
	served   Time          // when it last got GPU time, or began to want it
	seen     Time          // when it was last active
	since    Time          // when it last became active
	stretch  time.Duration // GPU time from its last pause on
	before   time.Duration // from the last but one to the last
	shared   time.Duration // for how long others have had work on the GPU with its step
	stopped  Time          // when it left the run set
	came     bool          // is active, and was not at the last decision
	letIn    Time          // when it last might submit again
	missed   Time          // when it was let into the last gap that it did not use
	unfit    bool          // what it wants to do next is too long for the gaps of high domains
	ready    Time          // when the GPU is to change to it
	beat     beat
	silence  silence
}

// New makes the policy of a GPU without domains.
func New(o Options) *Scheduler {
	o.RunSet = max(o.RunSet, 1)
	return &Scheduler{options: o}
}

// SetOptions changes the terms from the next decision on.
func (s *Scheduler) SetOptions(o Options) {
	o.RunSet = max(o.RunSet, 1)
	s.options = o
}

// Add makes a domain known. It starts level with the others.
func (s *Scheduler) Add(settings Settings) *Domain {
	s.made++
	d := &Domain{settings: settings, number: s.made, virtual: s.virtual[settings.Class], seen: -Never / 2, stretch: pausing}
	s.domains = append(s.domains, d)
	return d
}

// Remove forgets a domain.
func (s *Scheduler) Remove(d *Domain) {
	s.domains = slices.DeleteFunc(s.domains, func(o *Domain) bool { return o == d })
}

// Set changes a domain's terms from now on. In another class it starts level with
// those that are there.
func (s *Scheduler) Set(d *Domain, settings Settings) {
	if settings.Class != d.settings.Class {
		d.virtual = s.virtual[settings.Class]
		d.running, d.unfit = false, false
	}
	d.settings = settings
}

// Lease is the last decision about the domain.
func (d *Domain) Lease() Lease { return d.lease }

// Settings are the domain's terms.
func (d *Domain) Settings() Settings { return d.settings }

// Running says that the domain is in the run set.
func (d *Domain) Running() bool { return d.running }

// Report takes what the domain's executors say at now.
func (s *Scheduler) Report(now Time, d *Domain, r Report) {
	came := r.Active && !d.report.Active
	gone := d.seen
	d.came = d.came && r.Active || came
	if r.Active || r.Used > 0 || d.report.Active {
		d.seen = now
	}
	busy := r.Busy
	if came {
		d.served, d.since = now, now
		d.stretch, d.before = 0, d.stretch
		if arrived := min(r.Arrived, now); arrived > gone {
			for len(busy) > 0 && busy[0].Start < arrived { // before it came
				d.beat.worked(busy[0])
				busy = busy[1:]
			}
			if d.beat.came(arrived, arrived-gone, d.shared) {
				d.silence.step(now, d.shared > slack, d.beat.count)
				d.shared = 0
			}
		}
	}
	for _, span := range busy {
		d.beat.worked(span)
	}
	d.shared += r.Shared
	if r.Used > 0 {
		d.virtual += float64(r.Used) * s.rate(d)
		d.stretch += r.Used
		d.served = now
		if s.options.Least > 0 && d.unfit {
			pays := time.Duration(min(float64(r.Used)/s.options.Least, float64(s.options.Patience)))
			s.owed = min(max(s.owed, now)+pays, now+s.options.Patience)
		}
	}
	if d.report.Flying && !r.Flying {
		d.unfit = false // what comes next may be shorter
	}
	d.report = r
	d.report.Used, d.report.Busy = 0, nil
}

// rate is the virtual time that the domain pays for GPU time: a pool's weight is
// divided among those of its domains that are active.
func (s *Scheduler) rate(d *Domain) float64 {
	siblings := d.settings.Weight
	for _, o := range s.domains {
		if o != d && o.settings.Pool == d.settings.Pool && o.report.Active {
			siblings += o.settings.Weight
		}
	}
	return float64(siblings) / float64(max(d.settings.PoolWeight, 1)) / float64(max(d.settings.Weight, 1))
}

// Next is when Decide must be called again even if no report comes; Never if
// nothing changes by itself.
func (s *Scheduler) Next() Time { return s.next }

// wake brings the next decision forward.
func (s *Scheduler) wake(at Time) { s.next = min(s.next, at) }

// Decide makes every domain's lease for now.
func (s *Scheduler) Decide(now Time) {
	s.next = Never
	if len(s.domains) == 1 || s.options.Unlimited { // nobody to share with
		s.unlimited()
		return
	}
	g := s.guard(now)
	s.fit(now, g)
	top, active := s.survey(g)
	s.level()
	limit, budget := s.limit(now, g, top), s.options.Budget
	turn := s.turn(now, top, g.armed)
	set := s.choose(top, limit, turn, g.clear != Never && (!g.fresh || now < s.owed))
	if len(set) == 0 {
		set = s.choose(top, limit, turn, false)
	}
	for _, d := range s.domains {
		if d.running && !slices.Contains(set, d) {
			d.running, d.stopped = false, now
		}
	}
	if top != High { // a high domain waits for nobody
		set = s.admit(now, set, limit)
	}
	lingering := s.standing(g, set)
	for _, d := range s.domains {
		was := d.running
		d.running = slices.Contains(set, d)
		before := d.lease
		d.lease = Lease{ClearBy: Never}
		switch {
		case d.settings.Class == High:
			// A high domain that comes needs to ask nobody first.
			if d.running || top != High || len(set) == 0 {
				d.lease.Budget = budget
			}
			if !g.atWork && !s.occupied() { // otherwise the GPU is another one's
				d.lease.Ready = d.ready
			}
		case d.running && g.armed:
			if d.lease = g.lease(s.options); before.Budget == 0 || !was {
				d.letIn = now
				s.wake(now + hearing)
			}
		case d == lingering:
			d.lease = g.lease(s.options)
		case d.running, !g.armed && !d.report.Active && d.settings.Class >= top && len(set) < limit:
			d.lease.Budget = budget
		}
	}
	s.console(now, g)
	if active > 1 {
		s.wake(now + s.turnLeft(set, turn))
	}
}

// limit is how many domains of the highest class that needs the GPU may have work on it at once.
func (s *Scheduler) limit(now Time, g guard, top Class) int {
	if g.armed {
		return 1
	}
	there := 0
	for _, d := range s.domains {
		if d.settings.Class != top || !d.report.Active && now-d.seen >= steady {
			continue
		}
		if there++; there > together || max(d.stretch, d.before) >= pausing {
			return s.options.RunSet
		}
	}
	return max(s.options.RunSet, together)
}

// standing is the domain of the lower classes that keeps its lease while it has nothing to do and
// nobody else wants the GPU, although a high domain is armed: the one that was there last. It need not
// ask for each of its kernels if it makes them slower than the GPU does them.
func (s *Scheduler) standing(g guard, set []*Domain) *Domain {
	if !g.armed || g.atWork || len(set) > 0 {
		return nil
	}
	var last *Domain
	for _, d := range s.domains {
		if d.settings.Class != High && !d.report.Active && (last == nil || d.seen > last.seen) {
			last = d
		}
	}
	return last
}

// survey finds the highest class that needs the GPU (Low if none does) and how many
// domains are active, and lets virtual time go on.
func (s *Scheduler) survey(g guard) (top Class, active int) {
	least := [High + 1]float64{-1, -1, -1}
	for _, d := range s.domains {
		if !d.report.Active {
			continue
		}
		active++
		class := d.settings.Class
		if class != High {
			top = max(top, class)
		}
		if d.came || d.unfit {
			continue
		}
		if least[class] < 0 || d.virtual < least[class] {
			least[class] = d.virtual
		}
	}
	for class := range s.virtual {
		s.virtual[class] = max(s.virtual[class], least[class])
	}
	if g.atWork {
		top = High
	}
	return top, active
}

// level lets those that come begin level with the others but for a turn, so that
// short gaps, as between a kernel and the next one, cost no share.
func (s *Scheduler) level() {
	for _, d := range s.domains {
		if d.unfit { // nor does it make up for all that it had no use for
			d.virtual = max(d.virtual, s.virtual[d.settings.Class]-float64(s.options.Turn)*s.rate(d))
		}
		if d.came {
			d.came = false
			d.virtual = max(d.virtual, s.virtual[d.settings.Class]-float64(s.options.Turn)*s.rate(d))
		}
	}
}

// admit takes the newcomers out of the set for whom there is no place yet: who has
// left it may still have work on the GPU. Its place is given away when that is
// done, so that nobody is charged for another's work: the last microseconds of it
// could wait for many slices. If it takes too long, the hardware shares.
func (s *Scheduler) admit(now Time, set []*Domain, limit int) []*Domain {
	places := limit
	for _, d := range s.domains {
		if d.running {
			places--
			continue
		}
		// A high domain's last work is short, and it comes first on the GPU. Nobody waits for itself.
		if patience := d.stopped + 2*s.options.Budget; d.report.Flying && d.settings.Class != High && now < patience && !slices.Contains(set, d) {
			places--
			s.wake(patience)
		}
	}
	return slices.DeleteFunc(set, func(d *Domain) bool {
		if d.running {
			return false
		}
		places--
		return places < 0
	})
}

// turn is how far a domain of a class may get ahead now.
func (s *Scheduler) turn(now Time, class Class, armed bool) time.Duration {
	for _, d := range s.domains {
		if armed || d.report.Active && d.settings.Class == class && now-d.since < steady {
			return s.options.Turn
		}
	}
	return longTurn * s.options.Turn
}

// choose makes the run set of a class: those that run go on until they are a turn
// ahead; then who is furthest behind comes first. fitting leaves out those that are unfit.
func (s *Scheduler) choose(class Class, limit int, length time.Duration, fitting bool) []*Domain {
	type candidate struct {
		*Domain
		key float64
	}
	var all []candidate
	var least float64
	for _, d := range s.domains {
		if !d.report.Active || d.settings.Class != class || fitting && d.unfit {
			continue
		}
		turn := float64(length) * s.rate(d)
		key := d.virtual
		if d.running {
			key -= turn
		} else {
			key -= turn / 4 // let equals run together
		}
		if len(all) == 0 || d.virtual < least {
			least = d.virtual
		}
		all = append(all, candidate{d, key})
	}
	slices.SortFunc(all, func(a, b candidate) int {
		switch {
		case a.key != b.key && a.key < b.key:
			return -1
		case a.key != b.key:
			return 1
		}
		return a.number - b.number
	})
	var set []*Domain
	for _, c := range all {
		if len(set) < limit && c.key <= least {
			set = append(set, c.Domain)
		}
	}
	return set
}

// turnLeft is the time until a member of the set may have had its turn.
func (s *Scheduler) turnLeft(set []*Domain, turn time.Duration) time.Duration {
	left := turn
	for _, d := range set {
		rate := s.rate(d)
		for _, o := range s.domains {
			if o.report.Active && o.settings.Class == d.settings.Class && o != d {
				ahead := (d.virtual - o.virtual) / rate
				left = min(left, turn-time.Duration(ahead))
			}
		}
	}
	return max(left, soonest)
}

// occupied says that there is work on the GPU that is too long for the gaps. To change to a domain that comes would only begin that
// work's slice anew behind the change, when the domain does come.
func (s *Scheduler) occupied() bool {
	return slices.ContainsFunc(s.domains, func(d *Domain) bool { return d.unfit && d.report.Flying })
}

// console gives a domain that higher classes have kept waiting for too long what
// it waits for: one submission, whatever it takes. While a high domain is at work
// it waits as long again, for a gap. In a gap that has just begun, of which most is left, it
// need not have waited for longer than Least says.
func (s *Scheduler) console(now Time, g guard) {
	var longest *Domain
	for _, d := range s.domains {
		// What runs under a reservation may wait for ever as well.
		if !d.report.Waiting || d.settings.Class == High || d.running && d.lease.ClearBy == Never {
			continue
		}
		patience := s.options.Patience
		if g.atWork {
			patience *= 2
		}
		due := d.served + patience
		if d.unfit && d.running && g.fresh && !d.report.Flying && s.options.Least > 0 {
			due = min(due, s.owed)
		}
		if now < due {
			s.wake(due)
			continue
		}
		if longest == nil || d.served < longest.served {
			longest = d
		}
	}
	if longest != nil {
		longest.lease = Lease{Budget: s.options.ArmedBudget, ClearBy: Never, Single: true}
		for _, d := range s.domains {
			d.lease.Ready = 0
		}
		s.wake(now + max(s.options.Patience, soonest))
	}
}
