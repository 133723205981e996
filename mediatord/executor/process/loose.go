package process

import (
	"sync"

	"libvirt-vgpu/mediatord/executor/driver"
)

// looseWork is work in streams that have ended before it, of which nobody can ask
// the driver any more; only a wait for the whole context tells that it is done.
type looseWork struct {
	mu       sync.Mutex
	contexts map[uint32]uint64 // number of the last such stream, by context
	streams  uint64
}

// leaves notes that a stream of the current context ends, perhaps before its work.
func (p *Process) leaves(s driver.Stream) {
	if _, captures := p.captures[s]; captures || p.Driver.StreamQuery(s) != driver.ErrorNotReady {
		return
	}
	l := &p.loose
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.contexts == nil {
		l.contexts = map[uint32]uint64{}
	}
	l.streams++
	l.contexts[p.owner(p.current)] = l.streams
}

// upTo is what a wait for all work waits for if it begins now.
func (l *looseWork) upTo() uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.streams
}

// done says that the context's work up to a stream is done.
func (l *looseWork) done(context uint32, stream uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.contexts[context] <= stream {
		delete(l.contexts, context)
	}
}

// none says that there is no such work.
func (l *looseWork) none() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.contexts) == 0
}
