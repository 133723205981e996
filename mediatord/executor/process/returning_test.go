package process

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sirupsen/logrus"

	"libvirt-vgpu/mediatord/executor/driver"
)

// errorOperatingSystem is what an H200's driver answered where a return found no room.
const errorOperatingSystem driver.Result = 304

// restores counts how often the driver was asked to bring contexts back.
func (h *harness) restores() int { return len(h.order("Restore")) }

// logs is what the process says from now on.
func (h *harness) logs() *bytes.Buffer {
	var said bytes.Buffer
	log := logrus.New()
	log.SetOutput(&said)
	h.process.Log = log
	return &said
}

// again is touch, until the process answers something else than that there is no room.
func (h *harness) again() (r driver.Result) {
	h.T.Helper()
	if !h.WaitFor(func() bool { r = h.touch(); return r != driver.ErrorOutOfMemory }) {
		h.T.Fatal("there is no room for ever")
	}
	return r
}

// Where mediatord sees that there is no room the driver is not asked: it might never bring
// the contexts back then. A later call finds room.
func TestNoRoomIsSeenBeforeReturn(t *testing.T) {
	h := away(t)
	var asked []uint64
	room := false
	h.toReturn = func(bytes uint64) (bool, bool) { asked = append(asked, bytes); return room, true }
	for range 3 {
		if r := h.touch(); r != driver.ErrorOutOfMemory {
			t.Fatalf("result %d", r)
		}
	}
	if h.restores() != 0 || !h.process.Away() || h.Sticky() != 0 || asked[0] != contextCost {
		t.Errorf("away %v, sticky %d, asked for %v", h.process.Away(), h.Sticky(), asked)
	}
	room = true
	if r := h.again(); r != driver.Success || h.process.Away() {
		t.Errorf("with room: %d", r)
	}
}

// Whatever a driver answers: who is still away by its state has found no room, and returns
// when there is some.
func TestFailedReturnsAreTriedAgain(t *testing.T) {
	for _, code := range []driver.Result{driver.ErrorOutOfMemory, errorOperatingSystem, driver.ErrorUnknown} {
		h := away(t)
		said := h.logs()
		h.driver.Fail["Restore"] = code
		var asked []uint64
		h.makeRoom = func(bytes uint64) bool { asked = append(asked, bytes); return false }
		if r := h.touch(); r != driver.ErrorOutOfMemory || !h.process.Away() || h.Sticky() != 0 {
			t.Errorf("%d: result %d, away %v, sticky %d", code, r, h.process.Away(), h.Sticky())
		}
		if !slices.Equal(asked, []uint64{contextCost}) {
			t.Errorf("%d: others were asked for %v", code, asked)
		}
		h.makeRoom = func(uint64) bool { delete(h.driver.Fail, "Restore"); return true }
		if r := h.again(); r != driver.Success || h.process.Away() {
			t.Errorf("%d: with room: %d", code, r)
		}
		for _, want := range []string{
			"no room on the GPU: error " + fmt.Sprint(int(code)) + " at try 1, the process was checkpointed before, and is checkpointed",
			"came back at try", "the process was checkpointed before, and is running",
		} {
			if !strings.Contains(said.String(), want) {
				t.Errorf("the log lacks %q:\n%s", want, said)
			}
		}
	}
}

// What was enough by the account, and was not, is asked for with more.
func TestMoreRoomAfterTooLittle(t *testing.T) {
	h := away(t)
	h.driver.Fail["Restore"] = driver.ErrorOutOfMemory
	var asked []uint64
	h.toReturn = func(bytes uint64) (bool, bool) {
		if asked = append(asked, bytes); bytes > contextCost {
			delete(h.driver.Fail, "Restore")
		}
		return true, true
	}
	if r := h.again(); r != driver.Success || !slices.Equal(asked, []uint64{contextCost, contextCost + leastRoom}) {
		t.Errorf("result %d, asked for %v", r, asked)
	}
}

// A driver that fails twice to bring back what found no room once, with room, never will.
func TestStuckContextsAreLost(t *testing.T) {
	h := away(t)
	h.driver.Fail["Restore"] = driver.ErrorOutOfMemory
	h.toReturn = func(uint64) (bool, bool) { return true, true }
	if r := h.touch(); r != driver.ErrorOutOfMemory {
		t.Fatalf("result %d", r)
	}
	h.driver.Fail["Restore"] = errorOperatingSystem
	var err error
	if !h.WaitFor(func() bool { h.Post("event_create", 1, 0); _, err = h.consumer.Step(); return err != nil }) {
		t.Fatal("it is tried for ever")
	}
	if want := "error 304 at try 3, the process was checkpointed before, and is checkpointed"; !strings.Contains(err.Error(), want) {
		t.Errorf("%v, want %q", err, want)
	}
}

// Contexts that are lost by their state are not tried again, though the code is that of a
// full GPU.
func TestReturnThatLoses(t *testing.T) {
	h := away(t)
	h.driver.Fail["Restore"], h.driver.RestoreLoses = driver.ErrorOutOfMemory, true
	h.Post("event_create", 1, 0)
	_, err := h.consumer.Step()
	if want := "contexts are lost: bringing them back to the GPU failed with error 2 at try 1, the process was checkpointed before, and is failed"; err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("%v, want %q", err, want)
	}
	if n := h.restores(); n != 1 {
		t.Errorf("tried %d times", n)
	}
}

// Who hears nothing of mediatord tries.
func TestReturnWithoutAnswer(t *testing.T) {
	h := away(t)
	h.process.room.silence = 50 * time.Millisecond
	h.listens = func() {}
	if r := h.touch(); r != driver.Success || h.process.Away() {
		t.Errorf("result %d", r)
	}
}

// Who has heard of it waits for the answer, and asks the next mediatord again.
func TestReturnWaitsForTheAnswer(t *testing.T) {
	h := away(t)
	h.process.room.silence = 50 * time.Millisecond
	asked, resumed := 0, time.Duration(0)
	began := time.Now()
	h.listens = func() {
		switch asked++; asked {
		case 1:
			h.process.RoomHeard()
			time.AfterFunc(10*h.process.room.silence, h.process.Resume)
		case 2:
			resumed = time.Since(began)
			h.process.RoomMade(false, true)
		}
	}
	if r := h.touch(); r != driver.ErrorOutOfMemory || h.restores() != 0 {
		t.Errorf("result %d", r)
	}
	if asked != 2 || resumed < 10*h.process.room.silence {
		t.Errorf("asked %d times, the last time after %v", asked, resumed)
	}
}
