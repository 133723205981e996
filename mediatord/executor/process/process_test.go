package process

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/sirupsen/logrus"

	"libvirt-vgpu/mediatord/executor/channel"
	"libvirt-vgpu/mediatord/executor/control"
	"libvirt-vgpu/mediatord/executor/driver"
	"libvirt-vgpu/mediatord/executor/driver/drivertest"
	"libvirt-vgpu/mediatord/executor/guesttest"
	"libvirt-vgpu/mediatord/executor/pinned"
	"libvirt-vgpu/plugin/api"
	"libvirt-vgpu/plugin/window"
)

const (
	testQuota  = 64 << 20
	pinnedSize = 16 * window.ChunkSize
)

// harness is a guest and the process that serves it on a recording driver, in
// one thread.
type harness struct {
	*guesttest.Guest
	driver   *drivertest.Recorder
	process  *Process
	consumer *channel.Consumer
	base     uint64 // of pinned memory

	mu       sync.Mutex
	messages []control.Message
	// makeRoom answers wishes for room; nil: there is none.
	makeRoom func(bytes uint64) bool
	// listens hears wishes for room of contexts, and answers; nil: toReturn does.
	listens func()
	// toReturn answers whether the GPU has room for contexts; nil: nobody can see.
	toReturn func(bytes uint64) (made, seen bool)
}

// Send implements Sender.
func (h *harness) Send(m control.Message) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.messages = append(h.messages, m)
	switch {
	case m.Type != control.Room:
	case !m.Context:
		h.process.RoomMade(h.makeRoom != nil && h.makeRoom(m.Bytes), false)
	case h.listens != nil:
		h.listens()
	case h.toReturn == nil:
		h.process.RoomMade(true, false)
	default:
		h.process.RoomHeard()
		h.process.RoomMade(h.toReturn(m.Bytes))
	}
	return nil
}

func (h *harness) sent() []control.Message {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.messages)
}

func newHarness(t testing.TB, change ...func(*Config)) *harness {
	t.Helper()
	h := &harness{
		Guest:  guesttest.New(t, 32<<20, testQuota),
		driver: &drivertest.Recorder{Fail: map[string]driver.Result{}, CaptureStatus: map[driver.Stream]uint32{}},
		base:   guesttest.FreeRange(t, pinnedSize),
	}
	c, err := channel.Open(h.Window, guesttest.Channel, int(h.Interrupt.Fd()))
	if err != nil {
		t.Fatal(err)
	}
	addresses, err := pinned.ReserveAddresses(h.base, pinnedSize)
	if err != nil {
		t.Fatal(err)
	}
	memory := addresses.Of(h.Window, guesttest.Channel)
	t.Cleanup(func() {
		h.settle()
		h.process.images.keeping.Wait() // its directory may be the test's
		if err := errors.Join(memory.Close(), c.Close()); err != nil {
			t.Error(err)
		}
	})
	log := logrus.New()
	log.SetOutput(io.Discard)
	config := Config{
		Driver: h.driver, Window: h.Window, Number: guesttest.Channel, Channel: c, Pinned: memory, Account: h.Account,
		Interrupt: int(h.Interrupt.Fd()), Sender: h, Log: log, Granularity: 2 << 20, Calls: []string{"cuFoo", "cuBar"},
	}
	for _, f := range change {
		f(&config)
	}
	h.process = New(config)
	if h.consumer, err = channel.NewConsumer(c, h.process, int(h.Doorbell.Fd())); err != nil {
		t.Fatal(err)
	}
	h.process.Wake = h.consumer.Wake
	return h
}

// settle waits for the threads that wait for a context.
func (h *harness) settle() {
	h.T.Helper()
	if !h.WaitFor(func() bool { return h.process.synchronizing.Load() == 0 }) {
		h.T.Error("threads still wait for a context")
	}
}

// inContext retains the primary context and forgets the calls of it.
func inContext(t testing.TB, change ...func(*Config)) *harness {
	t.Helper()
	h := newHarness(t, change...)
	h.must("primary_retain", 0)
	h.Context = primary
	h.driver.Calls()
	return h
}

// post executes a posted op and returns its failure.
func (h *harness) post(name string, args ...any) driver.Result {
	h.T.Helper()
	h.Post(name, args...)
	if _, err := h.consumer.Step(); err != nil {
		h.T.Fatalf("%s: %v", name, err)
	}
	r, _ := h.TakeAsync()
	return driver.Result(r)
}

// call executes a replied op.
func (h *harness) call(name string, args ...any) (driver.Result, []byte) {
	h.T.Helper()
	record := h.Record(0, name, args...)
	h.Push(record)
	if _, err := h.consumer.Step(); err != nil {
		h.T.Fatalf("%s: %v", name, err)
	}
	r, data, err := h.Await(0, uint32(record[window.RecSeq])|uint32(record[window.RecSeq+1])<<8)
	if err != nil {
		h.T.Fatalf("%s: %v", name, err)
	}
	return driver.Result(r), data
}

func (h *harness) must(name string, args ...any) []byte {
	h.T.Helper()
	r, data := h.call(name, args...)
	if r != driver.Success {
		h.T.Fatalf("%s failed with %d", name, r)
	}
	return data
}

// violates executes an op that must end the executor.
func (h *harness) violates(name string, args ...any) {
	h.T.Helper()
	h.Push(h.Record(h.replySlot(name), name, args...))
	if _, err := h.consumer.Step(); !errors.Is(err, ErrViolation) {
		h.T.Errorf("%s %v: error is %v, want a violation", name, args, err)
	}
	h.skip()
}

// skip goes on behind a record that ended the executor.
func (h *harness) skip() {
	h.process.violation = nil
	var r channel.Record
	if ok, err := h.process.Channel.Next(&r); !ok || err != nil {
		h.T.Fatalf("no record to skip: %v", err)
	}
	h.process.Channel.Advance(&r)
}

// replySlot is 0 for replied ops.
func (h *harness) replySlot(name string) uint16 {
	h.T.Helper()
	ops, err := api.Ops()
	if err != nil {
		h.T.Fatal(err)
	}
	if slices.ContainsFunc(ops, func(op api.Op) bool { return op.Name == name && op.Replied }) {
		return 0
	}
	return window.NoReply
}

// want compares the calls that the driver got.
func (h *harness) want(calls ...string) {
	h.T.Helper()
	got := h.driver.Calls()
	for i := range calls { // an address known only at run time
		calls[i] = strings.ReplaceAll(calls[i], "FENCES", fmt.Sprint(h.process.Channel.FenceAddress()))
	}
	if !slices.Equal(got, calls) {
		h.T.Errorf("the driver was asked\n  %s\nwant\n  %s", strings.Join(got, "\n  "), strings.Join(calls, "\n  "))
	}
}

func TestNativeOpsTranslateHandles(t *testing.T) {
	h := inContext(t)
	if r := h.post("stream_create", 5, 1, -2); r != 0 {
		t.Fatal(r)
	}
	if r := h.post("stream_create", 5, 1, -2); r != driver.ErrorInvalidHandle {
		t.Errorf("number used twice: %d", r)
	}
	if r := h.post("copy_dtod", 1, 2, 3, 5); r != 0 {
		t.Error(r)
	}
	if r := h.post("copy_dtod", 1, 2, 3, 6); r != driver.ErrorInvalidHandle {
		t.Errorf("unknown stream: %d", r)
	}
	if r := h.post("stream_destroy", 5); r != 0 {
		t.Error(r)
	}
	if r := h.post("stream_destroy", 0); r != driver.ErrorInvalidHandle {
		t.Errorf("the default stream was destroyed: %d", r)
	}
	h.want("StreamCreate 1 -2", "CopyDtoD 1 2 3 1001", "StreamQuery 1001", "StreamDestroy 1001")
}

func TestMalformedPayloadEnds(t *testing.T) {
	h := inContext(t)
	record := h.Record(window.NoReply, "notify", 0)
	h.Push(guesttest.Header(uint16(record[4])|uint16(record[5])<<8, window.NoReply, 1, 0, make([]byte, 16)))
	if _, err := h.consumer.Step(); err == nil {
		t.Error("a payload of the wrong size was executed")
	}
}

func TestStickyResultIsToldOnce(t *testing.T) {
	h := inContext(t)
	h.driver.Fail["CopyDtoD"] = driver.ErrorIllegalAddress
	for range 2 {
		h.post("copy_dtod", 1, 2, 3, 0)
	}
	if h.Sticky() != uint32(driver.ErrorIllegalAddress) {
		t.Errorf("sticky is %d", h.Sticky())
	}
	if m := h.sent(); len(m) != 1 || m[0].Type != control.Fault || m[0].Result != driver.ErrorIllegalAddress {
		t.Errorf("messages are %+v", m)
	}
}

func TestRefusedCallsAreCounted(t *testing.T) {
	h := newHarness(t)
	for _, index := range []int{1, 1, 1} {
		h.post("refused", index)
	}
	h.process.Idle()
	h.process.Idle()
	if m := h.sent(); len(m) != 1 || m[0] != (control.Message{Type: control.Refused, Name: "cuBar", Count: 3}) {
		t.Errorf("messages are %+v", m)
	}
	h.violates("refused", 2)
}
