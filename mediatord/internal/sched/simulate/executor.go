package simulate

import (
	"time"

	"libvirt-vgpu/mediatord/internal/lease"
	"libvirt-vgpu/mediatord/internal/sched"
)

// executor consumes the ring of one guest process under its lease.
type executor struct {
	sim     *Simulation
	tenant  *Tenant
	context context
	terms   lease.Terms
	ring    []*work
	flying  time.Duration // predicted
	count   int           // in flight
	arrived sched.Time
	active  bool
	last    sched.Time // when it last had something to do
	retry   sched.Time
	taken   sched.Time // when it last took something off its ring
	asleep  bool       // is being woken
}

// touch is how long the GPU is at work for who only wants it to change to its context.
const touch = 2 * time.Microsecond

// post puts work on the ring, as the guest process does.
func (e *executor) post(now sched.Time, length time.Duration, done func(sched.Time)) {
	e.ring = append(e.ring, &work{length: length, left: length, done: done})
	if e.asleep {
		return
	}
	late := time.Duration(0)
	if len(e.ring) == 1 && now-e.taken > e.sim.Hardware.Doze {
		late = e.sim.jitter(e.sim.Hardware.Rouse)
	}
	if e.count == 0 {
		late += e.sim.stall()
	}
	if late == 0 {
		e.found(now)
		return
	}
	e.asleep = true
	e.sim.after(now, late, func(now sched.Time) {
		e.asleep = false
		e.found(now)
	})
}

// found begins with what is on the ring.
func (e *executor) found(now sched.Time) {
	if !e.active {
		e.active, e.arrived = true, now
		e.sim.ringDoorbell(now)
	}
	e.consume(now)
}

// consume submits what the lease allows.
func (e *executor) consume(now sched.Time) {
	if e.asleep {
		return
	}
	for len(e.ring) > 0 {
		w := e.ring[0]
		predicted := time.Duration(float64(w.length) * e.sim.wrong())
		if !e.terms.Admit(now, e.flying, predicted) {
			e.sim.waits(now, e)
			return
		}
		e.ring, e.taken = e.ring[1:], now
		e.flying += predicted
		e.count++
		done := w.done
		w.done = func(at sched.Time) {
			e.sim.after(at, e.sim.Hardware.Marker, func(at sched.Time) { e.finished(at, predicted, done) })
		}
		e.sim.gpu.push(now, &e.context, w)
		e.sim.planGPU()
	}
}

func (e *executor) finished(now sched.Time, predicted time.Duration, done func(sched.Time)) {
	e.flying -= predicted
	e.count--
	if done != nil {
		done(now)
	}
	e.consume(now)
	if e.count == 0 {
		e.sim.ringDoorbell(now)
		e.last = now
		e.sim.after(now, e.sim.Hardware.Linger, e.rest)
	}
}

// rest makes the executor inactive if it has had nothing to do for a while.
func (e *executor) rest(now sched.Time) {
	if e.active && e.count == 0 && len(e.ring) == 0 && now-e.last >= e.sim.Hardware.Linger {
		e.active = false
		e.sim.ringDoorbell(now)
	}
}

// give takes new terms. Who waits for them wakes up first.
func (e *executor) give(now sched.Time, terms lease.Terms) {
	news := terms.Budget != e.terms.Budget || terms.ClearBy != e.terms.ClearBy
	if ready := terms.Ready; ready != 0 && ready != e.terms.Ready {
		e.sim.at(max(ready, now)+time.Duration(e.sim.random.Float64()*float64(e.sim.Hardware.Timer))+e.sim.hiccup(), func(now sched.Time) {
			if e.terms.Ready == ready && e.count == 0 && len(e.ring) == 0 {
				e.sim.gpu.push(now, &e.context, &work{length: touch, left: touch, uncounted: true, done: func(sched.Time) {}})
				e.sim.planGPU()
			}
		})
	}
	e.terms = terms
	if news && len(e.ring) > 0 && !e.asleep {
		e.sim.after(now, e.sim.jitter(e.sim.Hardware.Wake), e.consume)
	}
}

// sample is what mediatord reads.
func (e *executor) sample(now sched.Time) sched.Sample {
	e.sim.gpu.advance(now)
	s := sched.Sample{Busy: e.context.spans, Active: e.active, Waiting: len(e.ring) > 0 && !e.asleep, Arrived: e.arrived, Flying: e.count > 0, Slice: e.context.slice}
	e.context.spans = nil
	if e.context.counted > 0 {
		s.Busy = append(s.Busy, sched.Span{Start: e.context.occupied, End: now})
		e.context.occupied = now
	}
	return s
}
