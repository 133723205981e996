package watchdog

import (
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/sirupsen/logrus"
	logtest "github.com/sirupsen/logrus/hooks/test"
)

// work is what a test says that executors do.
type work struct {
	spent  time.Duration
	held   bool
	halted []int
}

func (w *work) Stalled(int) (time.Duration, bool) { return w.spent, w.held }
func (w *work) Halt(channel int)                  { w.halted = append(w.halted, channel) }

// driver is a GPU that holds memory of a process for some questions.
type driver struct {
	holds    int // questions
	listed   bool
	computes bool
	err      error
}

func (d *driver) ProcessMemory(string, int) (uint64, bool, error) {
	d.holds--
	return 1 << 20, d.listed && d.holds >= 0, d.err
}
func (d *driver) ProcessComputed(string, int, time.Duration) (bool, error) { return d.computes, d.err }

func TestVerdicts(t *testing.T) {
	const limit = 40 * time.Second
	type look struct {
		spent time.Duration
		held  bool
		want  Verdict
	}
	for _, tc := range []struct {
		name  string
		gpu   GPU
		looks []look
	}{
		{"nothing runs", nil, []look{{0, false, Fine}, {0, false, Fine}}},
		{"a short kernel", nil, []look{{9 * time.Second, false, Fine}, {0, false, Fine}}},
		{"a long kernel that ends", nil, []look{{20 * time.Second, false, Suspect}, {39 * time.Second, false, Suspect}, {time.Second, false, Fine}}},
		{"one that does not end", nil, []look{{20 * time.Second, false, Suspect}, {40 * time.Second, false, Overdue}}},
		{"never at first sight", nil, []look{{time.Hour, false, Suspect}, {time.Hour, false, Overdue}}},
		{"suspected long ago", nil, []look{{20 * time.Second, false, Suspect}, {0, false, Fine}, {time.Hour, false, Suspect}}},
		{"waits for the guest", nil, []look{{time.Hour, true, Suspect}, {time.Hour, true, Suspect}}},
		{"waits for the guest, says the driver", &driver{}, []look{{time.Hour, true, Suspect}, {time.Hour, true, Suspect}}},
		{"computes beside a wait", &driver{computes: true}, []look{{time.Hour, true, Suspect}, {time.Hour, true, Overdue}}},
		{"a driver that cannot tell", &driver{computes: true, err: io.EOF}, []look{{time.Hour, true, Suspect}, {time.Hour, true, Suspect}}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var w work
			dog := New(Config{Limit: limit, Work: &w, GPU: tc.gpu, Log: logrus.New()})
			for i, l := range tc.looks {
				w.spent, w.held = l.spent, l.held
				if got := dog.Look(3, 100); got != l.want {
					t.Errorf("look %d: %v, want %v", i, got, l.want)
				}
			}
		})
	}
}

func TestFireStopsFeeding(t *testing.T) {
	var w work
	dog := New(Config{Limit: time.Second, Work: &w, Log: logrus.New()})
	dog.Fire(3, 100)
	if len(w.halted) != 1 || w.halted[0] != 3 {
		t.Errorf("halted %v", w.halted)
	}
}

func TestMemoryIsVerified(t *testing.T) {
	for _, tc := range []struct {
		name  string
		gpu   *driver
		level logrus.Level
		says  string
	}{
		{"back after a while", &driver{listed: true, holds: 4}, logrus.InfoLevel, "is back"},
		{"the driver knows no processes", &driver{}, logrus.WarnLevel, "cannot be told"},
		{"the driver is gone", &driver{listed: true, err: errors.New("lost")}, logrus.WarnLevel, "cannot be told"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			log, hook := logtest.NewNullLogger()
			dog := New(Config{Work: &work{}, GPU: tc.gpu, Log: log})
			verified := 0
			dog.verifying = func(pid int, h held) { verified++; dog.verify(pid, h) }
			dog.Ended(3, 99) // nobody fired at it
			if verified != 0 {
				t.Fatal("verified what ended by itself")
			}
			dog.Fire(3, 100)
			dog.Ended(3, 100)
			last := hook.LastEntry()
			if verified != 1 || last == nil || last.Level != tc.level || !strings.Contains(last.Message, tc.says) {
				t.Errorf("said %v", last)
			}
		})
	}
}
