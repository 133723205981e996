package process

import (
	"slices"
	"strconv"
	"strings"
	"testing"

	"libvirt-vgpu/mediatord/executor/control"
	"libvirt-vgpu/mediatord/executor/driver"
	"libvirt-vgpu/plugin/window"
)

// without forgets calls of these methods.
func without(calls []string, methods ...string) (left []string) {
	for _, call := range calls {
		if name, _, _ := strings.Cut(call, " "); !slices.Contains(methods, name) {
			left = append(left, name)
		}
	}
	return left
}

// furnished is a process that has some of everything, but for the pages of the arena at
// its base.
func furnished(t *testing.T) *harness {
	const va = window.DeviceBase + 64*mib
	h := resident(t)
	h.must("mem_block", window.DeviceBase, 4*mib)
	h.must("mem_reserve", uint64(va), 64*mib)
	h.must("mem_create", 1, 2*mib, exportable(), 0)
	h.must("mem_map", uint64(va), 2*mib, 0, 1, 0)
	h.Own(0, 1)
	h.must("map_pinned", h.base, 0, 1, 0)
	h.function(9)
	h.image(2, []byte(text))
	h.must("library_load", 4, 2, 0, "")
	h.post("stream_create", 5, 0, 0)
	h.post("event_create", 6, 0)
	h.must("graph_create", 1, 0)
	h.must("graph_instantiate", 3, 1, 0)
	h.must("array_create", 3, descriptor(64, 64, 0))
	h.must("mem_alloc_async", uint64(mib), 0, 5)
	h.must("ctx_create", 7, 0)
	h.Context = primary
	h.driver.Calls()
	return h
}

// furnishedEndings end all that a furnished process has.
var furnishedEndings = []struct {
	op    string
	args  []any
	calls []string // of the driver, but those about registered memory
}{
	{"graphexec_destroy", []any{3}, []string{"GraphexecDestroy"}},
	{"graph_destroy", []any{1}, []string{"GraphDestroy"}},
	{"mem_free_async", []any{uint64(1010), 5}, []string{"MemFreeAsync"}},
	{"stream_destroy", []any{5}, []string{"StreamDestroy"}},
	{"event_destroy", []any{6}, []string{"EventDestroy"}},
	{"module_unload", []any{1}, []string{"ModuleUnload"}},
	{"library_unload", []any{4}, []string{"LibraryUnload"}},
	{"array_destroy", []any{3}, []string{"ArrayDestroy"}},
	{"unmap_pinned", nil, nil},
	{"mem_unblock", []any{uint64(window.DeviceBase)}, nil}, // is parked
	{"mem_unmap", []any{uint64(window.DeviceBase + 64*mib), 2 * mib}, nil},
	{"mem_release", []any{1}, nil},
	{"mem_unreserve", []any{uint64(window.DeviceBase + 64*mib), 64 * mib}, []string{"AddressFree"}},
	{"ctx_destroy", []any{7}, []string{"ContextDestroy"}},
	{"primary_release", nil, []string{"PrimaryRelease"}},
}

// endAll ends all, and is the calls of the driver that this takes.
func (h *harness) endAll() (calls []string) {
	h.T.Helper()
	for _, e := range furnishedEndings {
		if e.op == "unmap_pinned" {
			e.args = []any{h.base}
		}
		r := driver.Success
		if h.replySlot(e.op) == 0 {
			r, _ = h.call(e.op, e.args...)
		} else {
			r = h.post(e.op, e.args...)
		}
		if r != driver.Success {
			h.T.Errorf("%s: %d", e.op, r)
		}
		calls = append(calls, e.calls...)
	}
	return calls
}

// A process that is away ends whatever it has, without room and without the driver, which
// hears of it in order when the contexts are back.
func TestEndingNeedsNoRoom(t *testing.T) {
	h := furnished(t)
	h.leave(testQuota)
	if !h.process.Away() || h.process.parking.bytes.Load() != 6*mib {
		t.Fatalf("not away: %+v", h.sent())
	}
	h.driver.Calls()
	h.driver.Fail["Restore"] = driver.ErrorOutOfMemory
	want := h.endAll()
	if got := h.driver.Calls(); len(got) != 0 {
		t.Errorf("the driver was asked for %v", got)
	}
	if h.used() != contextCost { // which the test has charged
		t.Errorf("%d bytes used", h.used())
	}
	if m := h.lastParking(); !m.Context || m.Parked != 0 || m.Host == 0 {
		t.Errorf("mediatord heard %+v", m)
	}
	h.Context = 0
	if r, _ := h.call("primary_retain", 0); r != driver.ErrorOutOfMemory {
		t.Errorf("a new context without room: %d", r)
	}
	delete(h.driver.Fail, "Restore")
	h.driver.Calls()
	if !h.WaitFor(func() bool { r, _ := h.call("primary_retain", 0); return r == driver.Success }) {
		t.Fatal("with room there is no new context")
	}
	got := without(h.driver.Calls(), "SetCurrent", "HostUnregister", "HostRegister", "PoolTrim", "PoolGetAttribute", "GraphMemoryGet")
	want = append(append([]string{"Restore"}, want...), "PrimaryRetain")
	if !slices.Equal(got, want) {
		t.Errorf("the driver was asked for\n%v, want\n%v", got, want)
	}
	if m := h.lastParking(); m.Context || m.Parked != 0 || m.Host != 0 {
		t.Errorf("mediatord heard %+v", m)
	}
	h.Context = primary
	h.must("mem_block", window.DeviceBase, 4*mib)
	if r := h.touch(); r != driver.Success {
		t.Errorf("afterwards: %d", r)
	}
}

// So does one of which only the memory is parked; the driver hears at once.
func TestEndingBesideParkedMemory(t *testing.T) {
	h := furnished(t)
	h.park()
	h.driver.Fail["MapBlock"], h.driver.Fail["MemoryCreate"] = driver.ErrorOutOfMemory, driver.ErrorOutOfMemory
	h.driver.Calls()
	h.endAll()
	for _, call := range h.driver.Calls() {
		if strings.HasPrefix(call, "MapBlock") || strings.HasPrefix(call, "MemoryCreate") {
			t.Errorf("the driver was asked: %s", call)
		}
	}
	if m := h.lastParking(); h.used() != contextCost || m.Parked != 0 || m.Host != 0 {
		t.Errorf("%d bytes used, mediatord heard %+v", h.used(), m)
	}
}

// Memory of its own outlives the last context, parked or away, and comes back in the next
// one, or without any.
func TestParkedMemoryOutlivesContexts(t *testing.T) {
	const va = window.DeviceBase + 64*mib
	for name, whole := range map[string]bool{"parked": false, "away": true} {
		for name2, again := range map[string]bool{"in another context": true, "without one": false} {
			t.Run(name+" "+name2, func(t *testing.T) {
				h := resident(t)
				h.must("mem_reserve", uint64(va), 64*mib)
				h.must("mem_create", 1, 2*mib, exportable(), 0)
				h.must("mem_map", uint64(va), 2*mib, 0, 1, 0)
				h.process.Park(testQuota, whole)
				h.interrupted()
				h.post("primary_release")
				h.Context = 0
				if !h.process.Parked() || h.process.Away() != whole || h.process.registrar != 0 {
					t.Fatalf("parked %v, away %v", h.process.Parked(), h.process.Away())
				}
				h.driver.Calls()
				order := []string{"MemoryCreate", "MemoryMap", "CopyHtoD"}
				if whole {
					order = append([]string{"Restore", "PrimaryRelease"}, order...)
				}
				if again {
					h.must("primary_retain", 0)
					h.Context = primary
					order = slices.Insert(order, len(order)-3, "PrimaryRetain")
				} else {
					order = slices.Insert(order, len(order)-3, "PrimaryRetain")
					order = append(order, "PrimaryRelease")
				}
				h.must("mem_set_access", uint64(va), 2*mib, 1, []byte{1, 0, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0})
				if got := h.order("Restore", "PrimaryRelease", "PrimaryRetain", "MemoryCreate", "MemoryMap", "CopyHtoD"); !slices.Equal(got, order) {
					t.Errorf("the driver was asked for\n%v, want\n%v", got, order)
				}
				if m := h.lastParking(); h.process.Parked() || m.Parked != 0 || m.Host != 0 {
					t.Errorf("mediatord heard %+v", m)
				}
			})
		}
	}
}

// Another context takes over what was registered in one that ended meanwhile.
func TestAnotherContextTakesOver(t *testing.T) {
	h := furnished(t)
	h.leave(testQuota)
	h.post("primary_release")
	h.Context = 7
	h.driver.Calls()
	if r := h.touch(); r != driver.Success || h.process.registrar != 7 {
		t.Errorf("result %d, registered in %d", r, h.process.registrar)
	}
	calls := h.driver.Calls()
	native, _ := h.process.tables.Get(driver.KindContext, 7)
	current, registered := "", 0
	for _, call := range calls {
		if strings.HasPrefix(call, "SetCurrent") {
			current = call
		}
		if strings.HasPrefix(call, "HostRegister") {
			registered++
			if !strings.HasSuffix(current, " "+strconv.FormatUint(native, 10)) {
				t.Errorf("%s in %q", call, current)
			}
		}
	}
	if registered == 0 {
		t.Errorf("nothing is registered: %v", calls)
	}
}

// Chunks of pinned memory that has ended are given up when the device can be asked.
func TestPinnedMemoryEndsLater(t *testing.T) {
	h := away(t)
	h.driver.Fail["Restore"] = driver.ErrorOutOfMemory
	h.must("unmap_pinned", h.base)
	if r, _ := h.call("unmap_pinned", h.base); r != driver.ErrorInvalidValue {
		t.Errorf("twice: %d", r)
	}
	h.process.Revoke(0)
	h.interrupted()
	revoked := func() bool {
		return slices.ContainsFunc(h.sent(), func(m control.Message) bool { return m.Type == control.Revoked })
	}
	if revoked() {
		t.Error("a chunk was given up for which the driver will look")
	}
	delete(h.driver.Fail, "Restore")
	if !h.WaitFor(func() bool { _, err := h.consumer.Step(); return err != nil || revoked() }) {
		t.Error("the chunk is never given up")
	}
	if h.process.Pinned.At(h.base) != nil || h.process.violation != nil {
		t.Errorf("it is still there: %v", h.process.violation)
	}
}

// What may be ended while a process is away is bounded.
func TestEndingsAreBounded(t *testing.T) {
	h := away(t)
	h.process.endings.kept = make([]ending, mostKept)
	if r := h.post("mem_free_async", 1, 0); r != driver.ErrorOutOfMemory {
		t.Errorf("result %d", r)
	}
	h.process.endings.kept = nil
}
