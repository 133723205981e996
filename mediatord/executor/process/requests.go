package process

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"libvirt-vgpu/mediatord/executor/control"
	"libvirt-vgpu/mediatord/executor/driver"
	"libvirt-vgpu/mediatord/internal/parcel"
)

// requests are mediatord's wishes until the consumer looks at them.
type requests struct {
	mu       sync.Mutex
	revoke   []int
	late     []int // put off: chunks to revoke
	export   []*parcel.Parcel
	acquired []*parcel.Parcel
	resume   bool
	park     *parkWish
	session  int // of mediatord: how many have taken over
}

// Revoke asks to drop a chunk. The consumer must be woken.
func (p *Process) Revoke(chunk int) {
	p.requests.mu.Lock()
	defer p.requests.mu.Unlock()
	p.requests.revoke = append(p.requests.revoke, chunk)
}

// Export asks to give another executor what the parcel names; mediatord gets the
// answer. The consumer must be woken.
func (p *Process) Export(asked *parcel.Parcel) {
	asked.Close() // none belongs to it
	p.requests.mu.Lock()
	defer p.requests.mu.Unlock()
	p.requests.export = append(p.requests.export, asked)
}

// Acquired hands over a parcel that the process waits for. The consumer must be
// woken.
func (p *Process) Acquired(got *parcel.Parcel) {
	p.requests.mu.Lock()
	defer p.requests.mu.Unlock()
	p.requests.acquired = append(p.requests.acquired, got)
}

// Park asks to move device memory, and the contexts if asked to, to at most limit
// bytes of host memory; mediatord gets the answer. The consumer must be woken.
func (p *Process) Park(limit uint64, context bool) {
	p.requests.mu.Lock()
	defer p.requests.mu.Unlock()
	p.requests.park = &parkWish{limit: limit, context: context, session: p.requests.session}
}

// wish repeats a wish to park, if nobody has another one by now. The consumer must
// be woken.
func (p *Process) wish(w parkWish) {
	p.requests.mu.Lock()
	defer p.requests.mu.Unlock()
	if p.requests.park == nil && p.requests.session == w.session {
		p.requests.park = &w
	}
}

// Resume tells that another mediatord listens, which knows of nothing that was
// asked for before. The consumer must be woken.
func (p *Process) Resume() {
	p.answerRoom(roomAskAgain)
	p.requests.mu.Lock()
	defer p.requests.mu.Unlock()
	p.requests.resume = true
	p.requests.late, p.requests.park = nil, nil
	p.requests.session++
}

// holdsAny says that pinned memory lies in one of the chunks.
func (p *Process) holdsAny(chunks []int) bool {
	return slices.ContainsFunc(chunks, func(chunk int) bool { return len(p.Pinned.Holding(chunk)) > 0 })
}

// revokeLater drops chunks when the driver can be asked to let them go, if the mediatord
// that asked is there still: the next one asks again, and hears one answer.
func (p *Process) revokeLater(chunks []int, session int) {
	p.requests.mu.Lock()
	defer p.requests.mu.Unlock()
	if p.requests.session != session {
		return
	}
	p.requests.late = chunks
	time.AfterFunc(wakeAgain, p.Wake)
}

// Interrupted implements channel.Executor.
func (p *Process) Interrupted() error {
	p.requests.mu.Lock()
	r := &p.requests
	revoke, export, acquired, resume, park, session := append(r.late, r.revoke...), r.export, r.acquired, r.resume, r.park, r.session
	r.late, r.revoke, r.export, r.acquired, r.resume, r.park = nil, nil, nil, nil, false, nil
	p.requests.mu.Unlock()
	if len(export) > 0 && (p.Parked() || p.Away()) { // what was exported must be there; pack refuses what is not
		p.wake()
	}
	if p.Away() && p.holdsAny(revoke) && p.restore() == driver.ErrorOutOfMemory {
		if !resume { // else its asker has gone
			p.revokeLater(revoke, session)
		}
		revoke = nil
	}
	if p.violation != nil {
		return p.violation
	}
	for _, asked := range export {
		if err := p.serve(asked); err != nil {
			return fmt.Errorf("sharing with another executor: %w", err)
		}
	}
	for _, got := range acquired {
		p.arrived(got)
	}
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
	if resume {
		if err := p.resumed(); err != nil {
			return err
		}
	}
	if park != nil && !p.defers(*park) {
		p.grant(*park)
	}
	return p.violation
}
