package lease

import (
	"bytes"
	"encoding/binary"
	"testing"
	"time"

	"libvirt-vgpu/mediatord/executor/wire"
	"libvirt-vgpu/mediatord/internal/lease"
)

const ms, us = time.Millisecond, time.Microsecond

// machine is a GPU whose time a test sets.
type machine struct {
	t       *testing.T
	clock   time.Duration
	table   *lease.Table
	hold    *lease.Holder
	meter   *Meter
	words   [MarkWords]uint32
	marks   []mark
	fails   bool
	touched []Stream
}

type mark struct {
	stream Stream
	word   int
	value  uint32
}

func (m *machine) Mark(s Stream, word int, value uint32) bool {
	if !m.fails {
		m.marks = append(m.marks, mark{s, word, value})
	}
	return !m.fails
}
func (m *machine) Touch(s Stream)          { m.touched = append(m.touched, s) }
func (m *machine) Reached(word int) uint32 { return m.words[word] }

func newMachine(t *testing.T) *machine {
	table, err := lease.Create("test")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = table.Close() })
	page, err := lease.Open(table.File(), 0, -1)
	if err != nil {
		t.Fatal(err)
	}
	m := &machine{t: t, clock: time.Second, table: table, hold: table.Holder(0, time.Second)}
	m.meter = New(page, m, func() time.Duration { return m.clock })
	return m
}

func (m *machine) limit(budget time.Duration) {
	m.hold.Set(lease.Terms{Budget: budget, ClearBy: lease.Never, Expiry: lease.Never})
}

func kernel(key uint64) Submission { return Submission{Key: key} }

var stream = Stream{Context: 1, Native: 10}

// submit asks and submits; false: it has to wait.
func (m *machine) submit(s Submission, on Stream) bool {
	if !m.meter.Admit(s) {
		return false
	}
	m.meter.Submitted(s, on)
	return true
}

// finish lets the GPU reach the next n marks after d.
func (m *machine) finish(d time.Duration, n int) {
	m.t.Helper()
	if len(m.marks) < n {
		m.t.Fatalf("%d marks, want %d", len(m.marks), n)
	}
	m.clock += d - us
	m.meter.Look()
	m.clock += us
	for _, k := range m.marks[:n] {
		m.words[k.word] = k.value
	}
	m.marks = m.marks[n:]
	m.meter.Look()
}

// learn runs one kernel at a time until its duration is known.
func (m *machine) learn(key uint64, d time.Duration) {
	m.t.Helper()
	for range 30 {
		m.submit(kernel(key), stream)
		m.meter.Quiet()
		m.clock += settledLimited
		m.meter.Quiet()
		m.finish(d-settledLimited, 1)
		m.clock += linger
		m.meter.Quiet()
	}
}

func (m *machine) state() lease.State { return m.hold.State(m.clock) }

func TestUnlimitedMeasuresInPausesOnly(t *testing.T) {
	m := newMachine(t)
	for range 1000 {
		if !m.submit(kernel(1), stream) {
			t.Fatal("it had to wait")
		}
		m.clock += 5 * us
		m.meter.Quiet()
	}
	if len(m.marks) != 0 {
		t.Fatalf("%d marks while there was work", len(m.marks))
	}
	m.clock += 50 * us
	m.meter.Quiet()
	if len(m.marks) != 1 || !m.state().Flying {
		t.Fatalf("%d marks in the pause, %+v", len(m.marks), m.state())
	}
	m.finish(3*ms, 1)
	busy := m.hold.Busy(m.clock)
	if len(busy) != 1 || busy[0].End-busy[0].Start != 5*ms+50*us+3*ms || m.state().Active || m.meter.Busy() {
		t.Errorf("busy %v, %+v", busy, m.state())
	}
}

func TestDurationsBoundWhatIsInFlight(t *testing.T) {
	m := newMachine(t)
	m.limit(ms)
	m.learn(7, 300*us)
	count := 0
	for m.submit(kernel(7), stream) {
		count++
	}
	if count != 3 {
		t.Errorf("%d of 300 us in flight under a budget of 1 ms", count)
	}
	if s := m.state(); !s.Waiting || !s.Flying || s.InFlight < 850*us || s.InFlight > 950*us {
		t.Errorf("state %+v", s)
	}
}

// What never ran may last for ever: one at a time, and then as learnt.
func TestUnknownWorkGoesAlone(t *testing.T) {
	m := newMachine(t)
	m.limit(400 * us)
	if !m.submit(kernel(1), stream) || m.submit(kernel(2), stream) {
		t.Error("two unknown ones in flight")
	}
	m.finish(10*us, 1)
	for range 2 {
		if !m.submit(kernel(1), stream) {
			t.Error("known short ones have to wait")
		}
	}
}

func TestDue(t *testing.T) {
	m := newMachine(t)
	if m.meter.Due() != 0 {
		t.Error("there is nothing to look for")
	}
	m.limit(20 * ms)
	m.learn(1, 5*ms)
	m.submit(kernel(1), stream)
	if due := m.meter.Due(); due != longest {
		t.Errorf("at the beginning of 5 ms: %v", due)
	}
	m.clock += 4 * ms
	if due := m.meter.Due(); due < 300*us || due > ms {
		t.Errorf("near the end of 5 ms: %v", due)
	}
	m.clock += ms
	if due := m.meter.Due(); due > 50*us {
		t.Errorf("at the end of 5 ms: %v", due)
	}
	m.finish(10*us, 1)
	m.meter.Quiet()
	m.clock += linger
	m.meter.Quiet()
	if m.meter.Due() != 0 {
		t.Error("there is nothing to look for any more")
	}
}

// What was once taken for far longer than it is, because another context ran beside
// it, is looked for too late; it must not be taken for that for ever.
func TestOverestimatesAreCorrected(t *testing.T) {
	m := newMachine(t)
	m.limit(4 * ms)
	m.submit(kernel(1), stream)
	m.finish(6*ms, 1) // the first one had a quarter of the GPU
	const real = 300 * us
	for range 60 {
		if !m.submit(kernel(1), stream) {
			t.Fatal("it has to wait although nothing is in flight")
		}
		m.meter.Quiet()
		m.clock += settledLimited
		m.meter.Quiet() // a mark, if there is none yet
		begin := m.clock
		for m.meter.flying > 0 {
			m.clock += m.meter.Due()
			if m.clock-begin >= real {
				for _, k := range m.marks {
					m.words[k.word] = k.value
				}
				m.marks = nil
			}
			m.meter.Quiet()
		}
	}
	if length, _ := m.meter.durations.predict(kernel(1)); length > real+real/4 {
		t.Errorf("kernels of %v are taken for %v", real, length)
	}
}

func TestRevoked(t *testing.T) {
	m := newMachine(t)
	m.limit(ms)
	m.submit(kernel(1), stream)
	m.limit(0)
	if m.submit(kernel(1), stream) {
		t.Fatal("submitted without a lease")
	}
	m.finish(ms, 1)
	if s := m.state(); s.Flying || !s.Waiting || !s.Active {
		t.Errorf("drained: %+v", s)
	}
	if m.submit(kernel(1), stream) {
		t.Fatal("submitted without a lease")
	}
	m.hold.Set(lease.Terms{Budget: lease.Unlimited, ClearBy: lease.Never, Expiry: lease.Never})
	if !m.submit(kernel(1), stream) || m.state().Waiting {
		t.Errorf("unlimited again: %+v", m.state())
	}
}

// Between two records an executor with more to do never looks idle: its turn would
// go to somebody else.
func TestActiveBetweenRecords(t *testing.T) {
	m := newMachine(t)
	m.limit(ms)
	m.learn(1, 900*us)
	m.submit(kernel(1), stream)
	if m.submit(kernel(1), stream) {
		t.Fatal("beyond the budget")
	}
	m.finish(900*us, 1)
	if s := m.state(); !s.Active || !s.Waiting || s.Flying {
		t.Fatalf("drained with a record waiting: %+v", s)
	}
	if !m.meter.Admit(kernel(1)) {
		t.Fatal("not admitted")
	}
	if s := m.state(); !s.Active || s.Waiting {
		t.Fatalf("admitted and not submitted: %+v", s)
	}
	m.meter.Quiet() // it was not submitted after all
	m.clock += linger
	m.meter.Quiet()
	if s := m.state(); s.Active || m.meter.Busy() {
		t.Errorf("the ring is empty: %+v", s)
	}
}

func TestExpiredLeaseLetsWorkGoOn(t *testing.T) {
	m := newMachine(t)
	m.hold.Set(lease.Terms{Budget: 0, ClearBy: lease.Never, Expiry: m.clock + 100*ms})
	if m.submit(kernel(1), stream) {
		t.Fatal("submitted without a lease")
	}
	m.clock += 100 * ms
	if !m.submit(kernel(1), stream) {
		t.Fatal("a dead mediatord stops the process")
	}
	m.finish(lease.Fallback, 1)
	if !m.submit(kernel(1), stream) || m.submit(kernel(1), stream) {
		t.Error("not one fallback budget in flight")
	}
}

func TestClearBy(t *testing.T) {
	m := newMachine(t)
	m.limit(ms)
	m.learn(1, 200*us)
	m.hold.Set(lease.Terms{Budget: ms, ClearBy: m.clock + 500*us, Expiry: lease.Never})
	count := 0
	for m.submit(kernel(1), stream) {
		count++
	}
	if count != 2 {
		t.Errorf("%d of 200 us before a reservation in 500 us", count)
	}
}

// A stream that waits for what another one is to do must not keep that back.
// Who is expected has the GPU change to its context at the time that the lease says: once, and not
// while it has work or when that is long over.
func TestReady(t *testing.T) {
	m := newMachine(t)
	m.limit(4 * ms)
	ready := func(at time.Duration) {
		m.hold.Set(lease.Terms{Budget: 4 * ms, ClearBy: lease.Never, Expiry: lease.Never, Ready: at})
	}
	expect := func(count int, what string) {
		t.Helper()
		m.meter.Quiet()
		if len(m.touched) != count {
			t.Fatalf("%s: touched %v", what, m.touched)
		}
	}
	ready(m.clock)
	expect(0, "nothing was ever on the GPU")
	m.learn(1, 300*us)
	at := m.clock + 5*ms
	ready(at)
	expect(0, "before")
	if due := m.meter.Due(); due != 5*ms {
		t.Errorf("the next look is due after %v", due)
	}
	m.clock = at + 20*us
	expect(1, "at the time")
	expect(1, "again")
	if m.touched[0] != stream || m.meter.Due() != 0 {
		t.Errorf("touched %v, due after %v", m.touched, m.meter.Due())
	}
	ready(m.clock + ms)
	m.clock += 10 * ms
	expect(1, "too late")
	ready(m.clock)
	m.submit(kernel(1), stream)
	expect(1, "with work")
}

func TestStuckWorkDoesNotCount(t *testing.T) {
	m := newMachine(t)
	m.limit(ms)
	other := Stream{Context: 1, Native: 11}
	m.learn(1, 900*us)
	m.submit(kernel(1), stream)
	if m.submit(kernel(1), other) {
		t.Fatal("beyond the budget")
	}
	for range 10 {
		m.clock += ms
		m.meter.Look()
	}
	if !m.submit(kernel(1), other) {
		t.Fatal("work that waits for ever holds back what it waits for")
	}
	m.finish(900*us, 2)
	m.meter.Quiet()
	m.clock += linger
	m.meter.Quiet()
	if m.meter.flying != 0 || m.meter.stuck != 0 || m.meter.Busy() {
		t.Errorf("%v in flight, %d stuck", m.meter.flying, m.meter.stuck)
	}
}

// Long kernels become known although the first of them look stuck.
func TestLongKernelsBecomeKnown(t *testing.T) {
	m := newMachine(t)
	m.limit(4 * ms)
	for range 40 {
		m.submit(kernel(1), stream)
		for range 20 {
			m.clock += ms
			m.meter.Look()
		}
		m.finish(us, 1)
	}
	if length, known := m.meter.durations.predict(kernel(1)); !known || length < 15*ms || length > 25*ms {
		t.Errorf("kernels of 20 ms are taken for %v, known %v", length, known)
	}
	m.submit(kernel(1), stream)
	if m.submit(kernel(1), stream) {
		t.Error("two of 20 ms under a budget of 4 ms")
	}
}

func TestStreamsAndContextsEnd(t *testing.T) {
	m := newMachine(t)
	m.limit(lease.Fallback)
	for i := range uint64(3 * MarkWords) { // more streams than words
		s := Stream{Context: 1, Native: 100 + i}
		if !m.submit(Submission{Length: us}, s) {
			m.finish(us, len(m.marks))
			if !m.submit(Submission{Length: us}, s) {
				t.Fatalf("stream %d waits", i)
			}
		}
		m.meter.StreamEnds(s)
	}
	m.finish(us, len(m.marks))
	if len(m.meter.free) != MarkWords {
		t.Errorf("%d words free", len(m.meter.free))
	}
	m.submit(kernel(1), stream)
	m.meter.ContextEnds(2)
	if !m.meter.Busy() {
		t.Error("another context's end ended the work")
	}
	m.meter.ContextEnds(1)
	m.meter.Quiet()
	m.clock += linger
	m.meter.Quiet()
	if m.meter.Busy() || m.meter.flying != 0 || len(m.meter.free) != MarkWords {
		t.Errorf("busy %v, %v in flight, %d words free", m.meter.Busy(), m.meter.flying, len(m.meter.free))
	}
	m.submit(kernel(1), stream)
	m.meter.Lost()
	m.limit(0)
	if m.meter.Busy() || !m.submit(kernel(2), stream) {
		t.Error("a lost context waits")
	}
}

func TestParse(t *testing.T) {
	le := binary.LittleEndian
	payload := make([]byte, 400)
	le.PutUint32(payload[32:], 9)
	launch, ok := Parse(wire.OpLaunch, payload)
	if !ok || launch.Stream != 9 || launch.Key == 0 || StreamOf(wire.OpLaunch, payload) != 9 {
		t.Errorf("launch %+v", launch)
	}
	for plain, kind := range map[uint16]uint32{wire.OpLaunch: 0, wire.OpLaunchKernel: 1} {
		key := bytes.Repeat([]byte{5, 0, 0, 0}, 9)
		launch, _ := Parse(plain, key)
		kinded := le.AppendUint32(key[:4:4], kind)
		kinded = append(kinded, key[4:]...)
		for _, opcode := range []uint16{wire.OpLaunchEx, wire.OpLaunchAnswered, wire.OpLaunchCooperative} {
			if s, ok := Parse(opcode, kinded); !ok || s.Key != launch.Key {
				t.Errorf("opcode %#x: %+v, as a plain launch %+v", opcode, s, launch)
			}
		}
	}
	payload[20] = 64
	if other, _ := Parse(wire.OpLaunch, payload); other.Key == launch.Key {
		t.Error("another block has the same key")
	}
	copied := make([]byte, 28)
	le.PutUint64(copied[16:], 400<<20)
	le.PutUint32(copied[24:], 3)
	if s, ok := Parse(wire.OpCopyHtoD, copied); !ok || s.Stream != 3 || s.Length < 5*ms || s.Length > 20*ms {
		t.Errorf("400 MiB: %+v", s)
	}
	le.PutUint64(copied[16:], 1<<63)
	if s, _ := Parse(wire.OpCopyHtoD, copied); s.Length != longestGuess {
		t.Errorf("nonsense: %+v", s)
	}
	fill := make([]byte, 44)
	le.PutUint32(fill[20:], 4)
	le.PutUint64(fill[24:], 1<<60)
	le.PutUint64(fill[32:], 1<<60)
	if s, _ := Parse(wire.OpFill, fill); s.Length > longestGuess {
		t.Errorf("endless fill: %+v", s)
	}
	for opcode := range submissions {
		if _, ok := Parse(uint16(opcode), nil); ok {
			t.Errorf("opcode %#x without a payload", opcode)
		}
	}
	if Submits(wire.OpFence) || Submits(0xffff) {
		t.Error("what gives the GPU no work counts")
	}
}
