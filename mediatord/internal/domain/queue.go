package domain

import (
	"context"
	"sync"

	"libvirt.org/go/libvirt"
)

// queue holds the domains to be looked at, each once. libvirt's callbacks, which
// may not call libvirt, add to it.
type queue struct {
	mu      sync.Mutex // guards the rest
	order   []string   // UUIDs
	reasons map[string]Reason

	filled chan struct{} // has an entry if order may not be empty
}

func newQueue() *queue {
	return &queue{reasons: map[string]Reason{}, filled: make(chan struct{}, 1)}
}

// uuidOf is the part of a *libvirt.Domain that needs no call.
type uuidOf interface{ GetUUIDString() (string, error) }

var _ uuidOf = (*libvirt.Domain)(nil)

// add notes a domain; the reason that says more wins.
func (q *queue) add(d uuidOf, reason Reason) {
	uuid, err := d.GetUUIDString()
	if err != nil {
		return
	}
	q.mu.Lock()
	if before, waits := q.reasons[uuid]; waits {
		q.reasons[uuid] = max(before, reason)
	} else {
		q.order = append(q.order, uuid)
		q.reasons[uuid] = reason
	}
	q.mu.Unlock()
	select {
	case q.filled <- struct{}{}:
	default:
	}
}

// next waits for a domain; ok is false when ctx ended or broken is closed.
func (q *queue) next(ctx context.Context, broken <-chan struct{}) (uuid string, reason Reason, ok bool) {
	for {
		q.mu.Lock()
		if len(q.order) > 0 {
			uuid, q.order = q.order[0], q.order[1:]
			reason = q.reasons[uuid]
			delete(q.reasons, uuid)
			q.mu.Unlock()
			return uuid, reason, ctx.Err() == nil
		}
		q.mu.Unlock()
		select {
		case <-ctx.Done():
			return "", 0, false
		case <-broken:
			return "", 0, false
		case <-q.filled:
		}
	}
}
