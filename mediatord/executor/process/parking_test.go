package process

import (
	"encoding/hex"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sirupsen/logrus"

	"libvirt-vgpu/mediatord/executor/control"
	"libvirt-vgpu/mediatord/executor/driver"
	"libvirt-vgpu/mediatord/internal/parcel"
	"libvirt-vgpu/plugin/window"
)

// parked is a process with two blocks that was asked to park.
func parked(t *testing.T, fail map[string]driver.Result) *harness {
	h := inContext(t)
	h.must("mem_block", window.DeviceBase, 4*mib)
	h.must("mem_block", window.DeviceBase+8*mib, 2*mib)
	h.driver.Calls()
	for name, r := range fail {
		h.driver.Fail[name] = r
	}
	h.park()
	return h
}

func (h *harness) park() {
	h.T.Helper()
	h.process.Park(testQuota, false)
	h.interrupted()
}

// lastParking is what mediatord heard last, when all host memory that can be is
// given back.
func (h *harness) lastParking() control.Message {
	if !h.WaitFor(func() bool { return h.process.parking.settled() }) {
		h.T.Fatal("host memory is not given back")
	}
	all := h.sent()
	for i := len(all) - 1; i >= 0; i-- {
		if all[i].Type == control.Parking {
			return all[i]
		}
	}
	h.T.Fatal("mediatord was told nothing")
	return control.Message{}
}

func TestNoRoomToWakeFailsThatCallAlone(t *testing.T) {
	h := parked(t, nil)
	h.process.parking.patience.within = 0
	if m := h.lastParking(); m.Parked != 6*mib || m.Host != 6*mib {
		t.Fatalf("mediatord heard %+v", m)
	}
	h.driver.Fail["MapBlock"] = driver.ErrorOutOfMemory
	if r := h.post("copy_dtod", window.DeviceBase, window.DeviceBase+mib, 16, 0); r != driver.ErrorOutOfMemory {
		t.Errorf("without room: %d", r)
	}
	if !h.process.Parked() || h.Sticky() != 0 {
		t.Errorf("parked is %v, sticky %d", h.process.Parked(), h.Sticky())
	}
	h.post("fence", 0, 3, 7) // needs no room, and somebody waits for it
	delete(h.driver.Fail, "MapBlock")
	if !h.WaitFor(func() bool { return h.touch() == driver.Success }) {
		t.Error("with room it does not wake")
	}
	if m := h.lastParking(); m.Parked != 0 || m.Host != 0 {
		t.Errorf("mediatord heard %+v", m)
	}
}

// What could not be filled again is parked as before: the bytes are in the buffer, and
// nothing looks at memory without them.
func TestCopyingBackIsTriedAgain(t *testing.T) {
	for _, method := range []string{"CopyHtoD", "StreamSynchronize"} {
		const va = window.DeviceBase + 64*mib
		h := inContext(t)
		h.must("mem_block", window.DeviceBase, 4*mib)
		h.must("mem_reserve", uint64(va), 64*mib)
		h.must("mem_create", 1, 2*mib, exportable(), 0)
		h.must("mem_map", uint64(va), 2*mib, 0, 1, 0)
		h.park()
		h.driver.Fail[method] = driver.ErrorOutOfMemory
		if r := h.touch(); r != driver.ErrorOutOfMemory || len(h.order("CopyDtoD")) != 0 {
			t.Errorf("%s failed: %d, and the record was executed", method, r)
		}
		if m := h.lastParking(); !h.process.Parked() || m.Parked != 6*mib || m.Host != 6*mib {
			t.Errorf("%s failed: parked is %v, mediatord heard %+v", method, h.process.Parked(), m)
		}
		delete(h.driver.Fail, method)
		if !h.WaitFor(func() bool { return h.touch() == driver.Success }) || h.process.Parked() {
			t.Errorf("%s works again: parked is %v", method, h.process.Parked())
		}
		if got := h.order("CopyHtoD"); len(got) < 2 {
			t.Errorf("%s works again: %v came back", method, got)
		}
		h.must("mem_unmap", uint64(va), 2*mib)
		h.must("mem_release", 1)
	}
}

// answers are what mediatord heard to its wishes.
func (h *harness) answers() (all []control.Message) {
	for _, m := range h.sent() {
		if m.Type == control.Parking && m.Answer {
			all = append(all, m)
		}
	}
	return all
}

// touch is a record that needs the memory.
func (h *harness) touch() driver.Result {
	return h.post("copy_dtod", window.DeviceBase, window.DeviceBase+mib, 16, 0)
}

// givenBack holds the thread that gives host memory back, at its end, until it receives.
type givenBack chan struct{}

func (givenBack) Levels() []logrus.Level { return []logrus.Level{logrus.DebugLevel} }

func (g givenBack) Fire(e *logrus.Entry) error {
	if strings.Contains(e.Message, "of host memory given back") {
		<-g
	}
	return nil
}

// A wish that comes while host memory of the last time is still being zeroed is
// done when it is gone.
func TestParksAgainAtOnce(t *testing.T) {
	h := parked(t, nil)
	release := make(givenBack)
	log := h.process.Log.(*logrus.Logger)
	log.SetLevel(logrus.DebugLevel)
	log.AddHook(release)
	for round := range 10 {
		if r := h.touch(); r != driver.Success {
			t.Fatalf("round %d: waking: %d", round, r)
		}
		before := len(h.answers())
		h.park()
		if answers := h.answers(); len(answers) != before {
			t.Fatalf("round %d: answered with %+v", round, answers[before])
		}
		release <- struct{}{}
		if !h.WaitFor(func() bool { _, err := h.consumer.Step(); return err != nil || len(h.answers()) > before }) {
			t.Fatalf("round %d: no answer", round)
		}
		if m := h.answers()[before]; m.Parked != 6*mib || m.Host != 6*mib || m.Message != "" {
			t.Fatalf("round %d: mediatord heard %+v", round, m)
		}
	}
}

// Host memory is out of the device's reach before the record runs that woke: the
// driver may wait for the context's work, and that for a later record.
func TestHostMemoryIsUnlockedBeforeWork(t *testing.T) {
	h := parked(t, nil)
	h.driver.Calls()
	h.touch()
	var order []string
	for _, call := range h.driver.Calls() {
		if name, _, _ := strings.Cut(call, " "); name == "HostUnregister" || name == "CopyDtoD" {
			order = append(order, name)
		}
	}
	if !slices.Equal(order, []string{"HostUnregister", "CopyDtoD"}) {
		t.Errorf("the driver was asked for %v", order)
	}
}

// Memory that the driver does not let go is kept, and counts against the next
// wish's limit.
func TestLockedHostMemoryCounts(t *testing.T) {
	h := parked(t, map[string]driver.Result{"HostUnregister": driver.ErrorInvalidValue})
	if r := h.touch(); r != driver.Success {
		t.Errorf("waking: %d", r)
	}
	if m := h.lastParking(); m.Parked != 0 || m.Host != 6*mib {
		t.Errorf("mediatord heard %+v", m)
	}
	h.process.Park(11*mib, false)
	h.interrupted()
	if m := h.lastParking(); m.Parked != 4*mib || m.Host != 10*mib {
		t.Errorf("with room for 5 MiB: %+v", m)
	}
}

// A wish of a mediatord that has gone meanwhile is nobody's.
func TestWishEndsWithMediatord(t *testing.T) {
	h := inContext(t)
	h.must("mem_block", window.DeviceBase, 4*mib)
	h.process.Park(testQuota, false)
	h.process.Resume()
	h.process.wish(parkWish{limit: testQuota, waited: true}) // that waited for host memory
	h.interrupted()
	if answers := h.answers(); len(answers) > 0 || h.process.Parked() {
		t.Errorf("answers %+v", answers)
	}
	h.park()
	if !h.process.Parked() {
		t.Errorf("the next mediatord's wish: %+v", h.sent())
	}
}

// A process waits for room to wake; after a wait in vain only now and then.
func TestWakingWaitsForRoom(t *testing.T) {
	h := parked(t, nil)
	h.driver.Fail["MapBlock"] = driver.ErrorOutOfMemory
	asked := 0
	h.makeRoom = func(uint64) bool {
		if asked++; asked == 2 { // by then somebody has ended
			delete(h.driver.Fail, "MapBlock")
		}
		return false
	}
	if r := h.touch(); r != driver.Success {
		t.Fatalf("waking: %d", r)
	}
	h.lastParking()
	h.park()
	h.driver.Fail["MapBlock"] = driver.ErrorOutOfMemory
	h.process.parking.patience.within = time.Second
	tries := func() (count int) {
		for _, call := range h.driver.Calls() {
			if strings.HasPrefix(call, "MapBlock") {
				count++
			}
		}
		return count
	}
	tries()
	if r, n := h.touch(), tries(); r != driver.ErrorOutOfMemory || n < 2 {
		t.Errorf("in vain: %d after %d tries", r, n)
	}
	for range 1000 {
		if r := h.touch(); r != driver.ErrorOutOfMemory {
			t.Fatalf("in vain: %d", r)
		}
	}
	if n := tries(); n > 500 {
		t.Errorf("%d tries of 1000 calls", n)
	}
}

// Who cannot wake may still free memory, in any order, and wakes when what is left
// has room.
func TestParkedMemoryMayBeFreed(t *testing.T) {
	const va, mirror = window.DeviceBase + 64*mib, window.DeviceBase + 96*mib
	steps := map[string]func(h *harness){
		"first":   func(h *harness) { h.post("mem_unblock", uint64(window.DeviceBase)) },
		"second":  func(h *harness) { h.post("mem_unblock", uint64(window.DeviceBase+8*mib)) },
		"unmap":   func(h *harness) { h.must("mem_unmap", uint64(va), 2*mib) },
		"mirror":  func(h *harness) { h.must("mem_unmap", uint64(mirror), 2*mib) },
		"release": func(h *harness) { h.must("mem_release", 1) },
	}
	for _, order := range [][]string{
		{"first", "second", "unmap", "mirror", "release"},
		{"release", "mirror", "unmap", "second", "first"},
		{"mirror", "release", "first", "unmap", "second"},
	} {
		h := inContext(t)
		h.must("mem_block", window.DeviceBase, 4*mib)
		h.must("mem_block", window.DeviceBase+8*mib, 2*mib)
		h.must("mem_reserve", uint64(va), 64*mib)
		h.must("mem_create", 1, 2*mib, exportable(), 0)
		h.must("mem_map", uint64(va), 2*mib, 0, 1, 0)
		h.must("mem_map", uint64(mirror), 2*mib, 0, 1, 0)
		h.park()
		if m := h.lastParking(); m.Parked != 8*mib {
			t.Fatalf("parking: %+v", m)
		}
		h.driver.Fail["MapBlock"], h.driver.Fail["MemoryCreate"] = driver.ErrorOutOfMemory, driver.ErrorOutOfMemory
		h.process.parking.patience.within = 0
		h.driver.Calls()
		for _, step := range order {
			steps[step](h)
		}
		if m := h.lastParking(); h.process.Parked() || m.Parked != 0 || m.Host != 0 || h.used() != 0 {
			t.Errorf("%v: %+v, %d bytes used", order, m, h.used())
		}
		for _, call := range h.driver.Calls() {
			if strings.HasPrefix(call, "M") { // of memory
				t.Errorf("%v: the driver was asked: %s", order, call)
			}
		}
	}
}

// The bytes of an allocation whose handle is left come back, its mapping does not.
func TestUnmappedWhileParked(t *testing.T) {
	const va = window.DeviceBase + 64*mib
	h := inContext(t)
	h.must("mem_reserve", uint64(va), 64*mib)
	h.must("mem_create", 1, 2*mib, exportable(), 0)
	h.must("mem_map", uint64(va), 2*mib, 0, 1, 0)
	h.park()
	h.must("mem_unmap", uint64(va), 2*mib)
	h.driver.Calls()
	h.must("mem_unreserve", uint64(va), 64*mib)
	var order []string
	for _, call := range h.driver.Calls() {
		switch name, _, _ := strings.Cut(call, " "); name {
		case "MemoryCreate", "MemoryMap", "CopyHtoD", "MemoryUnmap", "AddressFree":
			order = append(order, name)
		}
	}
	if want := []string{"MemoryCreate", "MemoryMap", "CopyHtoD", "MemoryUnmap", "AddressFree"}; !slices.Equal(order, want) || h.process.Parked() {
		t.Errorf("the driver was asked for %v", order)
	}
	h.must("mem_release", 1)
	if h.used() != 0 {
		t.Errorf("%d bytes used", h.used())
	}
}

func (h *harness) launchGraph(op string) driver.Result {
	h.T.Helper()
	h.must("graph_create", 1, 0)
	h.must("graph_instantiate", 3, 1, 0)
	return h.post(op, 3, 0)
}

// Every call that takes the GPU's memory is tried again when others have made room.
func TestRoomForAllThatTakesMemory(t *testing.T) {
	array := make([]byte, 40)
	array[arrayWidth], array[arrayFormat], array[arrayChannels] = 64, 0x20, 1
	for method, take := range map[string]func(h *harness) driver.Result{
		"PrimaryRetain": func(h *harness) driver.Result { r, _ := h.call("primary_retain", 0); return r },
		"ContextCreate": func(h *harness) driver.Result { r, _ := h.call("ctx_create", 7, 0); return r },
		"CtxSetLimit":   func(h *harness) driver.Result { r, _ := h.call("ctx_set_limit", 2, uint64(16*mib)); return r },
		"StreamCreate":  func(h *harness) driver.Result { return h.post("stream_create", 5, 0, 0) },
		"ArrayCreate":   func(h *harness) driver.Result { r, _ := h.call("array_create", 3, array); return r },
		"MipmapCreate":  func(h *harness) driver.Result { r, _ := h.call("mipmap_create", 3, array, 1); return r },
		"MemAllocAsync": func(h *harness) driver.Result { r, _ := h.call("mem_alloc_async", uint64(mib), 0, 0); return r },
		"GraphLaunch":   func(h *harness) driver.Result { return h.launchGraph("graph_launch") },
		"GraphUpload":   func(h *harness) driver.Result { return h.launchGraph("graph_upload") },
	} {
		for _, made := range []bool{true, false} {
			h := inContext(t)
			h.driver.Fail[method], h.driver.Fail["MemoryInfo"] = driver.ErrorOutOfMemory, driver.ErrorInvalidValue
			asked := uint64(0)
			h.makeRoom = func(bytes uint64) bool {
				asked = bytes
				if made {
					delete(h.driver.Fail, method)
				}
				return made
			}
			if r := take(h); (r == driver.Success) != made || !made && r != driver.ErrorOutOfMemory || asked < leastRoom {
				t.Errorf("%s, room made %v: result %d, asked for %d bytes", method, made, r, asked)
			}
		}
	}
}

// A pool that may not grow is no reason to park others: the device has memory.
func TestNoRoomForFullPools(t *testing.T) {
	h := inContext(t)
	h.driver.Fail["MemAllocAsync"] = driver.ErrorOutOfMemory
	h.makeRoom = func(uint64) bool { t.Error("room was asked for"); return false }
	if r, _ := h.call("mem_alloc_async", uint64(mib), 0, 0); r != driver.ErrorOutOfMemory {
		t.Errorf("result %d", r)
	}
}

// Room is asked for as long as some is made, and only for what the device has not.
func TestRoomForWhatIsLacking(t *testing.T) {
	for free, want := range map[uint64]uint64{mib: 8 * mib, 5*mib + 1: 4 * mib, 50e9: 8 * mib} {
		h := inContext(t)
		h.driver.Fail["MapBlock"], h.driver.FreeMemory = driver.ErrorOutOfMemory, free
		var asked []uint64
		h.makeRoom = func(bytes uint64) bool {
			asked = append(asked, bytes)
			h.driver.FreeMemory = 50e9 // too little, or in pieces
			return len(asked) < 3
		}
		if r, _ := h.call("mem_block", window.DeviceBase, 8*mib); r != driver.ErrorOutOfMemory {
			t.Errorf("%d bytes free: result %d", free, r)
		}
		if wishes := []uint64{want, 8 * mib, 8 * mib}; !slices.Equal(asked, wishes) {
			t.Errorf("%d bytes free: asked for %v, want %v", free, asked, wishes)
		}
	}
}

func TestFailedParkingLeavesAllAsItWas(t *testing.T) {
	for name, r := range map[string]driver.Result{
		"HostRegister": driver.ErrorOutOfMemory, "CopyDtoH": driver.ErrorInvalidValue, "UnmapBlock": driver.ErrorInvalidValue,
		"StreamQuery": driver.ErrorNotReady,
	} {
		h := parked(t, map[string]driver.Result{name: r})
		if h.process.Parked() {
			t.Errorf("%s failed: the process is parked", name)
		}
		said := ""
		for _, m := range h.sent() {
			said += m.Message
		}
		if said == "" {
			t.Errorf("%s failed: nobody was told why", name)
		}
		if m := h.lastParking(); m.Parked != 0 || m.Host != 0 {
			t.Errorf("%s failed: mediatord heard %+v", name, m)
		}
		for _, call := range h.driver.Calls() {
			if name != "UnmapBlock" && strings.HasPrefix(call, "UnmapBlock") {
				t.Errorf("%s failed: %s", name, call)
			}
		}
	}
}

func TestExportWakes(t *testing.T) {
	h := inContext(t)
	h.must("mem_block", window.DeviceBase, 4*mib)
	token := h.must("block_export", window.DeviceBase)
	h.park()
	if !h.process.Parked() {
		t.Fatalf("not parked: %+v", h.sent())
	}
	h.process.Export(&parcel.Parcel{ID: 9, Channel: other, Secret: hex.EncodeToString(token[8:])})
	h.interrupted()
	if h.process.Parked() {
		t.Error("memory was given away while it was not there")
	}
	h.lastParking()
	h.park()
	if m := h.lastParking(); h.process.Parked() || !strings.Contains(m.Message, "no memory") {
		t.Errorf("memory that another process has: %+v", m)
	}
}

func TestOthersMakeRoom(t *testing.T) {
	h := parked(t, nil)
	h.lastParking()
	h.driver.Fail["MapBlock"] = driver.ErrorOutOfMemory
	var wishes []uint64
	h.makeRoom = func(bytes uint64) bool {
		if wishes = append(wishes, bytes); len(wishes) == 2 { // the first brought too little
			delete(h.driver.Fail, "MapBlock")
		}
		return true
	}
	if r := h.post("copy_dtod", window.DeviceBase, window.DeviceBase+mib, 16, 0); r != driver.Success || h.process.Parked() {
		t.Errorf("waking: %d", r)
	}
	if len(wishes) != 2 || wishes[0] != 6*mib {
		t.Errorf("wishes for %d bytes", wishes)
	}
	h.lastParking()
	h.driver.Fail["MemoryCreate"] = driver.ErrorOutOfMemory
	h.makeRoom = func(bytes uint64) bool {
		delete(h.driver.Fail, "MemoryCreate")
		return bytes == 2*mib
	}
	h.must("mem_create", 1, 2*mib, exportable(), 0)
	h.driver.Fail["MapBlock"] = driver.ErrorOutOfMemory
	asked := 0
	h.makeRoom = func(uint64) bool { asked++; return false }
	for range 3 {
		if r, _ := h.call("mem_block", window.DeviceBase+64*mib, 2*mib); r != driver.ErrorOutOfMemory {
			t.Errorf("without room: %d", r)
		}
	}
	if asked == 0 || asked == 3 && time.Since(h.process.room.vainly) < roomAgain/2 {
		t.Errorf("room was asked for %d times", asked)
	}
	if h.used() != 8*mib {
		t.Errorf("%d bytes used", h.used())
	}
}
