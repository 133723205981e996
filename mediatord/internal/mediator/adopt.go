package mediator

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/sirupsen/logrus"

	"libvirt-vgpu/mediatord/internal/config"
	"libvirt-vgpu/mediatord/internal/pool"
	"libvirt-vgpu/mediatord/internal/slot"
	"libvirt-vgpu/plugin/window"
)

// startGrace is how long an adopted slot waits for its domain's QEMU; nobody can tell
// whether the start went on while mediatord was away.
const startGrace = 2 * time.Minute

// adoptSlots goes on with what an earlier mediatord kept, and removes what of it
// cannot go on: half made slots, and those whose domain or session ended.
func (m *Mediator) adoptSlots() error {
	kept := slot.Sort(m.settings.Kept, m.log)
	directories, err := slotDirectories(m.settings.RunDir)
	if err != nil {
		return err
	}
	for _, directory := range directories {
		r, err := slot.LoadRecord(directory)
		id, _ := window.ParseUUID(r.UUID) // LoadRecord has checked it
		if err == nil {
			err = m.adopt(id, directory, r, kept[id])
		}
		if err == nil {
			delete(kept, id)
			continue
		}
		log := m.log.WithField("directory", directory)
		if errors.Is(err, slot.ErrOver) || errors.Is(err, os.ErrNotExist) {
			log.WithError(err).Info("removing a slot that an earlier mediatord left")
		} else {
			log.WithError(err).Warn("removing a slot that an earlier mediatord left")
		}
		if err := os.RemoveAll(directory); err != nil {
			return fmt.Errorf("removing stale slot: %w", err)
		}
	}
	for _, k := range kept {
		k.Drop()
	}
	return nil
}

// adopt goes on with one slot.
func (m *Mediator) adopt(id window.UUID, directory string, r slot.Record, k *slot.Kept) error {
	defer m.domains.lock(id)()
	h := &held{hold: make(chan struct{})}
	socket := slot.Socket{Path: r.Socket, UID: r.UID, GID: m.settings.SocketGID, Mode: m.settings.SocketMode, Allow: m.allow(r.Name)}
	cfg := slot.Config{
		UUID: id, Name: r.Name, Kind: r.Kind, Settings: r.Settings, Window: r.Window, Channels: r.Channels,
		Directory: directory, Socket: socket, Request: r.Request,
	}
	switch r.Kind {
	case slot.Domain:
		var request ReserveRequest
		if err := json.Unmarshal(r.Request, &request); err != nil || checkSocketPath(r.Socket, directory) != nil {
			return fmt.Errorf("adopting slot: %w: its request is %.200s", slot.ErrMismatch, r.Request)
		}
		h.request = request
		cfg.Disconnected = func() { go m.watchEnd(id, h) }
	case slot.Session:
		var request SessionRequest
		if err := json.Unmarshal(r.Request, &request); err != nil || filepath.Dir(r.Socket) != directory {
			return fmt.Errorf("adopting slot: %w: its request is %.200s", slot.ErrMismatch, r.Request)
		}
		h.request = request
		cfg.Held = func(holds bool) { m.sessionHeld(id, h, holds) }
	}
	h.pool = m.poolOf(r)
	grant := pool.Grant{
		Owner: id.String(), Memory: r.Settings.Memory,
		Device: &pool.Device{Name: r.Device.Name, Argument: r.Device.Argument, PCI: r.Device.PCI},
	}
	m.complete(&cfg, h.pool, grant)
	var err error
	if h.Slot, err = slot.Adopt(cfg, r, k); err != nil {
		return err
	}
	h.pool.Adopt(grant)
	m.mu.Lock()
	m.slots[id] = h
	m.mu.Unlock()
	if r.Kind == slot.Session {
		m.releaseLater(id, h)
	} else {
		go m.watchAdopted(id, h)
	}
	h.Log.WithFields(logrus.Fields{"state": r.State, "connected": h.Connected()}).Info("slot adopted")
	return nil
}

// poolOf is the slot's pool, or one of its own if it is configured no more.
func (m *Mediator) poolOf(r slot.Record) *pool.Pool {
	if p, err := m.pool(r.Pool); err == nil && string(p.Config().Backend) == r.Device.Backend {
		return p
	}
	m.log.WithField("pool", r.Pool).Warn("a slot's pool is configured no more; the slot keeps what it has")
	m.mu.Lock()
	defer m.mu.Unlock()
	p := m.former[r.Pool]
	if p == nil || string(p.Config().Backend) != r.Device.Backend {
		p = pool.New(config.Pool{Name: r.Pool, Backend: config.Backend(r.Device.Backend), GPUs: []string{r.Device.Name}}, m.prober, m.guard)
		m.former[r.Pool] = p
	}
	return p
}
