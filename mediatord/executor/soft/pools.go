package soft

import (
	"encoding/binary"

	"libvirt-vgpu/mediatord/executor/driver"
	"libvirt-vgpu/mediatord/executor/soft/gpu"
)

// pool is a memory pool that holds exactly what is allocated: the software GPU
// keeps nothing back.
type pool struct {
	flags     [3]uint64 // the three reuse attributes
	threshold uint64
	used      uint64
	high      [2]uint64 // watermarks of reserved and used memory
	limit     uint64    // 0: none
	access    uint32
}

func newPool(limit uint64) *pool {
	return &pool{flags: [3]uint64{1, 1, 1}, limit: limit, access: accessReadWrite}
}

// poolAllocation is memory from a pool.
type poolAllocation struct {
	from *pool
	size uint64
}

// Attributes of a pool (CUmemPool_attribute).
const (
	poolFirstFlag    = 1
	poolLastFlag     = 3
	poolThreshold    = 4
	poolReservedHigh = 6
	poolUsedHigh     = 8
)

// DefaultPool implements driver.Pools.
func (d *Driver) DefaultPool() (driver.Pool, driver.Result) { return d.defaultPool, driver.Success }

// PoolCreate implements driver.Pools.
func (d *Driver) PoolCreate(maxSize uint64, usage uint16) (driver.Pool, driver.Result) {
	if usage != 0 {
		return 0, driver.ErrorNotSupported
	}
	return driver.Pool(d.pools.put(newPool(maxSize))), driver.Success
}

// PoolDestroy implements driver.Native. Memory of the pool lives on.
func (d *Driver) PoolDestroy(p driver.Pool) driver.Result {
	if p == d.defaultPool {
		return driver.ErrorInvalidValue
	}
	if _, ok := d.pools.take(uint64(p)); !ok {
		return driver.ErrorInvalidValue
	}
	return driver.Success
}

// PoolGetAttribute implements driver.Native.
func (d *Driver) PoolGetAttribute(p driver.Pool, attribute uint32) (value [8]byte, r driver.Result) {
	pool, ok := d.pools.items[uint64(p)]
	if !ok {
		return value, driver.ErrorInvalidValue
	}
	var n uint64
	switch attribute {
	case poolThreshold:
		n = pool.threshold
	case driver.PoolReserved, driver.PoolUsed:
		n = pool.used
	case poolReservedHigh:
		n = pool.high[0]
	case poolUsedHigh:
		n = pool.high[1]
	default:
		if attribute < poolFirstFlag || attribute > poolLastFlag {
			return value, driver.ErrorInvalidValue
		}
		n = pool.flags[attribute-poolFirstFlag]
	}
	binary.LittleEndian.PutUint64(value[:], n)
	return value, driver.Success
}

// PoolSetAttribute implements driver.Native. Watermarks can only be reset.
func (d *Driver) PoolSetAttribute(p driver.Pool, attribute uint32, value []byte) driver.Result {
	pool, ok := d.pools.items[uint64(p)]
	n := binary.LittleEndian.Uint64(value)
	switch {
	case !ok:
		return driver.ErrorInvalidValue
	case attribute >= poolFirstFlag && attribute <= poolLastFlag:
		pool.flags[attribute-poolFirstFlag] = min(n, 1)
	case attribute == poolThreshold:
		pool.threshold = n
	case attribute == poolReservedHigh && n == 0:
		pool.high[0] = pool.used
	case attribute == poolUsedHigh && n == 0:
		pool.high[1] = pool.used
	default:
		return driver.ErrorInvalidValue
	}
	return driver.Success
}

// PoolTrim implements driver.Native: there is nothing to trim.
func (d *Driver) PoolTrim(p driver.Pool, _ uint64) driver.Result {
	if _, ok := d.pools.items[uint64(p)]; !ok {
		return driver.ErrorInvalidValue
	}
	return driver.Success
}

// PoolSetAccess implements driver.Pools: a device always reaches its own pool.
func (d *Driver) PoolSetAccess(p driver.Pool, flags uint32) driver.Result {
	if _, ok := d.pools.items[uint64(p)]; !ok || flags != accessReadWrite {
		return driver.ErrorInvalidValue
	}
	return driver.Success
}

// PoolGetAccess implements driver.Pools.
func (d *Driver) PoolGetAccess(p driver.Pool) (uint32, driver.Result) {
	pool, ok := d.pools.items[uint64(p)]
	if !ok {
		return 0, driver.ErrorInvalidValue
	}
	return pool.access, driver.Success
}

// Attributes of the graphs' memory (CUgraphMem_attribute); the odd ones are watermarks.
const graphMemoryLast = 3

// GraphMemoryGet implements driver.Native: graphs hold no memory of their own.
func (d *Driver) GraphMemoryGet(attribute uint32) (value [8]byte, r driver.Result) {
	if attribute > graphMemoryLast {
		return value, driver.ErrorInvalidValue
	}
	return value, driver.Success
}

// GraphMemorySet implements driver.Native: watermarks can be reset.
func (d *Driver) GraphMemorySet(attribute uint32, value []byte) driver.Result {
	if attribute > graphMemoryLast || attribute%2 == 0 || binary.LittleEndian.Uint64(value) != 0 {
		return driver.ErrorInvalidValue
	}
	return driver.Success
}

// GraphMemoryTrim implements driver.Native.
func (d *Driver) GraphMemoryTrim() driver.Result { return driver.Success }

// MemAllocAsync implements driver.Native. Memory is there at once, which no
// program can tell from later. Memory nodes of graphs are not carried.
func (d *Driver) MemAllocAsync(size uint64, p driver.Pool, s driver.Stream) (uint64, driver.Result) {
	pool, ok := d.pools.items[uint64(p)]
	if !ok {
		return 0, driver.ErrorInvalidValue
	}
	status, r := d.Capturing(s)
	switch {
	case r != driver.Success:
		return 0, r
	case status != 0:
		return 0, driver.ErrorNotSupported
	case pool.limit != 0 && size > pool.limit-min(pool.limit, pool.used):
		return 0, driver.ErrorOutOfMemory
	}
	address, err := d.dev.Alloc(size)
	if err != nil {
		return 0, d.result(err)
	}
	_, size, _ = d.dev.Bounds(address)
	d.allocations[address] = poolAllocation{pool, size}
	pool.used += size
	for i := range pool.high {
		pool.high[i] = max(pool.high[i], pool.used)
	}
	return address, driver.Success
}

// MemFreeAsync implements driver.Native.
func (d *Driver) MemFreeAsync(address uint64, s driver.Stream) driver.Result {
	return d.endAllocation(address, func() driver.Result {
		return d.with(s, func(s *gpu.Stream) error { return s.FreeAsync(address) })
	})
}

// MemFreePool implements driver.Native.
func (d *Driver) MemFreePool(address uint64) driver.Result {
	return d.endAllocation(address, func() driver.Result { return d.result(d.dev.Free(address)) })
}

func (d *Driver) endAllocation(address uint64, end func() driver.Result) driver.Result {
	a, ok := d.allocations[address]
	if !ok {
		return driver.ErrorInvalidValue
	}
	r := end()
	if r == driver.Success {
		delete(d.allocations, address)
		a.from.used -= a.size
	}
	return r
}
