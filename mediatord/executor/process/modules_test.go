package process

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"strings"
	"testing"

	"libvirt-vgpu/mediatord/executor/driver"
	"libvirt-vgpu/mediatord/executor/modcache"
	"libvirt-vgpu/plugin/api"
	"libvirt-vgpu/plugin/window"
)

const text = ".version 7.0\n"

// image sends a whole image inline and returns what image_begin said.
func (h *harness) image(number uint32, b []byte) (cached uint32) {
	h.T.Helper()
	sum := modcache.Sum(b)
	cached = binary.LittleEndian.Uint32(h.must("image_begin", number, len(b), sum[:]))
	if cached == 0 {
		if r := h.post("image_inline", number, b); r != 0 {
			h.T.Fatalf("image_inline failed with %d", r)
		}
	}
	return cached
}

func TestImagesTravelInPieces(t *testing.T) {
	h := inContext(t)
	h.driver.Calls()
	sum := modcache.Sum([]byte(text))
	h.must("image_begin", 4, len(text), sum[:])
	if r, _ := h.call("module_load", 1, 4, 0, ""); r != driver.ErrorInvalidImage {
		t.Errorf("loading half an image: %d", r)
	}
	h.post("image_inline", 4, ".")
	h.post("image_inline", 4, "version")
	h.post("image_inline", 4, " 7.0\n")
	h.must("module_load", 1, 4, 0, "")
	h.want(fmt.Sprintf("ModuleLoad %v &{[] 0 0 false [] []}", append([]byte(text), 0)))
	h.violates("image_inline", 4, "x")
	h.post("image_drop", 4)
	if r := h.post("image_drop", 4); r != driver.ErrorInvalidValue {
		t.Errorf("dropped twice: %d", r)
	}
	if r, _ := h.call("module_load", 2, 4, 0, ""); r != driver.ErrorInvalidValue {
		t.Errorf("loading a dropped image: %d", r)
	}
	h.must("image_begin", 4, len(text), sum[:])
	h.violates("image_inline", 4, text+".")
	h.violates("image_inline", 4, "")
}

func TestImagesThatLie(t *testing.T) {
	h := inContext(t)
	var sum [32]byte
	for name, tc := range map[string]struct {
		size uint64
		want driver.Result
	}{
		"empty": {0, driver.ErrorInvalidValue}, "too large": {maxImage + 1, driver.ErrorOutOfMemory}, "2^64": {1<<64 - 1, driver.ErrorOutOfMemory},
	} {
		if r, _ := h.call("image_begin", 1, tc.size, sum[:]); r != tc.want {
			t.Errorf("%s: %d", name, r)
		}
	}
	h.must("image_begin", 1, 5, sum[:])
	if r, _ := h.call("image_begin", 1, 5, sum[:]); r != driver.ErrorInvalidValue {
		t.Errorf("the same number again: %d", r)
	}
	if r := h.post("image_inline", 1, "wrong"); r != driver.ErrorInvalidImage {
		t.Errorf("another hash: %d", r)
	}
	if r, _ := h.call("library_load", 1, 1, 0, ""); r != driver.ErrorInvalidImage {
		t.Errorf("loading it: %d", r)
	}
	h.image(2, []byte{0x50, 0xed, 0x55, 0xba, 1, 0, 16, 0, 255, 0, 0, 0, 0, 0, 0, 0})
	if r, _ := h.call("library_load", 1, 2, 0, ""); r != driver.ErrorInvalidImage {
		t.Errorf("a fatbin that claims too much: %d", r)
	}
	h.must("image_begin", 3, maxImage, sum[:])
	if r, _ := h.call("image_begin", 4, maxImage, sum[:]); r != driver.ErrorOutOfMemory {
		t.Errorf("more than a process may have: %d", r)
	}
	h.want()
}

func TestCachedImagesNeedNoBytes(t *testing.T) {
	cache, err := modcache.Open(t.TempDir(), 1000)
	if err != nil {
		t.Fatal(err)
	}
	h := inContext(t, func(c *Config) { c.Cache = cache })
	if h.image(1, []byte(text)) != 0 {
		t.Error("cached before it was sent")
	}
	sum := modcache.Sum([]byte(text))
	if !h.WaitFor(func() bool { _, ok := cache.Get(sum, uint64(len(text))); return ok }) {
		t.Fatal("the image does not reach the cache")
	}
	if h.image(2, []byte(text)) != 1 {
		t.Error("not cached afterwards")
	}
	h.must("library_load", 1, 2, 0, "")
	name := fmt.Sprintf("sm%d", h.process.costs.facts.Arch)
	if !h.WaitFor(func() bool { _, ok := cache.Note(sum, name); return ok }) {
		t.Error("no note reaches the cache")
	}
}

func TestWhatAnImageIsIsNoted(t *testing.T) {
	cache, err := modcache.Open(t.TempDir(), 1000)
	if err != nil {
		t.Fatal(err)
	}
	h := inContext(t, func(c *Config) { c.Cache = cache })
	before, sum, name := h.used(), modcache.Sum([]byte(text)), fmt.Sprintf("sm%d", h.process.costs.facts.Arch)
	h.image(1, []byte(text))
	h.must("library_load", 1, 1, 0, "")
	if got := h.used() - before; got != uint64(len(text)+1) {
		t.Errorf("text of %d bytes costs %d", len(text), got)
	}
	if !h.WaitFor(func() bool { _, ok := cache.Note(sum, name); return ok }) {
		t.Fatal("no note reaches the cache")
	}
	if err := cache.PutNote(sum, name, []byte(`{"Loaded": 5000}`)); err != nil {
		t.Fatal(err)
	}
	h.must("library_unload", 1)
	h.must("library_load", 1, 1, 0, "")
	if got := h.used() - before; got != 5000 {
		t.Errorf("noted as 5000 bytes it costs %d", got)
	}
	if err := cache.PutNote(sum, name, []byte(`{`)); err != nil {
		t.Fatal(err)
	}
	h.must("library_load", 2, 1, 0, "")
	if got := h.used() - before; got != 5000+uint64(len(text)+1) {
		t.Errorf("without a readable note both cost %d", got)
	}
	if !h.WaitFor(func() bool { note, _ := cache.Note(sum, name); return len(note) > 1 }) {
		t.Error("no readable note took its place")
	}
}

func TestLoadReturnsLogs(t *testing.T) {
	h := inContext(t)
	h.image(1, []byte(text))
	pairs := func(values ...uint32) (b []byte) {
		for _, v := range values {
			b = binary.LittleEndian.AppendUint32(b, v)
		}
		return b
	}
	h.driver.Fail["LibraryLoad"] = driver.ErrorInvalidPTX
	r, data := h.call("library_load", 1, 1, 3, pairs(7, 4, jitErrorSize, 512, jitInfoSize, 1<<30))
	if r != driver.ErrorInvalidPTX || !bytes.Equal(data, make([]byte, 8)) {
		t.Errorf("result %d, logs %v", r, data)
	}
	h.want(fmt.Sprintf("LibraryLoad %v &{[{7 4}] 4096 512 false [] []}", append([]byte(text), 0)))
	for _, id := range []uint32{2, 3, 5, 17, 18, 25, 27, 34, 1 << 31} {
		if r, _ := h.call("library_load", 1, 1, 1, pairs(id, 1)); r != driver.ErrorInvalidValue {
			t.Errorf("option %d: %d", id, r)
		}
	}
	h.violates("library_load", 1, 1, 2, pairs(7, 4))
	h.violates("module_load", 1, 1, 1<<29, "")
}

func TestFunctionsComeWithTheirLayout(t *testing.T) {
	h := inContext(t)
	h.driver.Params = 3
	h.image(1, []byte(text))
	h.must("library_load", 1, 1, 0, "")
	var info api.FunctionInfo
	if err := info.UnmarshalBinary(h.must("library_kernel", 5, 1, "name")); err != nil {
		t.Fatal(err)
	}
	if len(info.Parameters) != 3 || info.Parameters[2] != (api.Parameter{Offset: 16, Size: 8}) || info.Bytes() != 24 || info.Attributes[15] != 1 {
		t.Errorf("info is %+v", info)
	}
	h.driver.Fail["FunctionGetAttribute"] = driver.ErrorInvalidValue
	if err := info.UnmarshalBinary(h.must("kernel_function", 6, 5)); err != nil || info.Attributes[0] != api.NoAttribute {
		t.Errorf("info is %+v, %v", info, err)
	}
	h.driver.Params = api.MaxParameters + 1
	if r, _ := h.call("kernel_function", 7, 5); r != driver.ErrorNotSupported {
		t.Errorf("too many parameters: %d", r)
	}
	h.driver.Params = 0
	if r, _ := h.call("library_kernel", 8, 1, "na\x00me"); r != driver.ErrorNotFound {
		t.Errorf("name with NUL: %d", r)
	}
	if got := h.must("library_names", 1, 1); string(got) != "second\x00" {
		t.Errorf("names %q", got)
	}
	if got := h.must("library_names", 1, 2); len(got) != 0 {
		t.Errorf("names %q", got)
	}
	h.must("library_unload", 1)
	if r, _ := h.call("function_get_attribute", 0, 6); r != driver.ErrorInvalidHandle {
		t.Errorf("a function outlived its library: %d", r)
	}
}

func TestLookingUpAKernelAsksNothingOfIt(t *testing.T) {
	h := inContext(t)
	h.driver.Params = 3
	h.image(1, []byte(text))
	h.must("library_load", 1, 1, 0, "")
	h.driver.Calls()
	h.must("library_find", 5, 1, "name")
	if got := h.driver.Calls(); len(got) != 1 || !strings.HasPrefix(got[0], "LibraryKernel") {
		t.Errorf("the driver was asked %q", got)
	}
	if r, _ := h.call("library_find", 5, 1, "name"); r != driver.ErrorInvalidHandle {
		t.Errorf("number in use: %d", r)
	}
	var info api.FunctionInfo
	if err := info.UnmarshalBinary(h.must("kernel_info", 5)); err != nil || len(info.Parameters) != 3 {
		t.Errorf("info is %+v, %v", info, err)
	}
	if r, _ := h.call("kernel_info", 6); r != driver.ErrorInvalidHandle {
		t.Errorf("no kernel: %d", r)
	}
}

func TestNamesFitIntoReplies(t *testing.T) {
	long := string(bytes.Repeat([]byte("n"), 5000))
	names := []string{"a", long, "b"}
	if got := namesFrom(names, 0); string(got) != "a\x00" {
		t.Errorf("%d bytes", len(got))
	}
	if got := namesFrom(names, 1); len(got) != window.RepDataMax {
		t.Errorf("%d bytes", len(got))
	}
	if got := namesFrom(names, 1<<31); got != nil {
		t.Errorf("%q", got)
	}
}

func (h *harness) function(number uint32) {
	h.T.Helper()
	h.image(1, []byte(text))
	h.must("module_load", 1, 1, 0, "")
	h.must("module_function", number, 1, "name")
	h.driver.Calls()
}

func TestLaunches(t *testing.T) {
	h := inContext(t)
	h.function(9)
	h.post("launch", 9, 1, 2, 3, 4, 5, 6, 7, 0, "params")
	h.post("launch_cooperative", 9, 0, 1, 2, 3, 4, 5, 6, 7, 0, "p")
	h.want("Launch &{1002 [1 2 3] [4 5 6] 7 0 [] false [112 97 114 97 109 115]}", "Launch &{1002 [1 2 3] [4 5 6] 7 0 [] true [112]}")
	for _, r := range []driver.Result{
		h.post("launch", 8, 1, 2, 3, 4, 5, 6, 7, 0, ""), h.post("launch", 9, 1, 2, 3, 4, 5, 6, 7, 5, ""),
		h.post("launch_cooperative", 9, 1, 1, 2, 3, 4, 5, 6, 7, 0, ""), h.post("launch_cooperative", 9, 2, 1, 2, 3, 4, 5, 6, 7, 0, ""),
	} {
		if r != driver.ErrorInvalidHandle {
			t.Errorf("result %d", r)
		}
	}
}

// What a process leaves out of a launch's parameters is zero, also if it has asked
// nothing about the kernel.
func TestShortParameters(t *testing.T) {
	h := inContext(t)
	h.driver.Params = 2
	h.function(9)
	h.image(2, []byte(text))
	h.must("library_load", 4, 2, 0, "")
	h.must("library_find", 5, 4, "name")
	h.driver.Calls()
	for given, want := range map[string]string{
		"": "[]", "abc": "[97 98 99 0 0 0 0 0 0 0 0 0 0 0 0 0]", "0123456789abcdefg": "[48 49 50 51 52 53 54 55 56 57 97 98 99 100 101 102 103]",
	} {
		h.post("launch", 9, 1, 1, 1, 1, 1, 1, 0, 0, "long enough to leave something behind")
		h.driver.Calls()
		h.post("launch", 9, 1, 1, 1, 1, 1, 1, 0, 0, given)
		h.want("Launch &{1002 [1 1 1] [1 1 1] 0 0 [] false " + want + "}")
	}
	h.post("launch_kernel", 5, 1, 1, 1, 1, 1, 1, 0, 0, "ab")
	h.want("Launch &{1004 [1 1 1] [1 1 1] 0 0 [] false [97 98 0 0 0 0 0 0 0 0 0 0 0 0 0 0]}")
	h.post("launch_kernel", 5, 1, 1, 1, 1, 1, 1, 0, 0, "a")
	h.want("Launch &{1004 [1 1 1] [1 1 1] 0 0 [] false [97 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0]}")
}

// A function's first launch is like those that follow, but for its answer.
func TestAnsweredLaunch(t *testing.T) {
	h := inContext(t)
	h.function(9)
	h.driver.Calls()
	h.post("launch", 9, 1, 2, 3, 4, 5, 6, 7, 0, "parameters")
	posted := h.driver.Calls()
	if r, _ := h.call("launch_answered", 9, 0, 1, 2, 3, 4, 5, 6, 7, 0, 0, "parameters"); r != driver.Success {
		t.Errorf("result %d", r)
	}
	h.want(posted...)
	h.driver.Fail["Launch"] = driver.ErrorInvalidValue
	if r, _ := h.call("launch_answered", 9, 0, 1, 2, 3, 4, 5, 6, 7, 0, 0, "parameters"); r != driver.ErrorInvalidValue {
		t.Errorf("a refused launch answers %d", r)
	}
}

func TestLaunchAttributes(t *testing.T) {
	h := inContext(t)
	h.function(9)
	h.post("event_create", 3, 0)
	h.driver.Calls()
	attribute := func(id uint32, value uint64) []byte {
		a := make([]byte, driver.LaunchAttributeSize)
		binary.LittleEndian.PutUint32(a, id)
		binary.LittleEndian.PutUint64(a[8:], value)
		return a
	}
	data := append(attribute(driver.LaunchAttributeCompletionEvent, 3), "par"...)
	h.post("launch_ex", 9, 0, 1, 1, 1, 1, 1, 1, 0, 0, 1, data)
	h.want(fmt.Sprintf("Launch &{1002 [1 1 1] [1 1 1] 0 0 %v false [112 97 114]}", attribute(driver.LaunchAttributeCompletionEvent, 1003)))
	for id, want := range map[uint32]driver.Result{
		driver.LaunchAttributeUpdatableNode: driver.ErrorNotSupported, driver.LaunchAttributeMax + 1: driver.ErrorInvalidValue,
		driver.LaunchAttributeProgrammaticEvent: driver.ErrorInvalidHandle,
	} {
		if r := h.post("launch_ex", 9, 0, 1, 1, 1, 1, 1, 1, 0, 0, 1, attribute(id, 4)); r != want {
			t.Errorf("attribute %d: %d", id, r)
		}
		if r, _ := h.call("launch_answered", 9, 0, 1, 1, 1, 1, 1, 1, 0, 0, 1, attribute(id, 4)); r != want {
			t.Errorf("attribute %d, with an answer: %d", id, r)
		}
	}
	h.violates("launch_ex", 9, 0, 1, 1, 1, 1, 1, 1, 0, 0, 2, attribute(0, 0))
	h.violates("launch_ex", 9, 0, 1, 1, 1, 1, 1, 1, 0, 0, 1<<31, "")
	h.want()
	config := make([]byte, 56)
	for i := range 7 {
		binary.LittleEndian.PutUint32(config[i*4:], uint32(i+1))
	}
	h.must("occupancy_clusters", 9, 0, config, attribute(driver.LaunchAttributeClusterDimension, 2))
	h.want(fmt.Sprintf("OccupancyClusters &{1002 [1 2 3] [4 5 6] 7 0 %v false []}", attribute(driver.LaunchAttributeClusterDimension, 2)))
	h.violates("occupancy_clusters", 9, 0, config, "odd")
}
