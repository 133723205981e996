package process

import (
	"slices"
	"strings"
	"testing"

	"libvirt-vgpu/mediatord/executor/control"
	"libvirt-vgpu/mediatord/executor/driver"
	"libvirt-vgpu/mediatord/internal/parcel"
	"libvirt-vgpu/plugin/window"
)

// contextCost is what the domain's account has for the context of these processes.
const contextCost = 3 * mib

// resident is a process with a context that costs something, and with a block. Whoever
// calls its driver while that would block fails the test.
func resident(t *testing.T) *harness {
	h := inContext(t)
	if err := h.Account.Reserve(h.process.Number, contextCost); err != nil {
		t.Fatal(err)
	}
	h.driver.Blocked = func(name string) { t.Errorf("the driver was asked for %s while the context was away", name) }
	h.process.parking.patience.within = 0
	return h
}

func away(t *testing.T) *harness {
	h := resident(t)
	h.must("mem_block", window.DeviceBase, 4*mib)
	h.Own(0, 1)
	h.must("map_pinned", h.base, 0, 1, 0)
	h.leave(testQuota)
	if !h.process.Away() || !h.process.Parked() {
		t.Fatalf("not parked as a whole: %+v", h.sent())
	}
	h.driver.Calls()
	return h
}

func (h *harness) leave(limit uint64) {
	h.T.Helper()
	h.process.Park(limit, true)
	h.interrupted()
}

// order is the driver's calls of these methods.
func (h *harness) order(methods ...string) (calls []string) {
	for _, call := range h.driver.Calls() {
		if name, _, _ := strings.Cut(call, " "); slices.Contains(methods, name) {
			calls = append(calls, name)
		}
	}
	return calls
}

func TestContextLeavesAndReturns(t *testing.T) {
	h := away(t)
	if m := h.lastParking(); !m.Context || !m.Answer || m.Parked != 4*mib || m.Host != 4*mib+contextCost || m.Message != "" || m.Never {
		t.Fatalf("mediatord heard %+v", m)
	}
	h.process.Quiet()
	h.process.Poll()
	h.process.Idle()
	if h.process.Bursts(0) {
		t.Error("bursts while the context is away")
	}
	h.process.Park(testQuota, false) // is done already
	h.interrupted()
	if r := h.touch(); r != driver.Success {
		t.Fatalf("waking: %d", r)
	}
	if got := h.order("Restore", "MapBlock", "CopyHtoD", "CopyDtoD"); !slices.Equal(got, []string{"Restore", "MapBlock", "CopyHtoD", "CopyDtoD"}) {
		t.Errorf("the driver was asked for %v", got)
	}
	if m := h.lastParking(); m.Context || m.Parked != 0 || m.Host != 0 {
		t.Errorf("mediatord heard %+v", m)
	}
	h.leave(testQuota) // again
	if m := h.lastParking(); !m.Context || m.Parked != 4*mib {
		t.Errorf("the second time: %+v", m)
	}
}

// A fence is reached where the context is: there is no work before it. What needs no
// device memory brings the context alone.
func TestEventBringsContextAlone(t *testing.T) {
	h := away(t)
	if r := h.post("fence", 0, 3, 7); r != driver.Success || h.process.Channel.Fence(3) != 7 || !h.process.Away() {
		t.Errorf("a fence: %d, its word is %d, away %v", r, h.process.Channel.Fence(3), h.process.Away())
	}
	h.process.tables.Put(driver.KindEvent, 1, 77)
	h.post("event_record", 1, 0, 0, 3, 8)
	if h.process.Away() || !h.process.Parked() {
		t.Errorf("away %v, parked %v", h.process.Away(), h.process.Parked())
	}
	if m := h.lastParking(); m.Context || m.Parked != 4*mib || m.Host != 4*mib {
		t.Errorf("mediatord heard %+v", m)
	}
	if got := h.order("Restore", "MapBlock", "WriteFence"); !slices.Equal(got, []string{"Restore", "WriteFence"}) {
		t.Errorf("the driver was asked for %v", got)
	}
	h.process.Channel.SetFence(3, 8) // as the device does
	h.leave(testQuota)               // memory is parked already
	if m := h.lastParking(); !m.Context || m.Host != 4*mib+contextCost {
		t.Errorf("mediatord heard %+v", m)
	}
}

// A context without memory that could move leaves all the same.
func TestContextAlone(t *testing.T) {
	h := resident(t)
	h.leave(testQuota)
	if m := h.lastParking(); !m.Context || m.Parked != 0 || m.Host != contextCost {
		t.Fatalf("mediatord heard %+v", m)
	}
	h.process.Park(testQuota, false)
	h.interrupted()
	h.must("mem_block", window.DeviceBase, 4*mib)
	if h.process.Away() {
		t.Error("still away")
	}
}

func TestContextStays(t *testing.T) {
	for name, c := range map[string]struct {
		limit  uint64
		before func(h *harness)
		says   string
		parked uint64
		never  bool
	}{
		"host memory":        {limit: 5 * mib, says: "host memory", parked: 4 * mib},
		"no host memory":     {limit: mib, says: "host memory"},
		"work":               {limit: testQuota, before: func(h *harness) { h.driver.Fail["StreamQuery"] = driver.ErrorNotReady }, says: "it has work"},
		"the driver refuses": {limit: testQuota, before: func(h *harness) { h.driver.Fail["Checkpoint"] = driver.ErrorNotSupported }, says: "801", parked: 4 * mib, never: true},
		"no such driver":     {limit: testQuota, before: func(h *harness) { h.process.checkpoint.driver = nil }, says: "cannot", never: true},
		"shared":             {limit: testQuota, before: func(h *harness) { h.process.memory.blocks[window.DeviceBase].share = 1 }, says: "shares"},
	} {
		t.Run(name, func(t *testing.T) {
			h := resident(t)
			h.must("mem_block", window.DeviceBase, 4*mib)
			if c.before != nil {
				c.before(h)
			}
			h.driver.Calls()
			h.leave(c.limit)
			m := h.lastParking()
			if m.Context || h.process.Away() || m.Parked != c.parked || m.Never != c.never || !strings.Contains(m.Message, c.says) {
				t.Errorf("mediatord heard %+v", m)
			}
			if !c.never {
				return
			}
			h.driver.Calls()
			h.leave(c.limit)
			if m := h.lastParking(); !m.Never || m.Message == "" || slices.ContainsFunc(h.driver.Calls(), func(c string) bool { return c == "Checkpoint" }) {
				t.Errorf("tried again; mediatord heard %+v", m)
			}
			if r := h.touch(); r != driver.Success || h.Sticky() != 0 {
				t.Errorf("afterwards: %d, sticky %d", r, h.Sticky())
			}
		})
	}
}

// Without room each call fails by itself, whoever waits for a fence comes back, and
// nothing is lost.
func TestNoRoomForContext(t *testing.T) {
	h := away(t)
	h.driver.Fail["Restore"] = driver.ErrorOutOfMemory
	var asked []uint64
	h.makeRoom = func(bytes uint64) bool { asked = append(asked, bytes); return false }
	if r := h.touch(); r != driver.ErrorOutOfMemory || len(asked) == 0 || asked[0] != contextCost {
		t.Errorf("result %d, asked for room %v", r, asked)
	}
	if r := h.post("fence", 0, 3, 7); r != driver.Success || h.process.Channel.Fence(3) != 7 { // there is no work before it
		t.Errorf("fence: %d, the word is %d", r, h.process.Channel.Fence(3))
	}
	h.post("event_create", 1, 0)
	if r := h.post("event_record", 1, 0, 0, 4, 9); r != driver.ErrorOutOfMemory || h.process.Channel.Fence(4) != 9 {
		t.Errorf("event: %d, the word is %d", r, h.process.Channel.Fence(4))
	}
	h.process.Export(&parcel.Parcel{ID: 9, Channel: other, Secret: strings.Repeat("00", parcel.SecretSize)})
	h.process.Revoke(0)
	h.interrupted()
	if !h.process.Away() || h.Sticky() != 0 {
		t.Errorf("away %v, sticky %d", h.process.Away(), h.Sticky())
	}
	delete(h.driver.Fail, "Restore")
	revoked := func() bool {
		return slices.ContainsFunc(h.sent(), func(m control.Message) bool { return m.Type == control.Revoked })
	}
	if revoked() {
		t.Error("a chunk was given up that the device may still reach")
	}
	if !h.WaitFor(func() bool { _, err := h.consumer.Step(); return err != nil || revoked() }) {
		t.Error("the chunk is never given up")
	}
	if !h.WaitFor(func() bool { return h.touch() == driver.Success }) {
		t.Error("with room it does not come back")
	}
}

// A driver that finds work or no memory when it is asked to take the contexts may take them the next time; one that says so again
// and again is not asked any more.
func TestContextsLeaveAnotherTime(t *testing.T) {
	for _, code := range []driver.Result{driver.ErrorNotReady, driver.ErrorOutOfMemory} {
		h := resident(t)
		h.must("mem_block", window.DeviceBase, 4*mib)
		h.driver.Fail["Checkpoint"] = code
		h.leave(testQuota)
		if m := h.lastParking(); m.Never || m.Context || !m.Answer || m.Message == "" {
			t.Errorf("%d: mediatord heard %+v", code, m)
		}
		delete(h.driver.Fail, "Checkpoint")
		h.leave(testQuota)
		if m := h.lastParking(); !h.process.Away() || !m.Context {
			t.Errorf("%d: the next time mediatord heard %+v", code, m)
		}
		if r := h.touch(); r != driver.Success {
			t.Fatalf("%d: coming back: %d", code, r)
		}
		h.driver.Fail["Checkpoint"] = code
		for n := 1; n <= mostHeld; n++ {
			h.lastParking() // host memory is given back
			h.leave(testQuota)
			if m := h.lastParking(); m.Never != (n == mostHeld) {
				t.Errorf("%d: after %d refusals mediatord heard %+v", code, n, m)
			}
		}
	}
}

// A chunk that one mediatord asked for and that waits for the contexts is the next one's to ask for: two answers could
// be taken for those to two wishes.
func TestLateChunkEndsWithMediatord(t *testing.T) {
	for name, order := range map[string]func(h *harness){
		"asked, taken over": func(h *harness) { h.process.Revoke(0); h.process.Resume(); h.interrupted() },
		"put off, taken over": func(h *harness) {
			h.process.Revoke(0)
			h.interrupted()
			h.process.Resume()
			h.interrupted()
		},
		"taken over while it is put off": func(h *harness) {
			h.toReturn = func(uint64) (bool, bool) { h.toReturn = nil; h.process.Resume(); return false, true }
			h.process.Revoke(0)
			h.interrupted()
			h.interrupted()
		},
	} {
		h := away(t)
		h.driver.Fail["Restore"] = driver.ErrorOutOfMemory
		h.process.parking.patience.within = 0
		order(h)
		h.process.Revoke(0) // the next one's
		delete(h.driver.Fail, "Restore")
		heard := func() (types []string) {
			for _, m := range h.sent() {
				if m.Type == control.Resumed || m.Type == control.Revoked {
					types = append(types, m.Type)
				}
			}
			return types
		}
		if !h.WaitFor(func() bool { _, err := h.consumer.Step(); h.interrupted(); return err != nil || len(heard()) > 1 }) {
			t.Errorf("%s: the chunk is never given up", name)
		}
		h.interrupted()
		if got := heard(); !slices.Equal(got, []string{control.Resumed, control.Revoked}) {
			t.Errorf("%s: mediatord heard %v", name, got)
		}
	}
}

func TestRoomIsMadeForContext(t *testing.T) {
	h := away(t)
	h.driver.Fail["Restore"] = driver.ErrorOutOfMemory
	h.makeRoom = func(uint64) bool { delete(h.driver.Fail, "Restore"); return true }
	if r := h.touch(); r != driver.Success {
		t.Errorf("result %d", r)
	}
}

// A context that cannot come back ends the executor, as one that is lost does.
func TestLostContexts(t *testing.T) {
	for name, lose := range map[string]func(h *harness){
		"not restored": func(h *harness) {
			h.leave(testQuota)
			h.driver.Fail["Restore"], h.driver.RestoreLoses = driver.ErrorUnknown, true
		},
		"torn": func(h *harness) {
			h.driver.Fail["Checkpoint"], h.driver.Torn = driver.ErrorUnknown, true
			h.process.Park(testQuota, true)
		},
		"not registered": func(h *harness) {
			h.leave(testQuota)
			h.driver.Fail["HostRegister"] = driver.ErrorInvalidValue
		},
	} {
		h := resident(t)
		h.must("mem_block", window.DeviceBase, 4*mib)
		lose(h)
		h.process.Wake()
		_, err := h.consumer.Step()
		if err == nil {
			h.Post("event_create", 1, 0)
			_, err = h.consumer.Step()
		}
		if err == nil || !strings.Contains(err.Error(), "contexts are lost") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Another mediatord hears where the contexts are.
func TestResumedTellsOfContext(t *testing.T) {
	h := away(t)
	h.process.Resume()
	h.interrupted()
	all := h.sent()
	if m := all[len(all)-1]; m.Type != control.Resumed || !m.Context || m.Parked != 4*mib || m.Host != 4*mib+contextCost {
		t.Errorf("mediatord heard %+v", m)
	}
}
