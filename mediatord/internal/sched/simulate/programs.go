package simulate

import (
	"time"

	"libvirt-vgpu/mediatord/internal/sched"
)

// Process is a guest process that runs a Program.
type Process struct {
	executor *executor
}

// Step posts count pieces of work and calls done when the last is finished; its
// latency is counted from now.
func (p *Process) Step(now sched.Time, count int, length time.Duration, done func(now sched.Time)) {
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
			t.Latencies = append(t.Latencies, at-now)
			if done != nil && (t.End == 0 || at < t.End) {
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
}

// Run implements Program. A step that takes longer than Every delays the next.
func (c Paced) Run(now sched.Time, p *Process) {
	due := now
	var begin func(now sched.Time)
	begin = func(now sched.Time) {
		p.Step(now, c.Kernels, c.Length, func(now sched.Time) {
			due += c.Every
			if due < now {
				due = now
			}
			late := time.Duration(p.Random() * float64(c.Jitter))
			p.Later(now, due-now+late, begin)
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
