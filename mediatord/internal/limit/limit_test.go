package limit

import (
	"testing"
	"time"

	"github.com/sirupsen/logrus"
	logtest "github.com/sirupsen/logrus/hooks/test"
)

func TestBucket(t *testing.T) {
	now := time.Unix(1000, 0)
	b := NewBucket(10, 3)
	for i := range 3 {
		if ok, _ := b.Take(now); !ok {
			t.Fatalf("token %d of the burst was refused", i)
		}
	}
	if ok, missed := b.Take(now); ok || missed != 1 {
		t.Errorf("an empty bucket gave %v, missed %d", ok, missed)
	}
	wait := b.Wait(now)
	if wait < 90*time.Millisecond || wait > 110*time.Millisecond {
		t.Errorf("waits %v", wait)
	}
	if ok, missed := b.Take(now.Add(wait)); !ok || missed != 1 {
		t.Errorf("after the wait: %v, missed %d", ok, missed)
	}
	later := now.Add(time.Hour)
	got := 0
	for ok := true; ok; got++ {
		ok, _ = b.Take(later)
	}
	if got-1 != 3 {
		t.Errorf("an hour gave %d tokens", got-1)
	}
}

func TestLoggerLimitsAFlood(t *testing.T) {
	inner, hook := logtest.NewNullLogger()
	l := Logger(inner.WithField("domain", "web"))
	for range 1000 {
		l.WithField("channel", 3).Warn("nonsense")
	}
	lines := hook.AllEntries()
	if len(lines) < lineBurst || len(lines) > lineBurst+2 {
		t.Fatalf("%d lines came through", len(lines))
	}
	if e := lines[0]; e.Level != logrus.WarnLevel || e.Data["domain"] != "web" || e.Data["channel"] != 3 || e.Message != "nonsense" {
		t.Errorf("line is %+v", e)
	}
}
