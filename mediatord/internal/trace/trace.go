// Package trace draws an event log as a Chrome trace, which https://ui.perfetto.dev
// and chrome://tracing show: one process per domain with a track for the slot and
// one for each channel, and one process per GPU in which every use of it is a bar,
// so that a person sees who ran when.
package trace

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"time"

	"libvirt-vgpu/mediatord/internal/events"
)

// record is one entry of the trace event format.
type record struct {
	Phase string         `json:"ph"`
	Name  string         `json:"name"`
	PID   int            `json:"pid"`
	TID   int            `json:"tid"`
	Time  float64        `json:"ts"`            // microseconds since the first event
	Span  *float64       `json:"dur,omitempty"` // microseconds, of a complete event
	Scope string         `json:"s,omitempty"`   // of an instant
	Args  map[string]any `json:"args,omitempty"`
}

// Phases.
const (
	complete = "X"
	instant  = "i"
	metadata = "M"
)

// slotTrack is the track of what happens to the whole slot; channel n is track
// channelTrack + n.
const (
	slotTrack    = 0
	channelTrack = 1
)

// Write draws a log. What had begun before its first event is drawn from there
// on, what has not ended up to its last.
func Write(w io.Writer, log []events.Event) error {
	d := drawing{open: map[key]span{}, pids: map[string]int{}, tracks: map[track]string{}}
	for _, e := range log {
		d.first, d.last = earliest(d.first, e.Time), latest(d.last, e.Time.Add(max(e.Span, 0)))
	}
	for _, e := range log {
		d.event(e)
	}
	d.closeAll()
	d.name()
	answer := struct {
		Unit    string         `json:"displayTimeUnit"`
		Other   map[string]any `json:"otherData"`
		Records []record       `json:"traceEvents"`
	}{"ms", map[string]any{"start": d.first.UTC().Format(time.RFC3339Nano)}, d.records}
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", " ")
	if err := encoder.Encode(answer); err != nil {
		return fmt.Errorf("writing trace: %w", err)
	}
	return nil
}

func earliest(a, b time.Time) time.Time {
	if a.IsZero() || b.Before(a) {
		return b
	}
	return a
}

func latest(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

// track is where a bar lies.
type track struct{ pid, tid int }

// key names a bar that is open: one of each sort on a track.
type key struct {
	track
	sort string
}

type span struct {
	name  string
	since time.Time
	args  map[string]any
}

type drawing struct {
	first, last time.Time
	records     []record
	open        map[key]span
	pids        map[string]int   // of domains by UUID and of GPUs by name
	tracks      map[track]string // their names
	labels      []string         // of pids, in order
}

// The sorts of bars.
const (
	slotBar     = "slot"
	runningBar  = "running"
	executorBar = "executor"
	startingBar = "starting"
	parkedBar   = "parked"
	leaseBar    = "lease"
)

func (d *drawing) event(e events.Event) {
	if e.DomainUUID == "" { // refused before it had an identity
		d.instant(d.slot(e), e)
		return
	}
	switch e.Kind {
	case events.SlotReserved:
		d.begin(d.slot(e), slotBar, "slot in pool "+e.Pool, e)
	case events.SlotReleased:
		d.endDomain(e)
	case events.DomainStarted:
		d.begin(d.slot(e), runningBar, "running", e)
	case events.DomainStopped:
		d.end(d.slot(e), runningBar, "running", e)
	case events.ExecutorStarted:
		d.begin(d.channel(e), executorBar, process(e), e)
		d.begin(d.channel(e), startingBar, "starting", e)
	case events.ExecutorReady:
		d.end(d.channel(e), startingBar, "starting", e)
	case events.ExecutorEnded:
		d.finish(d.channel(e), e.Time, leaseBar, parkedBar, startingBar)
		d.end(d.channel(e), executorBar, process(e), e)
	case events.ProcessParked:
		d.begin(d.channel(e), parkedBar, "parked", e)
	case events.ProcessResumed:
		d.end(d.channel(e), parkedBar, "parked", e)
	case events.LeaseGranted:
		d.begin(d.channel(e), leaseBar, "may use the GPU", e)
	case events.LeaseEnded:
		d.end(d.channel(e), leaseBar, "may use the GPU", e)
	case events.GPUUsed:
		d.bar(d.channel(e), "uses the GPU", e.Time, e.Time.Add(e.Span), arguments(e))
		d.bar(d.gpu(e), e.Domain, e.Time, e.Time.Add(e.Span), arguments(e))
	case events.ChannelFailed, events.Fault, events.WatchdogFired:
		d.instant(d.channel(e), e)
	case events.XidReported:
		if e.Channel == events.NoChannel {
			d.instant(d.slot(e), e)
		} else {
			d.instant(d.channel(e), e)
		}
	default:
		d.instant(d.slot(e), e)
	}
}

func process(e events.Event) string {
	if e.Process == 0 {
		return "executor"
	}
	return fmt.Sprintf("%s [%d]", e.Command, e.Process)
}

func (d *drawing) begin(t track, sort, name string, e events.Event) {
	d.finish(t, e.Time, sort) // its end was dropped
	d.open[key{t, sort}] = span{name, e.Time, arguments(e)}
}

// end closes a bar, or draws it from the start of the log.
func (d *drawing) end(t track, sort, name string, e events.Event) {
	if _, began := d.open[key{t, sort}]; !began {
		d.open[key{t, sort}] = span{name, d.first, arguments(e)}
	}
	d.finish(t, e.Time, sort)
}

// finish closes bars that are open.
func (d *drawing) finish(t track, at time.Time, sorts ...string) {
	for _, sort := range sorts {
		if s, began := d.open[key{t, sort}]; began {
			delete(d.open, key{t, sort})
			d.bar(t, s.name, s.since, at, s.args)
		}
	}
}

func (d *drawing) bar(t track, name string, from, to time.Time, args map[string]any) {
	length := micros(max(to.Sub(from), 0))
	d.records = append(d.records, record{Phase: complete, Name: name, PID: t.pid, TID: t.tid, Time: micros(from.Sub(d.first)), Span: &length, Args: args})
}

// endDomain closes everything of the domain; its slot's bar is the last.
func (d *drawing) endDomain(e events.Event) {
	own := d.slot(e)
	for _, k := range d.sorted() {
		if k.pid == own.pid && k.sort != slotBar {
			d.finish(k.track, e.Time, k.sort)
		}
	}
	d.end(own, slotBar, "slot in pool "+e.Pool, e)
}

func (d *drawing) closeAll() {
	for _, k := range d.sorted() {
		d.finish(k.track, d.last, k.sort)
	}
}

func (d *drawing) sorted() []key {
	var keys []key
	for k := range d.open {
		keys = append(keys, k)
	}
	slices.SortFunc(keys, func(a, b key) int {
		if a.pid != b.pid {
			return a.pid - b.pid
		}
		if a.tid != b.tid {
			return a.tid - b.tid
		}
		return slices.Compare([]byte(a.sort), []byte(b.sort))
	})
	return keys
}

func (d *drawing) instant(t track, e events.Event) {
	d.records = append(d.records, record{Phase: instant, Name: string(e.Kind), PID: t.pid, TID: t.tid, Time: micros(e.Time.Sub(d.first)), Scope: "t", Args: arguments(e)})
}

func arguments(e events.Event) map[string]any {
	all := map[string]any{"event": e.Sequence}
	if e.Executor != 0 {
		all["executor"] = e.Executor
	}
	if e.Result != 0 {
		all["result"] = e.Result
	}
	if e.Text != "" {
		all["text"] = e.Text
	}
	return all
}

func micros(d time.Duration) float64 { return float64(d.Nanoseconds()) / 1e3 }

// slot is the track of a domain's slot.
func (d *drawing) slot(e events.Event) track {
	return d.place("domain "+e.Domain+" "+e.DomainUUID, "domain "+e.Domain, slotTrack, "slot")
}

func (d *drawing) channel(e events.Event) track {
	if e.Channel < 0 {
		return d.slot(e)
	}
	return d.place("domain "+e.Domain+" "+e.DomainUUID, "domain "+e.Domain, channelTrack+e.Channel, fmt.Sprintf("channel %d", e.Channel))
}

// gpu is a track of the GPU for one channel of one domain, so that stretches
// which overlap do not cover each other.
func (d *drawing) gpu(e events.Event) track {
	own := d.channel(e)
	return d.place("gpu "+e.GPU, "GPU "+e.GPU, own.pid<<8|own.tid, fmt.Sprintf("%s, channel %d", e.Domain, e.Channel))
}

func (d *drawing) place(id, label string, tid int, name string) track {
	pid, known := d.pids[id]
	if !known {
		pid = len(d.pids) + 1
		d.pids[id] = pid
		d.labels = append(d.labels, label)
	}
	t := track{pid, tid}
	d.tracks[t] = name
	return t
}

// name tells the viewer what the numbers are.
func (d *drawing) name() {
	var named []record
	for i, label := range d.labels {
		named = append(named, record{Phase: metadata, Name: "process_name", PID: i + 1, Args: map[string]any{"name": label}})
	}
	var tracks []track
	for t := range d.tracks {
		tracks = append(tracks, t)
	}
	slices.SortFunc(tracks, func(a, b track) int {
		if a.pid != b.pid {
			return a.pid - b.pid
		}
		return a.tid - b.tid
	})
	for _, t := range tracks {
		named = append(named, record{Phase: metadata, Name: "thread_name", PID: t.pid, TID: t.tid, Args: map[string]any{"name": d.tracks[t]}})
	}
	d.records = append(named, d.records...)
}
