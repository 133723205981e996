package process

import (
	"encoding/binary"
	"testing"

	"libvirt-vgpu/mediatord/executor/driver"
	"libvirt-vgpu/mediatord/executor/driver/drivertest"
)

// pooled is a process on a driver whose pools grow by whole 32 MiB and keep what
// they have.
func pooled(t *testing.T) *harness {
	h := inContext(t)
	h.driver.PoolBytes = map[driver.Pool]map[uint32]uint64{drivertest.DefaultPool: {}}
	h.driver.OnAlloc = func(size uint64) {
		p := h.driver.PoolBytes[drivertest.DefaultPool]
		p[driver.PoolUsed] += size
		p[driver.PoolReserved] = max(p[driver.PoolReserved], (p[driver.PoolUsed]+32*mib-1)/(32*mib)*(32*mib))
	}
	return h
}

func TestPoolsAreAccountedByWhatTheyHold(t *testing.T) {
	h := pooled(t)
	if r, address := h.call("mem_alloc_async", 3*mib, 0, 0); r != 0 || binary.LittleEndian.Uint64(address) != 1001 {
		t.Fatalf("allocating: %d, %v", r, address)
	}
	if h.used() != 32*mib {
		t.Errorf("%d bytes counted", h.used())
	}
	h.post("mem_free_async", 1001, 0)
	h.driver.PoolBytes[drivertest.DefaultPool] = map[uint32]uint64{}
	h.post("pools_settle", 0)
	if h.used() != 0 {
		t.Errorf("%d bytes counted after the wait", h.used())
	}
	h.want("MemAllocAsync 3145728 999 0", "MemFreeAsync 1001 0", "StreamQuery 0", "StreamSynchronize 0")
	h.driver.GraphBytes = 5 * mib
	h.process.Idle()
	if h.used() != 5*mib {
		t.Errorf("%d bytes counted for graphs", h.used())
	}
	h.driver.Fail["StreamQuery"] = driver.ErrorNotReady
	h.post("pools_settle", 0)
	h.want("StreamQuery 0") // nobody waits for a busy stream
}

func TestPoolsStayInTheQuota(t *testing.T) {
	h := pooled(t) // of 64 MiB
	if err := h.Account.Reserve(0, 16*mib); err != nil {
		t.Fatal(err)
	}
	h.must("mem_alloc_async", 30*mib, 0, 0)
	// 2 MiB are idle in the pool, 16 left of the quota
	h.must("mem_alloc_async", 2*mib, 0, 0)
	h.driver.Calls()
	if r, _ := h.call("mem_alloc_async", 17*mib, 0, 0); r != driver.ErrorOutOfMemory {
		t.Errorf("over the quota: %d", r)
	}
	h.want("PoolTrim 999 0")
	// would fit, but the driver rounds up beyond the quota
	if r, _ := h.call("mem_alloc_async", 10*mib, 0, 0); r != driver.ErrorOutOfMemory {
		t.Errorf("rounded over the quota: %d", r)
	}
	h.want("MemAllocAsync 10485760 999 0", "MemFreeAsync 1003 0", "PoolTrim 999 0")
}

func TestAPoolInUseOutlivesItsEnd(t *testing.T) {
	h := pooled(t)
	properties := make([]byte, 88)
	properties[0], properties[8], properties[24] = 1, 1, 7
	h.must("pool_create", 3, properties)
	pool := driver.Pool(1001)
	h.driver.PoolBytes[pool] = map[uint32]uint64{driver.PoolReserved: 32 * mib, driver.PoolUsed: mib}
	h.must("mem_alloc_async", mib, 3, 0)
	h.driver.PoolBytes[drivertest.DefaultPool] = nil
	h.must("pool_destroy", 3)
	if r, _ := h.call("pool_trim", 3, 0); r != driver.ErrorInvalidHandle {
		t.Errorf("an ended pool: %d", r)
	}
	if h.used() != 32*mib {
		t.Errorf("%d bytes counted", h.used())
	}
	h.driver.Calls()
	h.driver.PoolBytes[pool] = nil
	h.process.Idle()
	h.want("PoolTrim 1001 0", "PoolDestroy 1001")
	if h.used() != 0 {
		t.Errorf("%d bytes counted at the end", h.used())
	}
	if r, _ := h.call("pool_destroy", 0); r != driver.ErrorInvalidValue {
		t.Errorf("the default pool: %d", r)
	}
	h.must("pool_get_access", 0)
}

func TestPoolsThatAreNotCarried(t *testing.T) {
	h := inContext(t)
	for name, change := range map[string]struct {
		at   int
		want driver.Result
	}{"shared": {4, driver.ErrorNotSupported}, "elsewhere": {8, driver.ErrorNotSupported}, "of another device": {12, driver.ErrorInvalidDevice}, "managed": {0, driver.ErrorNotSupported}} {
		properties := make([]byte, 88)
		properties[0], properties[8] = 1, 1
		properties[change.at] += 2
		if r, _ := h.call("pool_create", 1, properties); r != change.want {
			t.Errorf("%s: %d, want %d", name, r, change.want)
		}
	}
	h.want()
	h.must("pool_set_access", 0, 1, []byte{1, 0, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0})
	if r, _ := h.call("pool_set_access", 0, 1, []byte{1, 0, 0, 0, 1, 0, 0, 0, 3, 0, 0, 0}); r != driver.ErrorInvalidDevice {
		t.Errorf("access of another device: %d", r)
	}
	h.want("PoolSetAccess 999 3")
	h.violates("pool_set_access", 0, 2, []byte{1})
}
