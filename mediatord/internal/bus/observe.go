package bus

import (
	"strings"

	"github.com/godbus/dbus/v5"

	"libvirt-vgpu/mediatord/internal/events"
	"libvirt-vgpu/plugin/window"
)

// Event is an events.Event on the bus: (txsssssiuusust).
type Event struct {
	Sequence   uint64
	Time       int64 // nanoseconds since 1970
	Kind       string
	Domain     string
	DomainUUID string
	Pool       string
	GPU        string
	Channel    int32 // -1: the whole slot
	Executor   uint32
	Process    uint32
	Command    string
	Result     uint32
	Text       string
	Span       uint64 // nanoseconds
}

// maxEvents bounds one answer; the caller asks again after its last event.
const maxEvents = 4096

// Events returns what happened after event number since, the oldest first.
func (m *manager) Events(since uint64) ([]Event, *dbus.Error) {
	answer := []Event{}
	for _, e := range m.bus.mediator.Events(since, maxEvents) {
		answer = append(answer, toEvent(e))
	}
	return answer, nil
}

func toEvent(e events.Event) Event {
	return Event{
		Sequence: e.Sequence, Time: e.Time.UnixNano(), Kind: string(e.Kind), Domain: utf8(e.Domain), DomainUUID: e.DomainUUID,
		Pool: utf8(e.Pool), GPU: utf8(e.GPU), Channel: int32(e.Channel), Executor: uint32(e.Executor), Process: e.Process,
		Command: utf8(e.Command), Result: e.Result, Text: utf8(e.Text), Span: uint64(max(e.Span, 0)),
	}
}

// statistics are counters by name; names never change their meaning.
func statistics(s window.Statistics) map[string]uint64 {
	return map[string]uint64{
		"Calls": s.Calls, "Waits": s.Waits, "Launches": s.Launches, "GraphLaunches": s.GraphLaunches,
		"BytesIn": s.BytesIn, "BytesOut": s.BytesOut, "BytesWithin": s.BytesWithin, "GPUTime": s.GPUTime,
	}
}

// utf8 is text as the bus takes it: a cut in the middle of a letter, or a guest,
// may have left something else.
func utf8(text string) string { return strings.ReplaceAll(strings.ToValidUTF8(text, "?"), "\x00", "?") }
