package arbiter

import "time"

// runningWork is what was seen of the work that an executor has on the GPU.
type runningWork struct {
	since time.Duration // as lease.State.Running
	used  time.Duration // GPU time charged when that was seen first
}

// Watch makes Stalled know of kernels that do not end, from now on. It costs each
// submission some measuring, also of a domain that has the GPU to itself.
func (d *Domain) Watch() {
	d.arbiter.mu.Lock()
	defer d.arbiter.mu.Unlock()
	d.watched = true
	for _, e := range d.executors {
		e.Watch(true)
	}
	if d.policy != nil && !d.arbiter.closed {
		d.arbiter.decide()
	}
}

// Stalled is how much GPU time a channel's executor was charged since anything of
// its work has ended, 0 if it has none on the GPU. held: some of that work waits
// for something else than the GPU, or may. Without Watch it knows too little.
func (d *Domain) Stalled(channel int) (spent time.Duration, held bool) {
	a := d.arbiter
	a.mu.Lock()
	defer a.mu.Unlock()
	e := d.executor(channel)
	if e == nil || d.policy == nil || a.closed {
		return 0, false
	}
	a.collect(a.clock.Now())
	w := &e.work
	if w.since != e.state.Running {
		*w = runningWork{since: e.state.Running, used: e.used}
	}
	if w.since == 0 {
		return 0, false
	}
	return e.used - w.used, e.state.Held
}

// Halt takes the lease of a channel's executor away for good.
func (d *Domain) Halt(channel int) {
	a := d.arbiter
	a.mu.Lock()
	defer a.mu.Unlock()
	if e := d.executor(channel); e != nil && !a.closed {
		e.halted = true
		a.decide()
	}
}

// executor is a channel's, nil if there is none.
func (d *Domain) executor(channel int) *executor {
	for _, e := range d.executors {
		if e.channel == channel {
			return e
		}
	}
	return nil
}
