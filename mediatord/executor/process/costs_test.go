package process

import (
	"testing"

	"libvirt-vgpu/mediatord/executor/driver"
	"libvirt-vgpu/mediatord/executor/handle"
	"libvirt-vgpu/plugin/window"
)

// costly is a GPU whose contexts cost something.
func costly(c *Config) {
	c.Account.SetFacts(window.Facts{Context: 20 * mib, MoreContext: 6 * mib, Arch: 90})
}

func TestContextsCount(t *testing.T) {
	h := newHarness(t, costly)
	h.must("primary_retain", 0)
	h.must("primary_retain", 0)
	if h.used() != 20*mib {
		t.Errorf("the first context costs %d", h.used())
	}
	h.must("ctx_create", 2, 0)
	if h.used() != 26*mib {
		t.Errorf("two contexts cost %d", h.used())
	}
	h.post("primary_release")
	h.post("primary_release")
	if h.used() != 20*mib {
		t.Errorf("the one that is left costs %d", h.used())
	}
	h.must("primary_retain", 0)
	if h.used() != 26*mib {
		t.Errorf("two contexts again cost %d", h.used())
	}
	h.must("primary_reset")
	h.must("ctx_destroy", 2)
	if h.used() != 0 {
		t.Errorf("%d bytes used without a context", h.used())
	}
}

func TestContextsBeyondTheQuota(t *testing.T) {
	h := newHarness(t, costly, func(c *Config) { c.Account.SetQuota(25 * mib) })
	h.must("primary_retain", 0)
	if r, _ := h.call("ctx_create", 2, 0); r != driver.ErrorOutOfMemory {
		t.Errorf("a second context beyond the quota: %d", r)
	}
	h.Account.SetQuota(26 * mib) // a change counts at once
	h.must("ctx_create", 2, 0)
	h.must("ctx_destroy", 2)
	h.driver.Fail["ContextCreate"] = driver.ErrorNotSupported
	if r, _ := h.call("ctx_create", 2, 0); r != driver.ErrorNotSupported || h.used() != 20*mib {
		t.Errorf("one that fails: %d, %d bytes used", r, h.used())
	}
	h.post("primary_release")
	h.Account.SetQuota(19 * mib)
	h.driver.Calls()
	if r, _ := h.call("primary_retain", 0); r != driver.ErrorOutOfMemory || h.used() != 0 {
		t.Errorf("a first context beyond the quota: %d, %d bytes used", r, h.used())
	}
	h.want() // the driver was not asked
	h.Account.SetQuota(64 * mib)
	h.driver.Fail["PrimaryRetain"] = driver.ErrorNotSupported
	if r, _ := h.call("primary_retain", 0); r != driver.ErrorNotSupported || h.used() != 0 {
		t.Errorf("one that fails: %d, %d bytes used", r, h.used())
	}
}

func TestCodeCounts(t *testing.T) {
	h := inContext(t)
	variables := text + ".global .align 4 .b8 buffer[20971520];"
	cost := uint64(20*mib + len(variables) + 1)
	h.image(1, []byte(variables))
	for number := range uint32(3) {
		h.must("module_load", number+1, 1, 0, "")
		h.must("module_unload", number+1)
	}
	h.must("module_load", 1, 1, 0, "")
	h.must("library_load", 1, 1, 0, "")
	h.must("library_load", 2, 1, 0, "")
	if h.used() != 3*cost {
		t.Errorf("three times %d bytes are %d", cost, h.used())
	}
	h.driver.Calls()
	for _, op := range []string{"module_load", "library_load"} {
		if r, _ := h.call(op, 7, 1, 0, ""); r != driver.ErrorOutOfMemory {
			t.Errorf("%s beyond the quota: %d", op, r)
		}
	}
	h.want() // the driver was not asked
	h.must("library_unload", 1)
	h.driver.Fail["ModuleLoad"], h.driver.Fail["LibraryLoad"] = driver.ErrorInvalidImage, driver.ErrorInvalidImage
	for _, op := range []string{"module_load", "library_load"} {
		if r, _ := h.call(op, 7, 1, 0, ""); r != driver.ErrorInvalidImage || h.used() != 2*cost {
			t.Errorf("%s that fails: %d, %d bytes used", op, r, h.used())
		}
	}
	h.post("primary_release") // its modules end with a context, libraries do not
	if h.used() != cost {
		t.Errorf("%d bytes used by a library", h.used())
	}
	h.Context = 0
	h.must("library_unload", 2)
	if h.used() != 0 {
		t.Errorf("%d bytes used at the end", h.used())
	}
}

func TestSizesThatAreExpressionsAreRefused(t *testing.T) {
	h := inContext(t)
	h.image(1, []byte(text+".global .b8 buffer[4*1024*1024*1024];"))
	if r, _ := h.call("module_load", 1, 1, 0, ""); r != driver.ErrorNotSupported {
		t.Errorf("result %d", r)
	}
}

// A kernel's code counts when the kernel is used, once.
func TestKernelsCountWhenTheyAreUsed(t *testing.T) {
	h := inContext(t)
	h.process.costs.code[handle.Owner{Kind: driver.KindLibrary, Number: 1}] = &codeCost{
		bytes: 0, kernels: map[string]uint64{"small": 2 * mib, "large": 63 * mib},
	}
	h.process.tables.Put(driver.KindLibrary, 1, 77)
	h.must("library_find", 1, 1, "small")
	h.must("library_find", 2, 1, "large")
	if h.used() != 0 {
		t.Errorf("%d bytes used by kernels that nobody used", h.used())
	}
	for range 2 {
		h.must("kernel_info", 1)
		if h.used() != 2*mib {
			t.Errorf("a kernel of 2 MiB costs %d", h.used())
		}
	}
	if r, _ := h.call("kernel_info", 2); r != driver.ErrorOutOfMemory {
		t.Errorf("a kernel beyond the quota: %d", r)
	}
	if r, _ := h.call("library_kernel", 3, 1, "large"); r != driver.ErrorOutOfMemory {
		t.Errorf("the same by another call: %d", r)
	}
	h.must("library_module", 5, 1)
	if r, _ := h.call("module_function", 1, 5, "large"); r != driver.ErrorOutOfMemory {
		t.Errorf("the same as a function of the library's module: %d", r)
	}
	h.must("library_unload", 1)
	if h.used() != 0 {
		t.Errorf("%d bytes used at the end", h.used())
	}
}
