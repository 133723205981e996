package trace

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"testing"
	"time"

	"libvirt-vgpu/mediatord/internal/events"
)

var update = flag.Bool("update", false, "write the golden files")

var start = time.Date(2026, 11, 3, 12, 30, 0, 0, time.UTC)

// log numbers events that happen a millisecond apart.
func log(all ...events.Event) []events.Event {
	for i := range all {
		all[i].Sequence = uint64(i) + 10
		all[i].Time = start.Add(time.Duration(i) * time.Millisecond)
		all[i].GPU, all[i].Pool = "soft", "gold"
	}
	return all
}

func of(domain string, kind events.Kind, channel int) events.Event {
	e := events.Event{Kind: kind, Domain: domain, DomainUUID: "uuid-" + domain, Channel: channel}
	if channel >= 0 {
		e.Executor, e.Process, e.Command = 100+channel, 7, "python3"
	}
	return e
}

func TestTrace(t *testing.T) {
	var out bytes.Buffer
	refused := events.Event{Kind: events.SlotRefused, Domain: "late", Channel: events.NoChannel, Text: "pool \"gold\" is full"}
	fault := of("web", events.Fault, 0)
	fault.Result, fault.Text = 700, "illegal address"
	used := of("web", events.GPUUsed, 0)
	used.Span = 300 * time.Microsecond
	err := Write(&out, log(
		of("old", events.ExecutorEnded, 3), // it began before the log
		of("web", events.SlotReserved, -1),
		of("web", events.DomainStarted, -1),
		of("web", events.ExecutorStarted, 0),
		of("web", events.ExecutorReady, 0),
		of("web", events.LeaseGranted, 0),
		used,
		of("web", events.LeaseEnded, 0),
		of("train", events.SlotReserved, -1),
		of("train", events.ExecutorStarted, 0),
		of("train", events.LeaseGranted, 0),
		of("web", events.LeaseGranted, 0), // both at once
		refused,
		fault,
		of("web", events.ExecutorEnded, 0), // with its lease
		of("web", events.SlotReleased, -1), // with all that runs in it
		of("train", events.ProcessParked, 0),
		of("train", events.ProcessResumed, 0),
	))
	if err != nil {
		t.Fatal(err)
	}
	golden := filepath.Join("testdata", "trace.json")
	if *update {
		if err := os.WriteFile(golden, out.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if out.String() != string(want) {
		t.Errorf("%s differs; -update writes it. Got:\n%s", golden, out.String())
	}
}

// What viewers rely on holds for a long log without sense: no bar begins before
// the log or ends after it, and every track has a name.
func TestTraceIsWellFormed(t *testing.T) {
	var all []events.Event
	kinds := events.Kinds()
	for i := range 5000 {
		n := i * 7919
		all = append(all, of([]string{"a", "b", "c"}[n%3], kinds[n/3%len(kinds)], n/7%4))
	}
	var out bytes.Buffer
	if err := Write(&out, log(all...)); err != nil {
		t.Fatal(err)
	}
	var got struct {
		TraceEvents []struct {
			Ph       string
			Pid, Tid int
			Ts, Dur  float64
		}
	}
	if err := json.Unmarshal(out.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	bars := 0
	named := map[track]bool{}
	for _, e := range got.TraceEvents {
		if e.Ph == metadata {
			named[track{e.Pid, e.Tid}] = true
			continue
		}
		if !named[track{e.Pid, e.Tid}] {
			t.Fatalf("%+v lies on a track without a name", e)
		}
		if e.Ts < 0 || e.Dur < 0 || e.Ts+e.Dur > 5000*1000 {
			t.Fatalf("%+v leaves the log", e)
		}
		if e.Ph == complete {
			bars++
		}
	}
	if bars < 300 {
		t.Errorf("%d bars", bars)
	}
}

func TestTraceOfNothing(t *testing.T) {
	var out bytes.Buffer
	if err := Write(&out, nil); err != nil || !json.Valid(out.Bytes()) {
		t.Errorf("%v: %s", err, out.String())
	}
}
