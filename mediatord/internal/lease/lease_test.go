package lease

import (
	"os"
	"reflect"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

const ms = time.Millisecond

// pair is both ends of a channel's page, with the eventfd between them.
func pair(t *testing.T) (*Table, *Page, func() uint64) {
	t.Helper()
	table, err := Create("test")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = table.Close() })
	fd, err := unix.Eventfd(0, unix.EFD_NONBLOCK|unix.EFD_CLOEXEC)
	if err != nil {
		t.Fatal(err)
	}
	report := os.NewFile(uintptr(fd), "report")
	t.Cleanup(func() { _ = report.Close() })
	page, err := Open(table.File(), 3, fd)
	if err != nil {
		t.Fatal(err)
	}
	return table, page, func() uint64 {
		var count [8]byte
		if n, _ := unix.Read(fd, count[:]); n != 8 {
			return 0
		}
		return uint64(count[0])
	}
}

func TestTermsCross(t *testing.T) {
	table, page, _ := pair(t)
	if !page.Unlimited() {
		t.Fatal("a new lease is limited")
	}
	h := table.Holder(3, 0)
	want := Terms{Budget: 2 * ms, ClearBy: 9 * ms, Coarse: 500 * time.Microsecond, Grace: ms, Slice: 200 * time.Microsecond, Expiry: 20 * ms}
	h.Set(want)
	if page.Unlimited() || page.Terms() != want {
		t.Errorf("terms are %+v", page.Terms())
	}
	if next := table.Holder(3, 0); next.terms != want {
		t.Errorf("a later mediatord finds %+v", next.terms)
	}
	table.Clear(3)
	if again, err := Open(table.File(), 3, -1); err != nil || !again.Unlimited() || again.Terms().Slice != 0 {
		t.Errorf("after clearing: %+v, %v", again, err)
	}
}

// A mediatord that dies while it writes leaves an odd sequence behind: the last
// terms hold, and its successor goes on.
func TestTornTerms(t *testing.T) {
	table, page, _ := pair(t)
	h := table.Holder(3, 0)
	h.Set(Terms{Budget: ms, ClearBy: Never, Expiry: ms})
	before := page.Terms()
	h.page.word(atSequence).Add(1)
	h.page.double(atBudget).Store(77)
	if page.Terms() != before || page.Unlimited() {
		t.Errorf("half written terms were taken: %+v", page.Terms())
	}
	next := table.Holder(3, 0)
	next.Set(Terms{Budget: 5 * ms, ClearBy: Never, Expiry: ms})
	if page.Terms().Budget != 5*ms {
		t.Errorf("the next mediatord's terms are %+v", page.Terms())
	}
}

func TestAdmit(t *testing.T) {
	for _, tc := range []struct {
		name                string
		terms               Terms
		now, inFlight, work time.Duration
		want                bool
	}{
		{"unlimited", Terms{Budget: Unlimited, ClearBy: Never, Expiry: Never}, 0, time.Hour, time.Hour, true},
		{"nothing", Terms{Budget: 0, ClearBy: Never, Expiry: Never}, 0, 0, ms, false},
		{"within", Terms{Budget: 4 * ms, ClearBy: Never, Expiry: Never}, 0, 2 * ms, 2 * ms, true},
		{"beyond", Terms{Budget: 4 * ms, ClearBy: Never, Expiry: Never}, 0, 3 * ms, 2 * ms, false},
		{"alone, however long", Terms{Budget: 4 * ms, ClearBy: Never, Expiry: Never}, 0, 0, time.Second, true},
		{"done in time", Terms{Budget: 4 * ms, ClearBy: 10 * ms, Expiry: Never}, 7 * ms, ms, 2 * ms, true},
		{"not done in time", Terms{Budget: 4 * ms, ClearBy: 10 * ms, Expiry: Never}, 8 * ms, ms, 2 * ms, false},
		{"late, and short", Terms{Budget: 4 * ms, ClearBy: 10 * ms, Coarse: ms, Grace: ms, Expiry: Never}, 10 * ms, 0, ms / 2, false},
		{"late, and large", Terms{Budget: 4 * ms, ClearBy: 10 * ms, Coarse: ms, Grace: ms, Expiry: Never}, 9 * ms, 0, 2 * ms, true},
		{"too late, and large", Terms{Budget: 4 * ms, ClearBy: 10 * ms, Coarse: ms, Grace: ms, Expiry: Never}, 9 * ms, 0, 3 * ms, false},
		{"expired", Terms{Budget: 0, ClearBy: Never, Expiry: 5 * ms}, 5 * ms, 0, time.Second, true},
		{"expired, beyond", Terms{Budget: 0, ClearBy: Never, Expiry: 5 * ms}, 5 * ms, Fallback, ms, false},
	} {
		if got := tc.terms.Admit(tc.now, tc.inFlight, tc.work); got != tc.want {
			t.Errorf("%s: %v", tc.name, got)
		}
	}
}

func TestReportsWhenListenedTo(t *testing.T) {
	table, page, reports := pair(t)
	h := table.Holder(3, 0)
	page.SetState(Active | Flying)
	if reports() != 0 {
		t.Error("reported although nobody listens")
	}
	h.Listen(true)
	page.SetState(Active)
	page.SetState(Active | Flying)
	if n := reports(); n != 1 {
		t.Errorf("%d reports, want 1: that work is on the GPU again is no news", n)
	}
	page.SetState(Active | Flying | Waiting)
	page.SetState(Active | Flying)
	page.SetState(Active | Flying | Waiting)
	if n := reports(); n != 0 {
		t.Errorf("%d reports of waiting behind work of its own", n)
	}
	if s := h.State(ms); !s.Active || !s.Flying || !s.Waiting {
		t.Errorf("state %+v", s)
	}
	page.SetState(Active | Waiting)
	page.SetState(Active | Waiting)
	if n := reports(); n != 1 {
		t.Errorf("%d reports of waiting for others, want 1", n)
	}
}

func TestBusy(t *testing.T) {
	table, page, _ := pair(t)
	h := table.Holder(3, ms)
	page.Begin(2 * ms)
	page.End(2*ms, 4*ms)
	page.Begin(5 * ms)
	want := []Span{{2 * ms, 4 * ms}, {5 * ms, 7 * ms}}
	if got := h.Busy(7 * ms); !reflect.DeepEqual(got, want) {
		t.Errorf("busy %v, want %v", got, want)
	}
	page.End(5*ms, 8*ms)
	if got := h.Busy(9 * ms); !reflect.DeepEqual(got, []Span{{7 * ms, 8 * ms}}) {
		t.Errorf("busy %v", got)
	}
	for i := range 500 {
		at := 10*ms + time.Duration(i)*10*time.Microsecond
		page.Begin(at)
		page.End(at, at+5*time.Microsecond)
	}
	got := h.Busy(20 * ms)
	if len(got) != 1 || got[0].End-got[0].Start != 2500*time.Microsecond {
		t.Errorf("busy with many stretches: %v", got)
	}
}

// An executor that lies cannot be charged less than nothing, nor more than the
// time that passed, nor make mediatord loop or fail.
func TestBusyOfALiar(t *testing.T) {
	table, page, _ := pair(t)
	h := table.Holder(3, 10*ms)
	w := page.words
	for _, lie := range []func(){
		func() { page.End(^time.Duration(0)>>1, 1) },
		func() { page.End(30*ms, 2*ms) },
		func() { page.End(0, Never) },
		func() { w.double(atSince).Store(1 << 63) },
		func() { w.word(atSpans).Add(1 << 31) },
		func() { w.word(atSpans).Add(^uint32(0)) },
		func() { w.double(atUsed).Store(5) },
		func() { clear(w) },
		func() {
			for i := range w {
				w[i] = 0xff
			}
		},
	} {
		lie()
		from := h.until
		now := from + ms
		var sum, last time.Duration
		for _, s := range h.Busy(now) {
			if s.Start < from || s.Start < last || s.End < s.Start || s.End > now {
				t.Errorf("stretch %v, asked for %v to %v", s, from, now)
			}
			sum, last = sum+s.End-s.Start, s.End
		}
		if s := h.State(now); sum > ms || s.Arrived > now || s.Running > now {
			t.Errorf("busy for %v of 1ms, state %+v", sum, s)
		}
	}
}

func TestSleepEndsWithNewTerms(t *testing.T) {
	table, page, _ := pair(t)
	h := table.Holder(3, 0)
	h.Set(Terms{Budget: 0, ClearBy: Never, Expiry: Never})
	page.Terms()
	page.SetState(Active | Waiting)
	go func() {
		time.Sleep(20 * ms)
		h.Set(Terms{Budget: ms, ClearBy: Never, Expiry: Never})
	}()
	start := time.Now()
	page.Sleep(10 * time.Minute)
	if waited := time.Since(start); waited > time.Minute || page.Terms().Budget != ms {
		t.Errorf("slept for %v, terms %+v", waited, page.Terms())
	}
}

func TestClock(t *testing.T) {
	c := NewClock()
	monotonic := func() time.Duration {
		var now unix.Timespec
		_ = unix.ClockGettime(unix.CLOCK_MONOTONIC, &now)
		return time.Duration(now.Nano())
	}
	const reading = ms // NewClock reads two clocks one after the other
	before, now, after := monotonic(), c.Now(), monotonic()
	if now < before-reading || now > after+reading {
		t.Errorf("it is %v between %v and %v", now, before, after)
	}
}

// An executor that was asked to tells once that it has something to do again, and never otherwise.
func TestIdleExecutorTellsOnce(t *testing.T) {
	table, page, reported := pair(t)
	h := table.Holder(3, 0)
	if h.Idle() {
		t.Error("an executor that never said so is idle")
	}
	page.Idle()
	if page.Awake(); reported() != 0 {
		t.Error("it tells though nobody asked")
	}
	h.Tell(true)
	if h.Idle() || h.Told() {
		t.Error("awake, it is taken for idle, or to have told")
	}
	page.Idle()
	if !h.Idle() || h.Told() || reported() != 0 {
		t.Error("that it is idle is not seen, or is told")
	}
	for i, want := range []uint64{1, 0} {
		page.Awake()
		if got := reported(); got != want || !h.Told() || h.Idle() {
			t.Errorf("time %d: %d reports; told %v, idle %v", i, got, h.Told(), h.Idle())
		}
		page.Idle()
	}
	h.Tell(true)
	h.Tell(false)
	if page.Awake(); reported() != 0 {
		t.Error("it tells though nobody asks any more")
	}
	page.Idle()
	page.SetState(Active | Flying)
	if h.Idle() {
		t.Error("an executor is idle whose work is on the GPU")
	}
}

// Whoever goes to sleep, mediatord or the executor, one of them notices the other: that the executor is not idle, or a report.
func TestNobodySleepsUnnoticed(t *testing.T) {
	table, page, reported := pair(t)
	h := table.Holder(3, 0)
	for range 20000 {
		page.Idle()
		h.Tell(false)
		awake := make(chan struct{})
		go func() {
			defer close(awake)
			page.Awake()
		}()
		h.Tell(true)
		idle := h.Idle()
		<-awake
		if idle && reported() == 0 {
			t.Fatal("mediatord sleeps, and is not told")
		}
		reported()
	}
}
