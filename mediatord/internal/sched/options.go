package sched

import (
	"math"
	"time"
)

// Time is an instant, as the time since a start that never changes.
type Time = time.Duration

const (
	// Unlimited is the budget of a domain that shares its GPU with nobody.
	Unlimited time.Duration = math.MaxInt64
	// Never is the instant that does not come.
	Never Time = math.MaxInt64
)

// Options are the terms on which domains share a GPU.
type Options struct {
	// RunSet is how many domains may have work on the GPU at once while no high
	// domain is armed, at least 1.
	RunSet int
	// Turn is how far, in GPU time, a domain may get ahead of its share before
	// it waits for the others.
	Turn time.Duration
	// Budget is the GPU time that an executor may have in flight; ArmedBudget is
	// that of the lower classes while a high domain is armed.
	Budget, ArmedBudget time.Duration
	// Armed is how long a high domain stays armed after its last work.
	Armed time.Duration
	// Patience is how long a domain may get nothing because of higher classes.
	Patience time.Duration
	// Ahead changes the GPU to the context of a high domain that comes at regular times before it
	// comes, so that its step does not pay for that.
	Ahead bool
	// Delay is the part of a high domain's usual step by which large pieces of others'
	// work may delay the next one.
	Delay float64
	// Least is the part of the GPU's time that the lower classes get in gaps although their work is
	// too long for them; 0: they wait for Patience.
	Least float64
	// Unlimited lets everybody submit at any time: only the hardware's slices share the GPU.
	Unlimited bool
	// Slice is how long the hardware lets a domain have the GPU at a time while there is one of a
	// higher class; 0: as long as any. See Scheduler.Slice.
	Slice time.Duration
	// Predict keeps the GPU clear for high domains that come at regular times.
	Predict bool
}

// Defaults are the options of a pool that sets none.
func Defaults() Options {
	return Options{
		RunSet: 1, Turn: 5 * time.Millisecond,
		Budget: 4 * time.Millisecond, ArmedBudget: time.Millisecond,
		Armed: 200 * time.Millisecond, Patience: time.Second, Least: .1, Predict: true, Ahead: true,
		Slice: 200 * time.Microsecond,
	}
}

// Class is a domain's priority: while a domain of a higher class has work, lower
// ones wait.
type Class int

// The classes, lowest first.
const (
	Low Class = iota
	Normal
	High
)

// Settings are a domain's terms; they may change at any time.
type Settings struct {
	Pool       string
	PoolWeight int // at least 1
	Weight     int // at least 1
	Class      Class
}

// Lease is what a domain's executors may do.
type Lease struct {
	// Budget is the predicted GPU time in flight beyond which nothing more may be
	// submitted; an executor with nothing in flight may always submit one thing.
	// 0: nothing at all.
	Budget time.Duration
	// ClearBy is when the GPU must be clear: what would not be done by then
	// waits. Never: nothing is expected.
	ClearBy Time
	// Coarse is the length from which on work may be late for ClearBy, by Grace.
	Coarse, Grace time.Duration
	// Ready is when the GPU should change to the domain, which is expected soon; 0: it is not.
	Ready Time
	// Single lets one executor of the domain submit at a time.
	Single bool
}

// Among is the lease of each of n executors of the domain.
func (l Lease) Among(n int) Lease {
	if l.Budget != Unlimited && l.Budget > 0 && n > 1 {
		l.Budget = max(l.Budget/time.Duration(n), 1)
	}
	return l
}

// Report is what a domain's executors say of themselves.
type Report struct {
	Used    time.Duration // GPU time since the last report
	Busy    []Span        // when its work was on the GPU since then, in order and without overlaps
	Shared  time.Duration // of Busy, with work of others
	Active  bool          // work is on the GPU or wants to get there
	Waiting bool          // work waits because of the lease
	Flying  bool          // work is on the GPU and not done
	// Arrived is when the domain last became active; 0: it never was.
	Arrived Time
}
