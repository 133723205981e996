package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"os/exec"
	"testing"
	"time"

	"libvirt-vgpu/plugin/window"
)

func TestCostIsWhatGoesAndComesBack(t *testing.T) {
	failed := errors.New("failed")
	for _, tc := range []struct {
		name       string
		free       []uint64 // before, during, after
		take, give error
		want       uint64
		fails      bool
	}{
		{"alone", []uint64{1000 * mib, 482 * mib, 1000 * mib}, nil, nil, 518 * mib, false},
		{"somebody allocates first", []uint64{1000 * mib, 382 * mib, 900 * mib}, nil, nil, 518 * mib, false},
		{"somebody allocates later", []uint64{1000 * mib, 482 * mib, 900 * mib}, nil, nil, 418 * mib, false},
		{"somebody frees meanwhile", []uint64{1000 * mib, 1100 * mib, 1618 * mib}, nil, nil, 0, false},
		{"it costs nothing", []uint64{5, 5, 5}, nil, nil, 0, false},
		{"too much to be one", []uint64{9000 * mib, 0, 9000 * mib}, nil, nil, 0, true},
		{"it does not come", []uint64{1, 1, 1}, failed, nil, 0, true},
		{"it does not go", []uint64{1, 1, 1}, nil, failed, 0, true},
	} {
		at := -1
		free := func() uint64 { at++; return tc.free[at] }
		got, err := cost(free, func() error { return tc.take }, func() error { return tc.give })
		if got != tc.want || (err != nil) != tc.fails {
			t.Errorf("%s: %d, %v", tc.name, got, err)
		}
	}
}

func TestHiddenContextsAreMeasuredAgain(t *testing.T) {
	failed := errors.New("failed")
	for _, tc := range []struct {
		name   string
		within time.Duration
		seen   []uint64
		fails  bool
		tries  int
		want   uint64
	}{
		{"seen at once", time.Hour, []uint64{5}, false, 1, 5},
		{"hidden twice", time.Hour, []uint64{0, 0, 7}, false, 3, 7},
		{"hidden for too long", 0, []uint64{0}, false, 1, 0},
		{"failed", time.Hour, nil, true, 1, 0},
	} {
		tries := 0
		got, err := untilSeen(tc.within, func() (uint64, error) {
			tries++
			if tc.fails {
				return 0, failed
			}
			return tc.seen[tries-1], nil
		})
		if got != tc.want || tries != tc.tries || (err != nil) != tc.fails {
			t.Errorf("%s: %d in %d tries, %v", tc.name, got, tries, err)
		}
	}
}

// On a GPU a context costs hundreds of MiB; the one in software says that it costs
// nothing, and that it has looked.
func TestDescriptionHasTheCostOfContexts(t *testing.T) {
	var stderr bytes.Buffer
	cmd := exec.Command(executorBinary, "--backend", testBackend(), "--gpu", "0", "--describe")
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil || stderr.Len() > 0 {
		t.Fatalf("%v: %s", err, &stderr)
	}
	var d window.Description
	if err := json.Unmarshal(out, &d); err != nil {
		t.Fatal(err)
	}
	if soft := testBackend() == "soft"; soft != (d.ContextMemory == 0) || d.MoreContextMemory > d.ContextMemory {
		t.Errorf("contexts cost %d and %d", d.ContextMemory, d.MoreContextMemory)
	}
}
