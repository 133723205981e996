package events

import (
	"strings"
	"testing"
	"time"
)

// clock counts seconds.
func clock() func() time.Time {
	at := time.Unix(1_700_000_000, 0)
	return func() time.Time {
		at = at.Add(time.Second)
		return at
	}
}

func TestLogKeepsOrderAndNumbers(t *testing.T) {
	l := New(clock())
	given := time.Unix(5, 0)
	l.Record(Event{Kind: SlotReserved, Domain: "a"})
	l.Record(Event{Kind: LeaseGranted, Domain: "a", Time: given})
	l.Record(Event{Kind: ExecutorStarted, Domain: "a"})
	got := l.Since(0, 10)
	if len(got) != 3 || got[0].Kind != SlotReserved || got[1].Kind != LeaseGranted || got[2].Kind != ExecutorStarted {
		t.Fatalf("log has %+v", got)
	}
	for i, e := range got {
		if e.Sequence != uint64(i)+1 {
			t.Errorf("event %d has number %d", i, e.Sequence)
		}
	}
	if got[0].Time.Unix() != 1_700_000_001 || !got[1].Time.Equal(given) {
		t.Errorf("times are %v and %v", got[0].Time, got[1].Time)
	}
	if got := l.Since(1, 1); len(got) != 1 || got[0].Sequence != 2 {
		t.Errorf("after the first comes %+v", got)
	}
	if got := l.Since(3, 10); len(got) != 0 {
		t.Errorf("after the last comes %+v", got)
	}
}

func TestDecisionsDoNotDriveLivesOut(t *testing.T) {
	l := New(clock())
	l.Record(Event{Kind: SlotReserved})
	for range keptDecisions + 1000 {
		l.Record(Event{Kind: LeaseGranted})
	}
	l.Record(Event{Kind: Fault})
	all := l.Since(0, 2*keptDecisions)
	if len(all) != keptDecisions+2 || all[0].Kind != SlotReserved || all[len(all)-1].Kind != Fault {
		t.Fatalf("%d events, from %s to %s", len(all), all[0].Kind, all[len(all)-1].Kind)
	}
	if counts := l.Counts(); counts[LeaseGranted] != keptDecisions+1000 || counts[Fault] != 1 {
		t.Errorf("counts are %v", counts)
	}
	if all[1].Sequence != 1002 {
		t.Errorf("the oldest decision is number %d", all[1].Sequence)
	}
	for i := 1; i < len(all); i++ {
		if all[i].Sequence <= all[i-1].Sequence {
			t.Fatalf("number %d after %d", all[i].Sequence, all[i-1].Sequence)
		}
	}
	// a reader who pages misses nothing that is kept
	var paged int
	for last := uint64(0); ; {
		page := l.Since(last, 1000)
		if len(page) == 0 {
			break
		}
		paged += len(page)
		last = page[len(page)-1].Sequence
	}
	if paged != len(all) {
		t.Errorf("pages have %d events of %d", paged, len(all))
	}
}

func TestTextsAreBounded(t *testing.T) {
	l := New(clock())
	l.Record(Event{Kind: SlotRefused, Domain: strings.Repeat("d", 1<<20), Text: strings.Repeat("x", 1<<20)})
	if e := l.Since(0, 1)[0]; len(e.Domain) != maxText || len(e.Text) != maxText {
		t.Errorf("the log keeps %d and %d bytes", len(e.Domain), len(e.Text))
	}
}

func TestNoLog(t *testing.T) {
	var l *Log
	l.Record(Event{Kind: Fault})
	(&Log{}).Record(Event{Kind: Fault})
	if l.Since(0, 5) != nil {
		t.Error("no log has events")
	}
}
