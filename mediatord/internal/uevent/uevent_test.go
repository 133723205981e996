package uevent

import (
	"context"
	"os"
	"testing"
	"time"
)

func TestParse(t *testing.T) {
	for name, tc := range map[string]struct {
		message string
		want    Event
		ok      bool
	}{
		"a GPU goes": {"remove@/devices/pci0000:00/0000:00:01.0/0000:01:00.0\x00ACTION=remove\x00SUBSYSTEM=pci\x00SEQNUM=7\x00",
			Event{Action: "remove", Path: "/devices/pci0000:00/0000:00:01.0/0000:01:00.0", Subsystem: "pci"}, true},
		"no keys": {"change@/x", Event{Action: "change", Path: "/x"}, true},
		"udev's":  {"libudev\x00\xfe\xed\xca\xfe", Event{}, false},
		"empty":   {"", Event{}, false},
	} {
		if got, ok := parse([]byte(tc.message)); got != tc.want || ok != tc.ok {
			t.Errorf("%s: got %+v, %v", name, got, ok)
		}
	}
}

// TestListen has the kernel send an event about /dev/null, where that is allowed,
// and ends in any case.
func TestListen(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	heard := make(chan Event, 64)
	ended := make(chan error, 1)
	go func() { ended <- Listen(ctx, func(e Event) { heard <- e }) }()
	const null = "/sys/class/mem/null/uevent"
	for sent := false; ctx.Err() == nil; {
		if os.WriteFile(null, []byte("change"), 0o200) == nil {
			sent = true
		}
		select {
		case e := <-heard:
			if e.Subsystem == "mem" && e.Action == "change" {
				cancel()
			}
		case <-time.After(20 * time.Millisecond):
			if !sent {
				t.Log("sysfs is read-only here: only the end is tested")
				cancel()
			}
		}
	}
	if context.Cause(ctx) == context.DeadlineExceeded {
		t.Error("the event did not come")
	}
	if err := <-ended; err != nil {
		t.Error(err)
	}
}
