package main

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"libvirt-vgpu/mediatord/internal/bus"
	"libvirt-vgpu/mediatord/internal/daemontest"
)

// pages answers like mediatord, two events at a time.
func pages(all []bus.Event) func(context.Context, uint64) ([]bus.Event, error) {
	return func(_ context.Context, since uint64) ([]bus.Event, error) {
		var page []bus.Event
		for _, e := range all {
			if e.Sequence > since && len(page) < 2 {
				page = append(page, e)
			}
		}
		return page, nil
	}
}

func someEvents() []bus.Event {
	at := time.Date(2026, 11, 3, 12, 30, 0, 5e6, time.UTC).UnixNano()
	return []bus.Event{
		{Sequence: 3, Time: at, Kind: "slot-reserved", Domain: "web", DomainUUID: "u-1", Pool: "gold", GPU: "soft", Channel: -1},
		{Sequence: 4, Time: at + 1e6, Kind: "executor-started", Domain: "web", DomainUUID: "u-1", Pool: "gold", GPU: "soft", Executor: 9, Process: 77, Command: "python3"},
		{Sequence: 8, Time: at + 2e6, Kind: "lease-granted", Domain: "web", DomainUUID: "u-1", Pool: "gold", GPU: "soft", Executor: 9, Process: 77, Command: "python3"},
		{Sequence: 9, Time: at + 2e6, Kind: "gpu-used", Domain: "web", DomainUUID: "u-1", Pool: "gold", GPU: "soft", Executor: 9, Process: 77, Command: "python3", Span: 350_000},
		{Sequence: 10, Time: at + 3e6, Kind: "fault", Domain: "web", DomainUUID: "u-1", Pool: "gold", GPU: "soft", Executor: 9, Process: 77, Command: "python3", Result: 700, Text: "illegal\x1b[2J address"},
		{Sequence: 11, Time: at + 4e6, Kind: "slot-refused", Domain: "other", Channel: -1, Text: `there is no pool "lead"; the pools are gold`},
	}
}

func TestEventsInEveryFormat(t *testing.T) {
	local := time.Local
	time.Local = time.UTC
	defer func() { time.Local = local }()
	for name, o := range map[string]eventOptions{
		"events.golden":        {format: formatText},
		"events-leases.golden": {format: formatText, leases: true, domain: "web"},
		"events.json":          {format: formatJSON},
	} {
		var out bytes.Buffer
		if err := o.show(context.Background(), &out, pages(someEvents())); err != nil {
			t.Fatal(err)
		}
		golden(t, name, out.String())
	}
	var out bytes.Buffer
	if err := (eventOptions{format: formatTrace}).show(context.Background(), &out, pages(someEvents())); err != nil {
		t.Fatal(err)
	}
	var drawn struct {
		TraceEvents []struct{ Ph, Name string }
	}
	if err := json.Unmarshal(out.Bytes(), &drawn); err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range drawn.TraceEvents {
		if e.Ph != "M" {
			names = append(names, e.Name)
		}
	}
	for _, name := range []string{"slot in pool gold", "python3 [77]", "may use the GPU", "uses the GPU", "fault", "slot-refused"} {
		if !strings.Contains(strings.Join(names, "|"), name) {
			t.Errorf("%q is not drawn: %v", name, names)
		}
	}
}

func TestEventsGoOn(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	asked := 0
	var out bytes.Buffer
	err := (eventOptions{format: formatText, follow: true}).show(ctx, &out, func(ctx context.Context, since uint64) ([]bus.Event, error) {
		asked++
		switch asked {
		case 2:
			return someEvents()[:1], nil
		case 3:
			cancel()
		}
		return nil, nil
	})
	if err != nil || asked != 3 || !strings.Contains(out.String(), "slot-reserved") {
		t.Errorf("%v after %d questions: %q", err, asked, out.String())
	}
}

func TestEventsOfARunningMediatord(t *testing.T) {
	d := daemontest.Start(t, daemontest.Bus(t), map[string]string{"default": `gpus = ["soft"]`})
	_, hold, err := openSession(context.Background(), d.Address, "default", "low", 1<<30, "training")
	if err != nil {
		t.Fatal(err)
	}
	defer hold.Close()
	code, out, errs := vgpuctl("events", "--bus", d.Address)
	if code != 0 || !strings.Contains(out, "slot-reserved     training  pool default") {
		t.Errorf("status %d, %q\n%s", code, errs, out)
	}
	if code, out, errs := vgpuctl("events", "--bus", d.Address, "--domain", "trainin"); code != 0 || out != "" || !strings.Contains(errs, "nothing of domain trainin") {
		t.Errorf("a name that nobody has: status %d, %q, %q", code, out, errs)
	}
	path := filepath.Join(t.TempDir(), "trace.json")
	if code, out, errs := vgpuctl("events", "--bus", d.Address, "--format", "trace", "-o", path); code != 0 || out != "" {
		t.Errorf("status %d, %q, %q", code, out, errs)
	}
	if text, err := os.ReadFile(path); err != nil || !json.Valid(text) || !bytes.Contains(text, []byte("domain training")) {
		t.Errorf("%v: %s", err, text)
	}
	for _, bad := range [][]string{{"--format", "xml"}, {"--format", "trace", "--follow"}, {"-o", "/nonexistent/x"}} {
		if code, _, errs := vgpuctl(append([]string{"events", "--bus", d.Address}, bad...)...); code != 1 || !strings.Contains(errs, "--") {
			t.Errorf("%v: status %d, %q", bad, code, errs)
		}
	}
}
