package simulate

import (
	"time"

	"libvirt-vgpu/mediatord/internal/sched"
)

// gpu runs one context at a time and slices among those that have work, as the
// hardware does.
type gpu struct {
	hardware Hardware
	ready    []*context // wait for their slice, first in first out
	current  *context
	last     *context
	since    sched.Time // when current got the GPU, or work went on after a switch
	sliceEnd sched.Time
	until    sched.Time // next event
	version  int
	busy     time.Duration
}

// context is the queue of one executor on the GPU.
type context struct {
	queue    []*work
	counted  int        // work in the queue that the executor counts
	occupied sched.Time // since when there is some
	spans    []sched.Span
	onGPU    time.Duration // time that it really had
	slice    time.Duration // that it has been given; 0: the hardware's
}

// work is one submission.
type work struct {
	length, left time.Duration
	uncounted    bool
	done         func(now sched.Time)
}

func (g *gpu) push(now sched.Time, c *context, w *work) {
	g.advance(now)
	if len(c.queue) == 0 {
		g.ready = append(g.ready, c)
		g.renew(now)
	}
	c.queue = append(c.queue, w)
	if !w.uncounted {
		if c.counted++; c.counted == 1 {
			c.occupied = now
		}
	}
	if g.current == nil {
		g.next(now)
	}
	g.plan(now)
}

// advance lets the current work progress until now.
func (g *gpu) advance(now sched.Time) {
	if g.current == nil || now <= g.since {
		return
	}
	progress := now - g.since
	g.current.queue[0].left -= progress
	g.current.onGPU += progress
	g.busy += progress
	g.since = now
}

// sliceOf is a context's slice.
func (g *gpu) sliceOf(c *context) time.Duration {
	if c.slice > 0 {
		return c.slice
	}
	return g.hardware.Slice
}

// renew is for who comes while others have not waited: slices follow one another all the same, so it waits for the end
// of one.
func (g *gpu) renew(now sched.Time) {
	if g.current == nil || now <= g.sliceEnd {
		return
	}
	slice := g.sliceOf(g.current)
	g.sliceEnd += ((now-g.sliceEnd)/slice + 1) * slice
}

// next gives the GPU to who has waited longest, if anybody does.
func (g *gpu) next(now sched.Time) {
	if len(g.ready) == 0 {
		return
	}
	c := g.ready[0]
	g.ready = g.ready[1:]
	if g.last != c && g.last != nil {
		now += g.hardware.Switch
	}
	g.last, g.current, g.since, g.sliceEnd = c, c, now, now+g.sliceOf(c)
}

// plan computes the next event.
func (g *gpu) plan(now sched.Time) {
	g.version++
	if g.current == nil {
		g.until = sched.Never
		return
	}
	g.until = max(g.since, now) + g.current.queue[0].left
	if len(g.ready) > 0 {
		g.until = min(g.until, max(g.sliceEnd, now))
	}
}

// event happens at until.
func (g *gpu) event(now sched.Time) {
	g.advance(now)
	c := g.current
	var done *work
	if c.queue[0].left <= 0 {
		done = c.queue[0]
		c.queue = c.queue[1:]
		if !done.uncounted {
			if c.counted--; c.counted == 0 {
				c.spans = append(c.spans, sched.Span{Start: c.occupied, End: now})
			}
		}
	}
	switch {
	case len(c.queue) == 0:
		g.current = nil
		g.next(now)
	case now >= g.sliceEnd && len(g.ready) > 0:
		g.ready = append(g.ready, c)
		g.next(now)
	}
	g.plan(now)
	if done != nil {
		done.done(now)
	}
}
