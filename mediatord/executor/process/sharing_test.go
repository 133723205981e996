package process

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"os"
	"strings"
	"testing"

	"libvirt-vgpu/mediatord/executor/control"
	"libvirt-vgpu/mediatord/executor/driver"
	"libvirt-vgpu/mediatord/executor/guesttest"
	"libvirt-vgpu/mediatord/internal/parcel"
	"libvirt-vgpu/plugin/window"
)

const other = 5 // channel of the other process

// exportable are the properties of memory that may leave the process.
func exportable() []byte {
	p := make([]byte, 32)
	binary.LittleEndian.PutUint32(p, allocationPinned)
	binary.LittleEndian.PutUint32(p[propHandleTypes:], handleDescriptor)
	binary.LittleEndian.PutUint32(p[propLocation:], locationDevice)
	return p
}

// interrupted lets the consumer look at mediatord's wishes.
func (h *harness) interrupted() {
	h.T.Helper()
	if err := h.process.Interrupted(); err != nil {
		h.T.Fatal(err)
	}
}

// asked answers an export of the token's secret for a channel.
func (h *harness) asked(token []byte, channel int) *parcel.Parcel {
	h.T.Helper()
	before := len(h.sent())
	h.process.Export(&parcel.Parcel{ID: 9, Channel: channel, Secret: hex.EncodeToString(token[8:])})
	h.interrupted()
	messages := h.sent()[before:]
	if len(messages) != 1 || messages[0].Type != parcel.Exported || messages[0].Parcel.ID != 9 {
		h.T.Fatalf("messages are %+v", messages)
	}
	return messages[0].Parcel
}

// begun is an import under way and the wish that it sent.
type begun struct {
	*parcel.Parcel
	sequence uint32
}

func (h *harness) begin(name string, args ...any) begun {
	h.T.Helper()
	before := len(h.sent())
	h.Push(h.Record(0, name, args...))
	if _, err := h.consumer.Step(); err != nil {
		h.T.Fatal(err)
	}
	messages := h.sent()[before:]
	if len(messages) != 1 || messages[0].Type != parcel.Acquire {
		h.T.Fatalf("messages are %+v", messages)
	}
	return begun{messages[0].Parcel, h.Sequence()}
}

// end gives the answer and returns the call's result.
func (h *harness) end(b begun, got *parcel.Parcel) driver.Result {
	h.T.Helper()
	got.ID = b.ID
	h.process.Acquired(got)
	h.interrupted()
	r, _, err := h.Await(0, b.sequence)
	if err != nil {
		h.T.Fatal(err)
	}
	return driver.Result(r)
}

func TestMemoryIsExported(t *testing.T) {
	h := inContext(t, func(c *Config) { c.Generation = 77 })
	va := uint64(window.DeviceBase)
	h.must("mem_block", va, 2*mib)
	h.must("mem_create", 3, 4*mib, exportable(), 0)
	h.driver.Calls()
	block, memory := h.must("block_export", va), h.must("mem_export", 3)
	for _, token := range [][]byte{block, memory} {
		if le := binary.LittleEndian; le.Uint32(token) != guesttest.Channel || le.Uint32(token[4:]) != 77 || len(token) != tokenSize {
			t.Errorf("token is %x", token)
		}
	}
	if again := h.must("block_export", va); !bytes.Equal(again, block) {
		t.Error("one block, two tokens")
	}
	h.want() // nothing leaves before somebody asks

	got := h.asked(block, other)
	if got.Result != 0 || got.Size != 2*mib || got.Share == nil || got.Descriptor {
		t.Errorf("the block's parcel is %+v", got)
	}
	if got = h.asked(memory, other); got.Result != 0 || got.Size != 4*mib {
		t.Errorf("the memory's parcel is %+v", got)
	}
	h.want(fmt.Sprintf("BlockExport %d", va), "MemoryExport 1001")
	if total := h.Account.Total(); total != 6*mib {
		t.Errorf("%d bytes counted", total)
	}

	// It ends here and lives on there.
	h.post("mem_unblock", va)
	h.must("mem_release", 3)
	for _, token := range [][]byte{block, memory} {
		if got := h.asked(token, other); got.Result != uint32(driver.ErrorInvalidValue) || got.Share != nil {
			t.Errorf("stale token: %+v", got)
		}
	}
	if total := h.Account.Total(); total != 6*mib {
		t.Errorf("%d bytes counted while another has them", total)
	}
	h.Account.Clear(other)
	if total := h.Account.Total(); total != 0 {
		t.Errorf("%d bytes counted at the end", total)
	}
}

func TestWhatCannotBeExported(t *testing.T) {
	h := inContext(t)
	plain := exportable()
	clear(plain[propHandleTypes : propHandleTypes+4])
	h.must("mem_create", 3, 4*mib, plain, 0)
	for name, args := range map[string][]any{
		"mem_export": {3}, "block_export": {uint64(window.DeviceBase)}, "event_export": {4},
	} {
		if r, _ := h.call(name, args...); r != driver.ErrorInvalidValue && r != driver.ErrorInvalidHandle {
			t.Errorf("%s: %d", name, r)
		}
	}
	fabric := exportable()
	fabric[propHandleTypes] = 8
	if r, _ := h.call("mem_create", 4, 4*mib, fabric, 0); r != driver.ErrorNotSupported {
		t.Errorf("fabric handle: %d", r)
	}
	for _, secret := range []string{"", strings.Repeat("00", parcel.SecretSize)} {
		h.process.Export(&parcel.Parcel{ID: 1, Secret: secret})
	}
	h.interrupted()
	for _, m := range h.sent() {
		if m.Parcel.Result != uint32(driver.ErrorInvalidValue) {
			t.Errorf("a guessed secret opened %+v", m.Parcel)
		}
	}
	h.driver.Fail["BlockExport"] = driver.ErrorOutOfMemory
	h.must("mem_block", uint64(window.DeviceBase), 2*mib)
	if got := h.asked(h.must("block_export", uint64(window.DeviceBase)), other); got.Result != uint32(driver.ErrorOutOfMemory) || got.Descriptor {
		t.Errorf("failed export is %+v", got)
	}
}

func devNull(t *testing.T) *os.File {
	t.Helper()
	f, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// shared is memory that another process has, held for this one too.
func (h *harness) shared(size uint64) *int {
	h.T.Helper()
	if err := h.Account.Reserve(other, size); err != nil {
		h.T.Fatal(err)
	}
	share, err := h.Account.Share(other, size)
	if err != nil {
		h.T.Fatal(err)
	}
	if err := h.Account.Hold(share, guesttest.Channel); err != nil {
		h.T.Fatal(err)
	}
	return &share
}

func token(channel, generation uint32) []byte {
	b := make([]byte, tokenSize)
	binary.LittleEndian.PutUint32(b, channel)
	binary.LittleEndian.PutUint32(b[4:], generation)
	b[8] = 0xaa
	return b
}

func TestMemoryIsImported(t *testing.T) {
	h := inContext(t)
	va := uint64(window.DeviceBase)
	wish := h.begin("block_import", va, 2*mib, token(other, 6))
	if wish.Channel != other || wish.Generation != 6 || !strings.HasPrefix(wish.Secret, "aa00") {
		t.Errorf("the wish is %+v", wish)
	}
	h.post("ctx_set_cache_config", 1) // the ring goes on meanwhile
	block := h.shared(2 * mib)
	if r := h.end(wish, &parcel.Parcel{Channel: other, Size: 2 * mib, Share: block, File: devNull(t)}); r != 0 {
		t.Fatal(r)
	}
	wish = h.begin("mem_import", 3, 4*mib, token(other, 6))
	memory := h.shared(4 * mib)
	if r := h.end(wish, &parcel.Parcel{Channel: other, Size: 4 * mib, Share: memory, File: devNull(t)}); r != 0 {
		t.Fatal(r)
	}
	h.want("CtxSetCacheConfig 1", fmt.Sprintf("BlockImport %d %d", va, 2*mib), fmt.Sprintf("MemoryImport %d", 4*mib))
	h.Account.Clear(other)
	if used := h.Account.Used(guesttest.Channel); used != 6*mib {
		t.Errorf("the heir counts %d", used)
	}
	h.post("mem_unblock", va)
	h.must("mem_release", 3)
	if total := h.Account.Total(); total != 0 {
		t.Errorf("%d bytes counted at the end", total)
	}
}

// TestAnotherMediatorIsAskedAgain has mediatord die with a wish and a revocation.
func TestAnotherMediatorIsAskedAgain(t *testing.T) {
	h := inContext(t)
	wish := h.begin("mem_import", 3, 4*mib, token(other, 6))
	before := len(h.sent())
	h.process.Revoke(1)
	h.process.Resume()
	h.interrupted()
	said := h.sent()[before:]
	if len(said) != 3 || said[0].Type != control.Revoked || said[1].Type != control.Resumed || said[2].Type != parcel.Acquire {
		t.Fatalf("it says %+v", said)
	}
	if again := said[2].Parcel; again.ID != wish.ID || again.Secret != wish.Secret || again.Channel != other || again.Generation != 6 {
		t.Errorf("the wish is %+v now, was %+v", again, wish.Parcel)
	}
	if r := h.end(wish, &parcel.Parcel{Channel: other, Size: 4 * mib, Share: h.shared(4 * mib), File: devNull(t)}); r != 0 {
		t.Errorf("the import ended with %d", r)
	}
	h.process.Resume()
	h.interrupted()
	if last := h.sent()[before+3:]; len(last) != 1 || last[0].Type != control.Resumed {
		t.Errorf("with nothing to ask for it says %+v", last)
	}
}

func TestFailedImportsHoldNothing(t *testing.T) {
	h := inContext(t)
	va := uint64(window.DeviceBase)
	if r, _ := h.call("block_import", va+1, 2*mib, token(other, 1)); r != driver.ErrorInvalidValue {
		t.Errorf("address: %d", r)
	}
	if r, _ := h.call("block_import", va, 2*mib, token(1000, 1)); r != driver.ErrorInvalidValue {
		t.Errorf("channel beyond all: %d", r)
	}
	for name, tc := range map[string]struct {
		answer func() *parcel.Parcel
		want   driver.Result
	}{
		"stale": {func() *parcel.Parcel { return &parcel.Parcel{Result: 1} }, driver.ErrorInvalidValue},
		"other size": {func() *parcel.Parcel {
			return &parcel.Parcel{Size: 4 * mib, Share: h.shared(4 * mib), File: devNull(t)}
		}, driver.ErrorInvalidValue},
		"an event": {func() *parcel.Parcel { return &parcel.Parcel{Handle: strings.Repeat("00", parcel.HandleSize)} }, driver.ErrorInvalidValue},
		"driver": {func() *parcel.Parcel {
			h.driver.Fail["BlockImport"] = driver.ErrorMapFailed
			return &parcel.Parcel{Size: 2 * mib, Share: h.shared(2 * mib), File: devNull(t)}
		}, driver.ErrorMapFailed},
	} {
		wish := h.begin("block_import", va, 2*mib, token(other, 1))
		answer := tc.answer()
		answer.Channel = other
		if r := h.end(wish, answer); r != tc.want {
			t.Errorf("%s: %d", name, r)
		}
		h.Account.Clear(other)
		if total := h.Account.Total(); total != 0 {
			t.Errorf("%s: %d bytes counted", name, total)
		}
	}
	h.process.Acquired(&parcel.Parcel{ID: 1234}) // nobody waits for it
	h.interrupted()
}

// A process may import what it exports itself.
func TestOwnMemoryTwice(t *testing.T) {
	h := inContext(t)
	h.must("mem_create", 3, 4*mib, exportable(), 0)
	opened := h.must("mem_export", 3)
	wish := h.begin("mem_import", 4, 4*mib, opened)
	answer := h.asked(opened, guesttest.Channel)
	answer.File = devNull(t)
	answer.Channel = guesttest.Channel
	if r := h.end(wish, answer); r != 0 {
		t.Fatal(r)
	}
	for _, number := range []int{3, 4} {
		if total := h.Account.Total(); total != 4*mib {
			t.Errorf("%d bytes counted", total)
		}
		h.must("mem_release", number)
	}
	if total := h.Account.Total(); total != 0 {
		t.Errorf("%d bytes counted at the end", total)
	}
}

func TestEventsGoToAnotherProcess(t *testing.T) {
	h := inContext(t)
	h.post("event_create", 4, 6)
	h.driver.Calls()
	exported := h.must("event_export", 4)
	got := h.asked(exported, other)
	if got.Result != 0 || !strings.HasPrefix(got.Handle, "07") || got.Share != nil {
		t.Errorf("the parcel is %+v", got)
	}
	wish := h.begin("event_import", 5, token(other, 1))
	if r := h.end(wish, &parcel.Parcel{Channel: other, Handle: got.Handle}); r != 0 {
		t.Fatal(r)
	}
	h.want("EventExport 1001", "EventImport 7")
	if _, ok := h.process.tables.Get(driver.KindEvent, 5); !ok {
		t.Error("the event was not kept")
	}
	// The number has a new owner: the old secret opens nothing.
	h.post("event_destroy", 4)
	h.post("event_create", 4, 6)
	if got := h.asked(exported, other); got.Result != uint32(driver.ErrorInvalidValue) || got.Handle != "" {
		t.Errorf("stale event: %+v", got)
	}
}

func TestWaitsForParcelsAreLimited(t *testing.T) {
	h := inContext(t)
	for range parcel.MaxPending {
		h.begin("mem_import", 3, 4*mib, token(other, 1))
	}
	h.violates("mem_import", 3, 4*mib, token(other, 1))
}
