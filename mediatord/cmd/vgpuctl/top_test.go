package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"libvirt-vgpu/mediatord/internal/daemontest"
)

var update = flag.Bool("update", false, "write the golden files")

// golden compares with a file of testdata.
func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s differs; -update writes it. Got:\n%s", path, got)
	}
}

func counts(calls, launches, bytes, nanoseconds uint64) activity {
	return activity{Statistics: map[string]uint64{"Calls": calls, "Launches": launches, "BytesIn": bytes, "GPUTime": nanoseconds}}
}

// twoMoments is a host with four slots, two seconds apart.
func twoMoments() (before, now sample) {
	at := time.Date(2026, 11, 3, 12, 30, 0, 0, time.UTC)
	pools := []poolStatus{{Name: "gold", Slots: 8}, {Name: "default", Slots: 16}}
	before = sample{at: at, status: status{Pools: pools, Slots: []slotStatus{
		{UUID: "1", DomainName: "web", activity: counts(1000, 10, 0, 1_000_000_000), Channels: []channelStatus{
			{Channel: 0, ExecutorPID: 100, activity: counts(900, 10, 0, 1_000_000_000)},
			{Channel: 1, ExecutorPID: 101, activity: counts(100, 0, 0, 0)},
		}},
		{UUID: "2", DomainName: "training", activity: counts(5, 0, 0, 500_000_000)},
		{UUID: "3", DomainName: "idle", activity: counts(70, 0, 0, 0)},
	}}}
	now = sample{at: at.Add(2 * time.Second), status: status{Pools: pools, Slots: []slotStatus{
		{UUID: "3", DomainName: "idle", Pool: "default", Priority: "normal", State: "running", MemoryQuota: 1 << 30, activity: counts(70, 0, 0, 0)},
		{UUID: "1", DomainName: "web", Kind: "domain", Pool: "gold", Priority: "high", Weight: 100, State: "running",
			MemoryUsed: 3<<30 + 5<<20, MemoryQuota: 16 << 30,
			activity: counts(47_000, 4010, 8<<20, 1_500_000_000), Channels: []channelStatus{
				{Channel: 0, PID: 812, Comm: "ollama", State: "ready", ExecutorPID: 100, Queued: 640, MemoryUsed: 3 << 30, activity: counts(46_900, 4010, 8<<20, 1_500_000_000)},
				// the first process of the channel has ended, this one is new
				{Channel: 1, PID: 900, Comm: "python3", State: "ready", ExecutorPID: 102, Queued: 1 << 10, MemoryUsed: 5 << 20, Parked: 4 << 20, ContextParked: true, activity: counts(60, 0, 0, 0)},
			}},
		{UUID: "2", DomainName: "training-of-a-very-long-name\x1b[2J", Pool: "default-pool", Priority: "low", State: "running",
			MemoryUsed: 130 << 30, MemoryQuota: 140<<30 + 1, activity: counts(1_000_005, 0, 0, 1_900_000_000), RefusedCalls: map[string]uint64{"cuFoo": 1200, "cuBar": 3}, ExecutorsExpired: 2},
		{UUID: "4", DomainName: "new", Pool: "default", Priority: "normal", State: "reserved", MemoryQuota: 64 << 20, activity: counts(0, 0, 0, 0)},
	}}}
	return before, now
}

func TestTopFrame(t *testing.T) {
	f := newFrame(twoMoments())
	golden(t, "top.golden", f.text(80, false))
	golden(t, "top-processes.golden", f.text(80, true))
	text, err := json.MarshalIndent(f, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "top.json", string(text)+"\n")
	for _, width := range []int{0, 80, 81, 200} {
		for line := range strings.Lines(f.text(width, true)) {
			if n := utf8.RuneCountInString(strings.TrimSuffix(line, "\n")); n > max(width, 80) || strings.ContainsRune(line, '\x1b') {
				t.Errorf("%d letters at width %d: %q", n, width, line)
			}
		}
	}
}

func TestTopRates(t *testing.T) {
	for n, want := range map[float64]string{0: "0", 0.4: "0", 999: "999", 999.6: "1.0k", 9949: "9.9k", 9951: "10k", 999_400: "999k", 1e6: "1.0M", 2e12: "2.0T", 1e18: "many"} {
		if got := rate(n); got != want {
			t.Errorf("%v is %s, want %s", n, got, want)
		}
	}
}

// two looks at the same moment, and counters that went back, divide nothing
func TestTopWithoutTime(t *testing.T) {
	before, now := twoMoments()
	for _, f := range []frame{newFrame(now, now), newFrame(now, before)} {
		for _, d := range f.Domains {
			if d.Calls != 0 || d.Copied != 0 {
				t.Errorf("%s does %v calls a second", d.Name, d.Calls)
			}
		}
	}
}

// pictures takes each frame as it is drawn.
type pictures chan string

func (p pictures) Write(text []byte) (int, error) {
	p <- string(text)
	return len(text), nil
}

func TestTopWatch(t *testing.T) {
	before, now := twoMoments()
	keys, ticks, screen := make(chan byte), make(chan time.Time), make(pictures)
	answers := []func() (sample, error){
		func() (sample, error) { return before, nil },
		func() (sample, error) { return now, nil },
		func() (sample, error) { return sample{}, errors.New("mediatord is not running") },
		func() (sample, error) { return now, nil },
	}
	w := watcher{
		screen: screen, keys: keys, ticks: ticks, size: func() (int, int) { return 80, 24 },
		read: func() (sample, error) {
			answer := answers[0]
			answers = answers[1:]
			return answer()
		},
	}
	done := make(chan error)
	go func() { done <- w.run(context.Background()) }()
	look := func(what string, has string, hasNot string) {
		t.Helper()
		select {
		case picture := <-screen:
			if !strings.Contains(picture, has) || strings.Contains(picture, hasNot) {
				t.Errorf("%s: %q", what, picture)
			}
		case <-time.After(time.Minute):
			t.Fatalf("%s: nothing was drawn", what)
		}
	}
	look("at first", "web", "23k")
	ticks <- time.Time{}
	look("after an interval", "23k", "ollama")
	ticks <- time.Time{}
	look("without mediatord", "mediatord is not running", "ollama")
	keys <- 'p'
	look("with processes", "  ollama", "nobody")
	ticks <- time.Time{}
	look("with mediatord again", "web", "not running")
	keys <- 'q'
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func TestTopOnASmallTerminal(t *testing.T) {
	var screen bytes.Buffer
	w := watcher{screen: &screen, size: func() (int, int) { return 40, 4 }}
	if err := w.draw(newFrame(twoMoments())); err != nil {
		t.Fatal(err)
	}
	drawn := strings.TrimSuffix(strings.TrimPrefix(screen.String(), home), clearBelow)
	lines := strings.Split(drawn, "\r\n")
	if len(lines) != 4 {
		t.Errorf("%d lines on a terminal of four", len(lines))
	}
	for _, line := range lines {
		if n := utf8.RuneCountInString(strings.TrimSuffix(line, clearLine)); n > 40 {
			t.Errorf("%d letters on a terminal of forty: %q", n, line)
		}
	}
}

func TestTopOfARunningMediatord(t *testing.T) {
	d := daemontest.Start(t, daemontest.Bus(t), map[string]string{"default": `gpus = ["soft"]`})
	_, hold, err := openSession(context.Background(), d.Address, "default", "low", 1<<30, "training")
	if err != nil {
		t.Fatal(err)
	}
	defer hold.Close()
	code, out, errs := vgpuctl("top", "--bus", d.Address, "--once", "--interval", "100ms")
	if code != 0 || !strings.Contains(out, "1 of 8 slots used") || !strings.Contains(out, "training") {
		t.Errorf("status %d, %q\n%s", code, errs, out)
	}
	code, out, errs = vgpuctl("top", "--bus", d.Address, "--json", "--interval", "100ms")
	var f frame
	if err := json.Unmarshal([]byte(out), &f); err != nil || code != 0 || len(f.Domains) != 1 || f.Domains[0].Name != "training" || f.Seconds < 0.1 {
		t.Errorf("status %d, %q, %v\n%s", code, errs, err, out)
	}
	if code, _, errs := vgpuctl("top", "--bus", d.Address); code != 1 || !strings.Contains(errs, "--once") {
		t.Errorf("without a terminal: status %d, %q", code, errs)
	}
	if code, _, errs := vgpuctl("top", "--bus", d.Address, "--once", "--interval", "1ms"); code != 1 || !strings.Contains(errs, "--interval") {
		t.Errorf("status %d, %q", code, errs)
	}
}
