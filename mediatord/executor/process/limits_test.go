package process

import (
	"testing"

	"libvirt-vgpu/mediatord/executor/driver"
	"libvirt-vgpu/plugin/window"
)

// described has a description with two multiprocessors of 2048 threads.
func described(t *testing.T) *harness {
	t.Helper()
	return inContext(t, func(c *Config) {
		d := &window.Description{DeviceCount: 1, Limits: [8]uint32{1024, 1 << 20, 8 << 20}, Attributes: make([]window.Attribute, window.DescAttributes)}
		d.Attributes[attributeMultiprocessors].Value, d.Attributes[attributeThreadsPerSM].Value = 2, 2048
		if err := c.Window.SetDescription(d); err != nil {
			t.Fatal(err)
		}
	})
}

func TestRaisedLimitsCount(t *testing.T) {
	h := described(t)
	for _, tc := range []struct {
		limit, value int
		result       driver.Result
		used         uint64
	}{
		{limitHeap, 8 * mib, 0, 0},
		{limitHeap, 24 * mib, 0, 16 * mib},
		{limitHeap, 10 * mib, 0, 2 * mib},
		{limitHeap, testQuota + 20*mib, driver.ErrorOutOfMemory, 2 * mib},
		{limitPrintf, 5 * mib, 0, 6 * mib},
		{limitStack, 2048, 0, 10 * mib},
		{limitStack, largestStack, driver.ErrorOutOfMemory, 10 * mib},
		{limitStack, 1 << 40, 0, 10 * mib}, // the driver's to refuse
		{limitStack, 512, 0, 6 * mib},
		{5, 1 << 40, 0, 6 * mib},
	} {
		if r, _ := h.call("ctx_set_limit", tc.limit, tc.value); r != tc.result {
			t.Errorf("limit %d to %d: %d", tc.limit, tc.value, r)
		}
		if h.used() != tc.used {
			t.Errorf("limit %d to %d: %d bytes used, want %d", tc.limit, tc.value, h.used(), tc.used)
		}
	}
	h.driver.Fail["CtxSetLimit"] = driver.ErrorInvalidValue
	if r, _ := h.call("ctx_set_limit", limitHeap, 30*mib); r != driver.ErrorInvalidValue || h.used() != 6*mib {
		t.Errorf("refused by the driver: %d, %d bytes used", r, h.used())
	}
	h.post("primary_release")
	if h.used() != 0 {
		t.Errorf("%d bytes used without a context", h.used())
	}
}
