package process

import (
	"errors"
	"fmt"
	"sync"

	"libvirt-vgpu/mediatord/executor/control"
)

// requests are mediatord's wishes until the consumer looks at them.
type requests struct {
	mu     sync.Mutex
	revoke []int
}

// Revoke asks to drop a chunk. The consumer must be woken.
func (p *Process) Revoke(chunk int) {
	p.requests.mu.Lock()
	defer p.requests.mu.Unlock()
	p.requests.revoke = append(p.requests.revoke, chunk)
}

// Interrupted implements channel.Executor.
func (p *Process) Interrupted() error {
	p.requests.mu.Lock()
	revoke := p.requests.revoke
	p.requests.revoke = nil
	p.requests.mu.Unlock()
	for _, chunk := range revoke {
		var failures []error
		for _, m := range p.Pinned.Holding(chunk) {
			failures = append(failures, p.unpin(m))
		}
		if err := errors.Join(failures...); err != nil {
			return fmt.Errorf("revoking chunk %d: %w", chunk, err)
		}
		if err := p.Sender.Send(control.Message{Type: control.Revoked, Chunk: &chunk}); err != nil {
			return fmt.Errorf("revoking chunk %d: %w", chunk, err)
		}
	}
	return nil
}
