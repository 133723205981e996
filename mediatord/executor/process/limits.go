package process

import (
	"libvirt-vgpu/mediatord/executor/driver"
)

// Limits of a context (CUlimit) for which the driver takes device memory.
const (
	limitStack  = 0 // bytes per thread
	limitPrintf = 1 // bytes
	limitHeap   = 2 // bytes
)

// Device attributes from which the number of threads on the device follows.
const (
	attributeMultiprocessors = 16
	attributeThreadsPerSM    = 39
)

// largestStack is what a driver accepts at most; it refuses more itself.
const largestStack = 512 << 10

// limits counts the memory behind the limits that a process has raised. What the
// driver takes by default is no process's doing and counts for nobody.
type limits struct {
	charged  map[limitKey]uint64
	defaults [limitHeap + 1]uint64
	threads  uint64 // on the whole device at once
}

type limitKey struct{ context, limit uint32 }

func (p *Process) newLimits() limits {
	l := limits{charged: map[limitKey]uint64{}}
	d, err := p.Window.Description()
	if err != nil {
		p.Log.WithError(err).Warn("raised limits count as they are")
		return l
	}
	for i := range l.defaults {
		l.defaults[i] = uint64(d.Limits[i])
	}
	if len(d.Attributes) > attributeThreadsPerSM {
		l.threads = uint64(d.Attributes[attributeMultiprocessors].Value) * uint64(d.Attributes[attributeThreadsPerSM].Value)
	}
	return l
}

// bytes is what a limit of value costs beyond its default; false for what costs
// nothing or is refused anyway.
func (l *limits) bytes(limit uint32, value uint64) (uint64, bool) {
	switch {
	case limit > limitHeap, limit == limitStack && value > largestStack:
		return 0, false
	case value <= l.defaults[limit]:
		return 0, true
	case limit == limitStack:
		return (value - l.defaults[limit]) * l.threads, true
	}
	return value - l.defaults[limit], true
}

// CtxSetLimit counts the memory behind a limit against the domain's quota.
func (n *native) CtxSetLimit(limit uint32, value uint64) driver.Result {
	p := n.process
	bytes, costs := p.limits.bytes(limit, value)
	if !costs {
		return n.Driver.CtxSetLimit(limit, value)
	}
	key := limitKey{p.tables.Context, limit}
	before := p.limits.charged[key]
	if bytes > before {
		if r := p.memory.reserve(bytes - before); r != driver.Success {
			return r
		}
	}
	r := n.Driver.CtxSetLimit(limit, value)
	switch {
	case r == driver.Success:
		p.limits.charged[key] = bytes
		if bytes < before {
			p.memory.free(before - bytes)
		}
	case bytes > before:
		p.memory.free(bytes - before)
	}
	return r
}

// limitsEnded gives back what the limits of a context have cost.
func (p *Process) limitsEnded(context uint32) {
	for key, bytes := range p.limits.charged {
		if key.context == context {
			p.memory.free(bytes)
			delete(p.limits.charged, key)
		}
	}
}
