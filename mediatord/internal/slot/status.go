package slot

import (
	"libvirt-vgpu/mediatord/internal/events"
	"libvirt-vgpu/mediatord/internal/reconcile"
)

// Status is a slot as the operator sees it.
type Status struct {
	UUID       string
	Name       string
	Kind       Kind
	Pool       string
	Priority   string
	Weight     int
	State      State
	Connected  bool
	SocketPath string
	GPU        string // as the pool file names it
	Window     uint64 // bytes
	Quota      uint64 // bytes
	MemoryUsed uint64 // bytes
	Parked     uint64 // of MemoryUsed, bytes that lie in host memory
	// ContextsParked is how many of its processes have their contexts there too.
	ContextsParked int
	Channels       []reconcile.ChannelStatus
	Refused        map[string]uint64 // calls that are not carried, by name
	Totals         reconcile.Totals
}

// Status reads the slot's state of this moment.
func (s *Slot) Status() Status {
	s.mu.Lock()
	state, settings := s.state, s.settings
	s.mu.Unlock()
	status := Status{
		UUID: s.UUID.String(), Name: s.Name, Kind: s.Kind, Pool: s.Pool, Priority: string(settings.Priority), Weight: settings.Weight,
		State: state, Connected: s.Connected(), SocketPath: s.Socket.Path, GPU: s.Grant.Device.Name, Window: s.Config.Window,
		Quota: settings.Memory, Channels: s.ChannelStatus(), Refused: s.loop.Refused(), Totals: s.loop.Totals(),
	}
	for _, c := range status.Channels {
		status.MemoryUsed += c.MemoryUsed
		status.Parked += c.Parked
		if c.ContextParked {
			status.ContextsParked++
		}
	}
	return status
}

// record tells of an event of an executor as one of this slot.
func (s *Slot) record(e events.Event) {
	if s.Record == nil {
		return
	}
	e.Domain, e.DomainUUID, e.Pool, e.GPU = s.Name, s.UUID.String(), s.Pool, s.Grant.Device.Name
	s.Record(e)
}

// recordState tells of an event of the whole slot.
func (s *Slot) recordState(kind events.Kind) {
	s.record(events.Event{Kind: kind, Channel: events.NoChannel})
}
