package simulate

import (
	"time"

	"libvirt-vgpu/mediatord/internal/sched"
)

// Process is a guest process that runs a Program.
type Process struct {
	executor *executor
}

// Step is Work whose latency counts, from now.
func (p *Process) Step(now sched.Time, count int, length time.Duration, done func(now sched.Time)) {
	p.Work(now, count, length, func(at sched.Time) {
		p.Took(at - now)
		if done != nil {
			done(at)
		}
	})
}

// Took notes the latency of a step.
func (p *Process) Took(latency time.Duration) {
	t := p.executor.tenant
	t.Latencies = append(t.Latencies, latency)
}

// Work posts count pieces of work and calls done when the last is finished, unless the tenant has ended.
func (p *Process) Work(now sched.Time, count int, length time.Duration, done func(now sched.Time)) {
	t := p.executor.tenant
	left := count
	if t.posted == 0 {
		t.progress = now
	}
	t.posted += count
	for range count {
		p.executor.post(now, length, func(at sched.Time) {
			t.Done += length
			t.Gap = max(t.Gap, at-t.progress)
			t.progress = at
			t.posted--
			if left--; left > 0 {
				return
			}
			if t.End == 0 || at < t.End {
				done(at)
			}
		})
	}
}

// Later calls do after d.
func (p *Process) Later(now sched.Time, d time.Duration, do func(now sched.Time)) {
	p.executor.sim.after(now, d, do)
}

// Random is between 0 and 1.
func (p *Process) Random() float64 { return p.executor.sim.random.Float64() }

// Hog always has Depth pieces of work posted.
type Hog struct {
	Length time.Duration
	Depth  int
}

// Run implements Program.
func (h Hog) Run(now sched.Time, p *Process) {
	var again func(now sched.Time)
	again = func(now sched.Time) { p.Step(now, 1, h.Length, again) }
	for range max(h.Depth, 1) {
		again(now)
	}
}

// Paced does a step at regular times.
type Paced struct {
	Every   time.Duration
	Kernels int
	Length  time.Duration
	Jitter  time.Duration // lateness of each start, at most
	Lead    time.Duration // of a piece of work of its own that each step begins with; 0: there is none
	Pause   time.Duration // that it thinks for between that and the rest, on average
	Timer   Timer         // more lateness; none if empty
}

// Timer is how late a program's timers are: quantiles, evenly spaced.
type Timer []time.Duration

// H200Timer is what a program's clock_nanosleep did on an H200's host: every twentieth of
// the steps that sharing.json holds.
func H200Timer() Timer {
	const us = time.Microsecond
	return Timer{
		56 * us, 61 * us, 63 * us, 65 * us, 67 * us, 69 * us, 71 * us, 73 * us, 75 * us, 77 * us, 79 * us,
		81 * us, 84 * us, 87 * us, 89 * us, 92 * us, 96 * us, 101 * us, 110 * us, 164 * us, 335 * us,
	}
}

// at is the lateness of a timer that part, between 0 and 1, are not later than.
func (t Timer) at(part float64) time.Duration {
	if len(t) == 0 {
		return 0
	}
	place := part * float64(len(t)-1)
	i := min(int(place), len(t)-2)
	return t[i] + time.Duration((place-float64(i))*float64(t[i+1]-t[i]))
}

// Run implements Program. A step begins at its time on the grid that the last one was on, or at once if that is
// over, which moves the grid.
func (c Paced) Run(now sched.Time, p *Process) {
	due := now
	var begin func(now sched.Time)
	begin = func(now sched.Time) {
		end := func(now sched.Time) {
			if due += c.Every; due <= now {
				due = now
				begin(now)
				return
			}
			late := time.Duration(p.Random()*float64(c.Jitter)) + c.Timer.at(p.Random()) + p.executor.sim.stall()
			if len(c.Timer) > 0 {
				late += p.executor.sim.hiccup()
			}
			p.Later(now, due-now+late, begin)
		}
		if c.Lead == 0 {
			p.Step(now, c.Kernels, c.Length, end)
			return
		}
		p.Work(now, 1, c.Lead, func(at sched.Time) {
			p.Later(at, time.Duration((.5+p.Random())*float64(c.Pause)), func(at sched.Time) {
				p.Work(at, c.Kernels, c.Length, func(at sched.Time) {
					p.Took(at - now)
					end(at)
				})
			})
		})
	}
	begin(now)
}

// Thinking does a step, waits, and does the next.
type Thinking struct {
	Kernels int
	Length  time.Duration
	Pause   time.Duration // mean of an even distribution
}

// Run implements Program.
func (c Thinking) Run(now sched.Time, p *Process) {
	var begin func(now sched.Time)
	begin = func(now sched.Time) {
		p.Step(now, c.Kernels, c.Length, func(now sched.Time) {
			p.Later(now, time.Duration(2*p.Random()*float64(c.Pause)), begin)
		})
	}
	begin(now)
}
