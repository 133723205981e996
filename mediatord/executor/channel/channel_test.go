package channel

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"libvirt-vgpu/mediatord/executor/driver"
	"libvirt-vgpu/mediatord/executor/guesttest"
	"libvirt-vgpu/mediatord/executor/wire"
	"libvirt-vgpu/plugin/window"
)

// script is an Executor that remembers the records and answers as told.
type script struct {
	records     []Record
	result      driver.Result
	data        []byte
	err         error
	interrupted error
	polls       atomic.Int32
	quiet       atomic.Int32
	due         time.Duration
	asked       int
	refuse      int // how often Admit says no
	pauses      int
	pause       func()
	waiting     bool
	idle        atomic.Bool
	idleAtWork  bool // Execute was called between Idle and Awake
}

func (s *script) Execute(r *Record, reply []byte) ([]byte, driver.Result, error) {
	kept := *r
	kept.Payload = bytes.Clone(r.Payload)
	s.records = append(s.records, kept)
	s.idleAtWork = s.idleAtWork || s.idle.Load()
	return append(reply, s.data...), s.result, s.err
}
func (s *script) Admit(*Record) bool { s.asked++; return s.asked > s.refuse }
func (s *script) Pause()             { s.pauses++; s.pause() }
func (s *script) Quiet()             { s.quiet.Add(1) }
func (s *script) Due() time.Duration { return s.due }
func (s *script) Idle()              { s.idle.Store(true) }
func (s *script) Awake()             { s.idle.Store(false) }
func (s *script) Waiting() bool      { return s.waiting }
func (s *script) Poll()              { s.polls.Add(1); s.waiting = false }
func (s *script) Interrupted() error { return s.interrupted }

func open(t testing.TB, s *script) (*guesttest.Guest, *Consumer) {
	t.Helper()
	g := guesttest.New(t, 8<<20, 0)
	c, err := Open(g.Window, guesttest.Channel, int(g.Interrupt.Fd()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
	consumer, err := NewConsumer(c, s, int(g.Doorbell.Fd()))
	if err != nil {
		t.Fatal(err)
	}
	return g, consumer
}

func step(t testing.TB, c *Consumer, want bool) {
	t.Helper()
	if got, err := c.Step(); err != nil || got != want {
		t.Fatalf("consumed %v, %v", got, err)
	}
}

func TestStepHandsARecordOver(t *testing.T) {
	s := &script{}
	g, c := open(t, s)
	step(t, c, false)
	g.Context = 1
	g.Post("copy_htod_inline", window.DeviceBase, 7, "some bytes")
	step(t, c, true)
	step(t, c, false)
	r := s.records[0]
	want := append(binary.LittleEndian.AppendUint64(nil, window.DeviceBase), "\x07\x00\x00\x00\x00\x00\x00\x00some bytes"...)
	if r.Opcode != wire.OpCopyHtoDInline || r.Call.Context != 1 || r.Call.Thread != 1 || r.HasReply() || !bytes.Equal(r.Payload, want) {
		t.Errorf("record is %+v", r)
	}
	if g.Head() != g.Tail() {
		t.Errorf("head %d, tail %d", g.Head(), g.Tail())
	}
	for line := 0; line < 2*window.Line; line += window.Line {
		if word := binary.LittleEndian.Uint32(g.Memory()[window.ChRing+line:]); word != 0 {
			t.Errorf("first word of the line at %d is %d", line, word)
		}
	}
}

func TestARecordWaitsUntilItIsAdmitted(t *testing.T) {
	s := &script{refuse: 3, interrupted: nil}
	g, c := open(t, s)
	s.pause = func() {
		if len(s.records) > 0 || g.Head() == g.Tail() {
			t.Error("the record was consumed before it was admitted")
		}
		if s.pauses == 2 { // mediatord wants something meanwhile
			c.Wake()
			s.interrupted = io.EOF
		}
	}
	g.Post("copy_htod_inline", window.DeviceBase, 7, "some bytes")
	if _, err := c.Step(); !errors.Is(err, io.EOF) {
		t.Fatalf("a wish of mediatord was not heard while a record waited: %v", err)
	}
	s.interrupted, s.pause = nil, func() {}
	step(t, c, true)
	if len(s.records) != 1 || s.pauses != 3 {
		t.Errorf("%d records, %d pauses", len(s.records), s.pauses)
	}
}

func TestReplyIsWritten(t *testing.T) {
	s := &script{result: 42, data: []byte("answer")}
	g, c := open(t, s)
	record := g.Record(9, "mem_info")
	g.Push(record)
	step(t, c, true)
	result, data, err := g.Await(9, binary.LittleEndian.Uint32(record[window.RecSeq:]))
	if err != nil || result != 42 || string(data) != "answer" {
		t.Errorf("result %d, %q, %v", result, data, err)
	}
}

func TestDeferredReplyIsNotWritten(t *testing.T) {
	g, c := open(t, &script{result: wire.Deferred})
	g.Push(g.Record(9, "ctx_synchronize"))
	step(t, c, true)
	if seq := binary.LittleEndian.Uint32(g.Memory()[window.ChReplies+9*window.ReplySize:]); seq != 0 {
		t.Errorf("reply %d was written", seq)
	}
}

func TestFirstPostedFailureStaysUntilTaken(t *testing.T) {
	s := &script{result: driver.ErrorInvalidHandle}
	g, c := open(t, s)
	g.Post("event_destroy", 1)
	step(t, c, true)
	s.result = driver.ErrorInvalidValue
	g.Post("stream_destroy", 1)
	step(t, c, true)
	if r, op := g.TakeAsync(); r != uint32(driver.ErrorInvalidHandle) || op != uint32(wire.OpEventDestroy) {
		t.Errorf("took %d of %#x", r, op)
	}
	g.Post("stream_destroy", 1)
	step(t, c, true)
	if r, op := g.TakeAsync(); r != uint32(driver.ErrorInvalidValue) || op != uint32(wire.OpStreamDestroy) {
		t.Errorf("then took %d of %#x", r, op)
	}
}

func TestStickyStaysAndInterrupts(t *testing.T) {
	g, c := open(t, &script{})
	c.channel.SetSticky(driver.ErrorIllegalAddress)
	c.channel.SetSticky(driver.ErrorAssert)
	if g.Sticky() != uint32(driver.ErrorIllegalAddress) {
		t.Errorf("sticky is %d", g.Sticky())
	}
	var count [8]byte
	if _, err := g.Interrupt.Read(count[:]); err != nil || count[0] != 1 {
		t.Errorf("interrupt counter %v, %v", count, err)
	}
}

func TestRecordsWrapAround(t *testing.T) {
	s := &script{}
	g, c := open(t, s)
	piece := bytes.Repeat([]byte("0123456789abcdef"), 3000)
	for i := range 40 { // three times around, never on the same place
		copy(piece, fmt.Sprintf("piece %d ", i))
		g.Post("image_inline", 1, piece)
		step(t, c, true)
		if got := s.records[i].Payload[8:]; !bytes.Equal(got, piece) {
			t.Fatalf("piece %d arrived as %.20q", i, got)
		}
	}
}

func TestNextRefuses(t *testing.T) {
	record := func(size int, opcode, reply uint16) []byte {
		b := guesttest.Header(opcode, reply, 1, 0, nil)
		binary.LittleEndian.PutUint32(b, uint32(size))
		return b
	}
	lying := guesttest.Header(wire.OpNotify, window.NoReply, 1, 0, make([]byte, 8))
	lying[window.RecReserved] = 1
	for name, b := range map[string][]byte{
		"size below a header":      record(23, wire.OpNotify, window.NoReply),
		"size beyond the maximum":  record(window.RecMax+1, wire.OpNotify, window.NoReply),
		"size of all bits":         record(-1, wire.OpNotify, window.NoReply),
		"more than was reserved":   record(65, wire.OpNotify, window.NoReply),
		"opcode 0":                 record(24, 0, window.NoReply),
		"unknown opcode":           record(24, 0xffff, window.NoReply),
		"reserved word":            lying,
		"replied without a slot":   record(24, wire.OpMemInfo, window.NoReply),
		"slot that does not exist": record(24, wire.OpMemInfo, window.ReplyCount),
		"posted with a slot":       record(24, wire.OpPrimaryRelease, 1),
	} {
		t.Run(name, func(t *testing.T) {
			s := &script{}
			g, c := open(t, s)
			g.Push(b)
			if consumed, err := c.Step(); consumed || !errors.Is(err, ErrRecord) {
				t.Errorf("consumed %v, %v", consumed, err)
			}
			if len(s.records) != 0 {
				t.Error("it was executed")
			}
		})
	}
}

func TestNextRefusesATailThatRanAway(t *testing.T) {
	g, c := open(t, &script{})
	g.Post("notify", 0)
	binary.LittleEndian.PutUint64(g.Memory()[window.ChTail:], window.RingSize+64)
	if _, err := c.Step(); !errors.Is(err, ErrRecord) {
		t.Errorf("error is %v", err)
	}
}

func TestExecutorErrorEndsTheConsumer(t *testing.T) {
	s := &script{err: wire.ErrMalformed}
	g, c := open(t, s)
	g.Post("notify", 0)
	if err := c.Run(); !errors.Is(err, wire.ErrMalformed) {
		t.Errorf("error is %v", err)
	}
}

func TestReplyTooLongEndsTheConsumer(t *testing.T) {
	g, c := open(t, &script{data: make([]byte, window.RepDataMax+1)})
	g.Push(g.Record(0, "mem_info"))
	if err := c.Run(); err == nil {
		t.Error("a reply was cut")
	}
}

var errEnd = errors.New("end of test")

// run consumes in the background until the test is over.
func run(t *testing.T, c *Consumer) <-chan error {
	done := make(chan error, 1)
	go func() { done <- c.Run() }()
	return done
}

func TestSleepsAndWakesByDoorbell(t *testing.T) {
	s := &script{interrupted: errEnd}
	g, c := open(t, s)
	done := run(t, c)
	for i := range 20 {
		if !g.WaitFor(func() bool { return g.Sleeping() && s.idle.Load() }) {
			t.Fatal("it does not sleep")
		}
		g.Post("notify", 0)
		if !g.WaitFor(func() bool { return g.Head() == g.Tail() }) {
			t.Fatalf("record %d is not consumed", i)
		}
	}
	c.Wake()
	if err := <-done; !errors.Is(err, errEnd) {
		t.Errorf("ended with %v", err)
	}
	if n := s.polls.Load(); n != 0 {
		t.Errorf("%d polls while nothing was waited for", n)
	}
	if s.idleAtWork {
		t.Error("it is not said to be awake when it executes")
	}
}

func TestSpuriousDoorbellsDoNoHarm(t *testing.T) {
	s := &script{interrupted: errEnd}
	g, c := open(t, s)
	done := run(t, c)
	for range 100 {
		if _, err := g.Doorbell.Write([]byte{1, 0, 0, 0, 0, 0, 0, 0}); err != nil {
			t.Fatal(err)
		}
	}
	g.Post("notify", 0)
	if !g.WaitFor(func() bool { return g.Head() == g.Tail() }) {
		t.Fatal("the record is not consumed")
	}
	c.Wake()
	<-done
}

func TestPollsWhileTheProcessWaits(t *testing.T) {
	s := &script{interrupted: errEnd, waiting: true}
	g, c := open(t, s)
	done := run(t, c)
	if !g.WaitFor(func() bool { return s.polls.Load() > 0 }) {
		t.Error("it does not look for faults")
	}
	time.Sleep(5 * pollLongest)
	c.Wake()
	<-done
	if n := s.polls.Load(); n != 1 {
		t.Errorf("%d polls, want one until nothing was waited for", n)
	}
}

// Others wait for the end of what is on the GPU: it is looked for until the next record is foreseen.
// bursting is a script that looks by itself; during the third look a record comes.
type bursting struct {
	script
	looks []time.Duration
	post  func()
}

func (*bursting) Bursts(uint16) bool { return true }

func (b *bursting) Burst(run *driver.Burst, _ *atomic.Uint32, spin time.Duration) {
	run.Calls = 0
	if b.looks = append(b.looks, spin); len(b.looks) == 3 {
		b.post()
	}
}

func TestLooksLongerByItselfWhileNothingIsDue(t *testing.T) {
	for due, want := range map[time.Duration]time.Duration{0: calmTime, time.Microsecond: quietTime, time.Hour: quietTime} {
		s := &bursting{script: script{due: due}}
		g, c := open(t, &s.script)
		c.executor, c.burster = s, s
		s.post = func() { g.Post("copy_htod_inline", window.DeviceBase, 7, "some bytes") }
		start := time.Now()
		if !c.look(&start, time.Minute) {
			t.Errorf("due after %v: the record was not seen", due)
		}
		if quiet := s.quiet.Load(); quiet != 2 || !slices.Equal(s.looks, []time.Duration{want, want, want}) {
			t.Errorf("due after %v: looked for %v, called Quiet %d times", due, s.looks, quiet)
		}
	}
}

func TestLooksAtWhatIsDueWhileItSleepsUntilTheNext(t *testing.T) {
	s := &script{due: 100 * time.Microsecond}
	_, c := open(t, s)
	if until := time.Now().Add(20 * time.Millisecond); c.sleep(until) || time.Now().Before(until) {
		t.Error("it does not sleep until then")
	}
	if s.quiet.Load() == 0 {
		t.Error("it does not look meanwhile")
	}
}

func TestOpenRefusesAForeignChannel(t *testing.T) {
	g := guesttest.New(t, 8<<20, 0)
	for _, n := range []int{-1, 2, 64} {
		if _, err := Open(g.Window, n, -1); !errors.Is(err, window.ErrRange) {
			t.Errorf("channel %d: %v", n, err)
		}
	}
}
