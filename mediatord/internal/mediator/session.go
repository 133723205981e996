package mediator

import (
	"context"
	"crypto/rand"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"libvirt-vgpu/mediatord/internal/pool"
	"libvirt-vgpu/mediatord/internal/refusal"
	"libvirt-vgpu/mediatord/internal/slot"
	"libvirt-vgpu/plugin/window"
	vgpuxml "libvirt-vgpu/xml"
)

// SessionRequest asks for a slot for processes of this host. Empty pool,
// priority and memory mean the defaults.
type SessionRequest struct {
	Pool     string
	Priority string
	Memory   uint64 // bytes
	Name     string // for the operator
	UID      uint32 // who may connect, beside root
}

const maxSessionName = 64

// OpenSession makes a slot with a random UUID. It lasts until the connection
// that holds it closes, or for Settings.HoldWithin if nobody holds it.
func (m *Mediator) OpenSession(ctx context.Context, r SessionRequest) (id window.UUID, socket string, err error) {
	defer func() { m.recordRefusal(r.Name, id, err) }()
	element := vgpuxml.DefaultGPU()
	if r.Pool != "" {
		element.Pool = r.Pool
	}
	if r.Priority != "" {
		element.Priority = vgpuxml.Priority(r.Priority)
	}
	element.Memory = r.Memory
	if err := element.Validate(); err != nil {
		return window.UUID{}, "", refusal.Because(refusal.ErrInvalidArgument, "%s; correct the request", strings.TrimPrefix(err.Error(), "vgpu:gpu attribute "))
	}
	if r.Name == "" || len(r.Name) > maxSessionName || strings.ContainsFunc(r.Name, func(c rune) bool { return c < ' ' || c > '~' }) {
		return window.UUID{}, "", refusal.Because(refusal.ErrInvalidArgument, "session name %q is not valid; allowed are 1 to %d printable ASCII characters", r.Name, maxSessionName)
	}
	p, err := m.pool(element.Pool)
	if err != nil {
		return window.UUID{}, "", err
	}
	if id, err = randomUUID(); err != nil {
		return window.UUID{}, "", err
	}
	defer m.domains.lock(id)()
	directory := filepath.Join(m.settings.RunDir, sessionPrefix+id.String())
	h := &held{request: r, hold: make(chan struct{})}
	path := filepath.Join(directory, "session.sock")
	err = m.open(ctx, p, pool.Request{Owner: id.String(), Priority: element.Priority, Memory: element.Memory}, slot.Config{
		UUID: id, Name: r.Name, Kind: slot.Session, Settings: slot.Settings{Weight: element.Weight},
		Window: m.settings.SessionWindow, Channels: vgpuxml.DefaultChannels, Directory: directory,
		Socket: slot.Socket{Path: path, UID: int(r.UID), GID: -1, Mode: 0o600},
		Held:   func(holds bool) { m.sessionHeld(id, h, holds) },
	}, h)
	if err != nil {
		return window.UUID{}, "", err
	}
	m.releaseLater(id, h)
	return id, path, nil
}

// sessionHeld runs in the session's own server, which a release waits for.
func (m *Mediator) sessionHeld(id window.UUID, h *held, holds bool) {
	if !holds {
		m.inBackground(func() { m.Release(id) })
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	select {
	case <-h.hold:
	default:
		close(h.hold)
	}
	if m.slots[id] == h {
		go h.SetState(slot.Running)
	}
}

// releaseLater ends a session that nobody holds in time.
func (m *Mediator) releaseLater(id window.UUID, h *held) {
	timer := time.NewTimer(m.settings.HoldWithin)
	go func() {
		defer timer.Stop()
		select {
		case <-h.hold:
		case <-timer.C:
			h.Log.Warn("nobody holds the session, ending it")
			m.inBackground(func() { m.Release(id) })
		}
	}()
}

// inBackground runs a release that Close waits for; once Close runs, it
// releases everything itself.
func (m *Mediator) inBackground(release func()) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if !m.closed {
		m.background.Go(release)
	}
}

func randomUUID() (window.UUID, error) {
	var u window.UUID
	if _, err := rand.Read(u[:]); err != nil {
		return u, fmt.Errorf("making uuid: %w", err)
	}
	u[6] = u[6]&0x0f | 0x40
	u[8] = u[8]&0x3f | 0x80
	return u, nil
}
