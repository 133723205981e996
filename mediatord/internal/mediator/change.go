package mediator

import (
	"context"
	"encoding/json"

	"github.com/sirupsen/logrus"

	"libvirt-vgpu/mediatord/internal/pool"
	"libvirt-vgpu/mediatord/internal/refusal"
	"libvirt-vgpu/mediatord/internal/slot"
	"libvirt-vgpu/plugin/window"
	vgpuxml "libvirt-vgpu/xml"
)

// Change says what became of a new vgpu:gpu element of a domain in use, by the
// names of its attributes.
type Change struct {
	Applied []string // in force now
	Restart []string // in force with the domain's next start
}

// Check says whether the pool of a vgpu:gpu element admits what it asks for,
// whoever has the pool's slots at the moment.
func (m *Mediator) Check(ctx context.Context, metadata string) error {
	element, err := parseElement(metadata)
	if err != nil {
		return err
	}
	p, err := m.pool(element.Pool)
	if err != nil {
		return err
	}
	return p.Check(ctx, pool.Request{Priority: element.Priority, Memory: element.Memory})
}

// Change gives a domain in use what its new vgpu:gpu element says: priority,
// weight and memory at once, if its pool admits them all. It fails with the
// kinds of pool.Change, refusal.ErrMemoryInUse, ErrInvalidMetadata and
// ErrNoSuchDomain; then nothing has changed.
func (m *Mediator) Change(ctx context.Context, id window.UUID, metadata string) (Change, error) {
	element, err := parseElement(metadata)
	if err != nil {
		return Change{}, err
	}
	defer m.domains.lock(id)()
	h := m.slot(id)
	if h == nil {
		return Change{}, refusal.Because(refusal.ErrNoSuchDomain, "domain %s has no slot; vgpuctl status lists those that have", id)
	}
	return m.change(ctx, h, element)
}

// change needs the domain's lock.
func (m *Mediator) change(ctx context.Context, h *held, element vgpuxml.GPU) (Change, error) {
	var done Change
	if element.Window != h.Config.Window && h.Kind == slot.Domain {
		done.Restart = append(done.Restart, "window")
	}
	if element.Pool != h.pool.Name() {
		// What another pool admits shows when the domain starts in it.
		done.Restart = append(done.Restart, "pool")
		return done, nil
	}
	before := h.Settings()
	granted, _ := h.pool.Granted(h.UUID.String())
	grant, err := h.pool.Change(ctx, pool.Request{Owner: h.UUID.String(), Priority: element.Priority, Memory: element.Memory})
	if err != nil {
		return Change{}, err
	}
	after := slot.Settings{Priority: element.Priority, Weight: element.Weight, Memory: grant.Memory}
	if err := h.Slot.Change(after); err != nil {
		h.pool.Restore(granted)
		return Change{}, err
	}
	if r, ok := h.request.(ReserveRequest); ok {
		r.Metadata = element.Element()
		h.request = r
		if request, err := json.Marshal(r); err == nil {
			h.SetRequest(request)
		}
	}
	for _, c := range []struct {
		name    string
		changed bool
	}{
		{"memory", before.Memory != after.Memory},
		{"priority", before.Priority != after.Priority},
		{"weight", before.Weight != after.Weight},
	} {
		if c.changed {
			done.Applied = append(done.Applied, c.name)
		}
	}
	if len(done.Applied) > 0 {
		h.Log.WithFields(logrus.Fields{"memory": after.Memory, "priority": after.Priority, "weight": after.Weight}).Info("settings changed")
		m.observer.SlotChanged(h.UUID)
	}
	if before.Weight != after.Weight {
		m.weigh(h)
	}
	return done, nil
}

func parseElement(metadata string) (vgpuxml.GPU, error) {
	element, err := vgpuxml.ParseElement([]byte(metadata))
	if err != nil {
		return element, refusal.Because(refusal.ErrInvalidMetadata, "%v; correct the vgpu:gpu element in the domain's metadata", err)
	}
	return element, nil
}
