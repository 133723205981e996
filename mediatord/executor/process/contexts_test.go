package process

import (
	"fmt"
	"testing"

	"libvirt-vgpu/mediatord/executor/driver"
	"libvirt-vgpu/plugin/window"
)

func TestPrimaryRetainRegistersTheFences(t *testing.T) {
	h := newHarness(t)
	h.must("primary_retain", 4)
	h.must("primary_retain", 4)
	h.want("PrimaryRetain 4", "SetCurrent 1000", "HostRegister FENCES 16384", "PrimaryRetain 4", "SetCurrent 1000")
}

func TestContextIsSetOnlyWhenItChanges(t *testing.T) {
	h := inContext(t)
	h.must("ctx_create", 2, 0)
	h.driver.Calls()
	for _, context := range []uint32{2, 2, 1, 1, 0, 2} {
		h.Context = context
		h.post("ctx_set_cache_config", 1)
	}
	h.want("CtxSetCacheConfig 1", "CtxSetCacheConfig 1", "SetCurrent 1000", "CtxSetCacheConfig 1", "CtxSetCacheConfig 1",
		"CtxSetCacheConfig 1", "SetCurrent 1001", "CtxSetCacheConfig 1")
	h.Context = 9
	if r := h.post("ctx_set_cache_config", 1); r != driver.ErrorInvalidContext {
		t.Errorf("context that does not exist: %d", r)
	}
}

func TestLastReleaseEndsTheContext(t *testing.T) {
	h := newHarness(t)
	h.must("primary_retain", 0)
	h.must("primary_retain", 0)
	h.Context = primary
	h.post("stream_create", 1, 0, 0)
	h.post("primary_release")
	if r := h.post("copy_dtod", 1, 2, 3, 1); r != 0 {
		t.Errorf("the context ended early: %d", r)
	}
	h.post("primary_release")
	if r := h.post("copy_dtod", 1, 2, 3, 1); r != driver.ErrorInvalidContext {
		t.Errorf("after the last release: %d", r)
	}
	if r := h.post("primary_release"); r != 0 {
		t.Errorf("release too many: %d", r)
	}
	h.driver.Calls()
	h.must("primary_retain", 0)
	h.want("PrimaryRetain 0", "SetCurrent 1000", "HostRegister FENCES 16384")
	if r := h.post("copy_dtod", 1, 2, 3, 1); r != driver.ErrorInvalidHandle {
		t.Errorf("a stream outlived its context: %d", r)
	}
}

func TestResetReleasesAndStartsAnew(t *testing.T) {
	h := inContext(t)
	h.must("primary_retain", 0)
	h.must("primary_reset")
	h.must("primary_retain", 0)
	h.want("PrimaryRetain 0", "SetCurrent 1000", "PrimaryReset", "PrimaryRelease", "PrimaryRelease",
		"PrimaryRetain 0", "SetCurrent 1000", "HostRegister FENCES 16384")
}

func TestHostMemoryMovesToAnotherContext(t *testing.T) {
	h := inContext(t)
	h.Own(0, 1)
	h.must("map_pinned", h.base, 0, 1, 0)
	h.must("ctx_create", 3, 0)
	h.want(fmt.Sprintf("HostRegister %d %d", h.base, window.ChunkSize), "ContextCreate 0", "SetCurrent 1001")
	h.post("primary_release")
	h.want("PrimaryRelease", "SetCurrent 1001", "HostRegister FENCES 16384", fmt.Sprintf("HostRegister %d %d", h.base, window.ChunkSize))
	h.driver.Fail["HostRegister"] = driver.ErrorHostRegistered
	h.must("primary_retain", 0)
	h.must("ctx_destroy", 3)
	if m := h.process.Pinned.At(h.base); m == nil || !m.Registered {
		t.Error("memory that is registered already counts as failed")
	}
}

func TestContextNumbers(t *testing.T) {
	h := inContext(t)
	for _, number := range []uint32{0, 1, 1 << 31} {
		if r, _ := h.call("ctx_create", number, 0); r != driver.ErrorInvalidHandle {
			t.Errorf("number %d: %d", number, r)
		}
	}
	if r, _ := h.call("ctx_destroy", 1); r != driver.ErrorInvalidContext {
		t.Errorf("the primary context was destroyed: %d", r)
	}
	h.driver.Fail["HostRegister"] = driver.ErrorOutOfMemory
	h.process.registrar = 0
	if r, _ := h.call("ctx_create", 2, 0); r != driver.ErrorOutOfMemory {
		t.Errorf("without fences: %d", r)
	}
	if _, ok := h.process.tables.Get(driver.KindContext, 2); ok {
		t.Error("a context without fences was kept")
	}
}

func TestSynchronizeDoesNotHoldTheRing(t *testing.T) {
	h := inContext(t)
	if r, _ := h.call("ctx_synchronize"); r != 0 {
		t.Errorf("result %d", r)
	}
	h.want("Synchronize 1000")
	h.driver.Fail["Synchronize"] = driver.ErrorLaunchFailed
	if r, _ := h.call("ctx_synchronize"); r != driver.ErrorLaunchFailed || h.Sticky() != uint32(driver.ErrorLaunchFailed) {
		t.Errorf("result %d, sticky %d", r, h.Sticky())
	}
	h.settle()
	h.process.synchronizing.Store(window.ReplyCount)
	h.violates("ctx_synchronize")
	h.process.synchronizing.Store(0)
}

// The end of one context is none of another one's captures and fences.
func TestOtherContextsGoOn(t *testing.T) {
	h := inContext(t)
	h.post("stream_create", 1, 1, 0)
	h.must("capture_begin", 1, 0)
	h.must("ctx_create", 2, 0)
	h.Context = 2
	h.post("stream_create", 2, 1, 0)
	h.must("capture_begin", 2, 0)
	h.Context = primary
	h.post("stream_create", 3, 1, 0)
	h.post("fence", 3, 5, 1)
	h.must("ctx_destroy", 2)
	if len(h.process.captures) != 1 || !h.process.Waiting() {
		t.Errorf("%d captures, waiting %v", len(h.process.captures), h.process.Waiting())
	}
}
