package process

import (
	"encoding/binary"

	"libvirt-vgpu/mediatord/executor/driver"
	"libvirt-vgpu/mediatord/executor/wire"
	"libvirt-vgpu/plugin/window"
)

// pools accounts stream-ordered memory: not what is allocated, but what the
// driver's pools and the memory nodes of graphs hold, used or not. They grow when
// memory is allocated and, for graphs, when one is launched; they give back when
// the process waits.
type pools struct {
	driver  driver.Driver
	account *window.Account
	channel int
	all     map[driver.Pool]struct{}
	first   driver.Pool              // the device's
	orphans map[driver.Pool]struct{} // ended by the process, with memory in use
	charged uint64
	used    bool        // the process has allocated from a pool
	away    func() bool // nobody may be asked now; all is settled afterwards
}

func newPools(d driver.Driver, account *window.Account, channel int) pools {
	return pools{driver: d, account: account, channel: channel, all: map[driver.Pool]struct{}{}, orphans: map[driver.Pool]struct{}{}}
}

// attribute is a pool's number of bytes, 0 if the driver does not say.
func (p *pools) attribute(pool driver.Pool, attribute uint32) uint64 {
	value, r := p.driver.PoolGetAttribute(pool, attribute)
	if r != driver.Success {
		return 0
	}
	return binary.LittleEndian.Uint64(value[:])
}

func (p *pools) held() uint64 {
	graphs, _ := p.driver.GraphMemoryGet(driver.GraphMemoryReserved)
	held := binary.LittleEndian.Uint64(graphs[:])
	for pool := range p.all {
		held += p.attribute(pool, driver.PoolReserved)
	}
	for pool := range p.orphans {
		held += p.attribute(pool, driver.PoolReserved)
	}
	return held
}

// settle brings the account up to date, whatever the quota says.
func (p *pools) settle() {
	if !p.used || p.away() {
		return
	}
	for pool := range p.orphans {
		p.destroy(pool)
	}
	held := p.held()
	if held > p.charged {
		p.account.Charge(p.channel, held-p.charged)
	} else {
		p.account.Release(p.channel, p.charged-held)
	}
	p.charged = held
}

// reserve is settle for an allocation that was just made; false: it takes the
// domain over its quota, and is not accounted.
func (p *pools) reserve() bool {
	held := p.held()
	if held <= p.charged {
		p.settle()
		return true
	}
	if p.account.Reserve(p.channel, held-p.charged) != nil {
		return false
	}
	p.charged = held
	return true
}

// fits says whether size bytes more of a pool may stay within the quota.
func (p *pools) fits(size uint64, pool driver.Pool) bool {
	quota := p.account.Quota()
	if quota == 0 {
		return true
	}
	left := quota - min(quota, p.account.Total())
	reserved, used := p.attribute(pool, driver.PoolReserved), p.attribute(pool, driver.PoolUsed)
	idle := reserved - min(reserved, used)
	return size <= left || size-left <= idle
}

// trim has every pool give back what it can.
func (p *pools) trim() {
	for pool := range p.all {
		p.driver.PoolTrim(pool, 0)
	}
	p.settle()
}

// MemAllocAsync keeps the domain within its quota, as far as a driver can be that
// rounds up as it likes: what it took too much is given back before anybody uses it.
func (n *native) MemAllocAsync(size uint64, pool driver.Pool, s driver.Stream) (uint64, driver.Result) {
	p := &n.process.pools
	p.used = true
	if !p.fits(size, pool) {
		p.trim()
		if !p.fits(size, pool) {
			return 0, driver.ErrorOutOfMemory
		}
	}
	if len(n.captures) > 0 {
		n.process.graphs.allocate = true
	}
	address, r := n.Driver.MemAllocAsync(size, pool, s)
	if r != driver.Success || p.reserve() {
		return address, r
	}
	n.Driver.MemFreeAsync(address, s)
	p.trim()
	return 0, driver.ErrorOutOfMemory
}

// MemFreePool frees and settles.
func (n *native) MemFreePool(address uint64) driver.Result {
	r := n.Driver.MemFreePool(address)
	n.process.pools.settle()
	return r
}

// PoolTrim trims and settles.
func (n *native) PoolTrim(pool driver.Pool, keep uint64) driver.Result {
	r := n.Driver.PoolTrim(pool, keep)
	n.process.pools.settle()
	return r
}

// PoolDestroy ends a pool for the process. The driver ends it once its memory has
// been given back: before, nobody could say any more what it holds.
func (n *native) PoolDestroy(pool driver.Pool) driver.Result {
	p := &n.process.pools
	if pool == p.first {
		return driver.ErrorInvalidValue
	}
	delete(p.all, pool)
	if p.away() {
		p.orphans[pool] = struct{}{}
		p.used = true // so that it is settled
		return driver.Success
	}
	r := p.destroy(pool)
	p.settle()
	return r
}

// destroy ends a pool that the process has ended, or keeps it as an orphan.
func (p *pools) destroy(pool driver.Pool) driver.Result {
	p.driver.PoolTrim(pool, 0)
	if p.attribute(pool, driver.PoolReserved) > 0 {
		p.orphans[pool] = struct{}{}
		return driver.Success
	}
	delete(p.orphans, pool)
	return p.driver.PoolDestroy(pool)
}

// Places in CUmemPoolProps.
const (
	poolAllocation  = 0
	poolHandleTypes = 4
	poolLocation    = 8
	poolLocationID  = 12
	poolWin32       = 16
	poolMaxSize     = 24
	poolUsage       = 32
)

// PoolCreate implements wire.Handler. Pools that could leave the process or lie
// elsewhere than on the device are not carried.
func (p *Process) PoolCreate(_ wire.Call, in wire.PoolCreate) driver.Result {
	le := binary.LittleEndian
	b := in.Properties[:]
	if in.P == 0 || !p.tables.Free(driver.KindPool, in.P) {
		return driver.ErrorInvalidHandle
	}
	switch {
	case le.Uint32(b[poolAllocation:]) != allocationPinned, le.Uint32(b[poolHandleTypes:]) != 0,
		le.Uint32(b[poolLocation:]) != locationDevice, le.Uint64(b[poolWin32:]) != 0:
		return driver.ErrorNotSupported
	case le.Uint32(b[poolLocationID:]) != 0:
		return driver.ErrorInvalidDevice
	}
	pool, r := p.Driver.PoolCreate(le.Uint64(b[poolMaxSize:]), le.Uint16(b[poolUsage:]))
	if r == driver.Success {
		p.tables.Put(driver.KindPool, in.P, uint64(pool))
		p.pools.all[pool] = struct{}{}
	}
	return r
}

// PoolSetAccess implements wire.Handler.
func (p *Process) PoolSetAccess(_ wire.Call, in wire.PoolSetAccess) driver.Result {
	if uint64(len(in.Descriptors)) != uint64(in.Count)*accessDescriptor {
		return p.violate("setting access of a pool: %d bytes for %d descriptors", len(in.Descriptors), in.Count)
	}
	pool, ok := p.tables.Get(driver.KindPool, in.P)
	if !ok {
		return driver.ErrorInvalidHandle
	}
	le := binary.LittleEndian
	for d := in.Descriptors; len(d) > 0; d = d[accessDescriptor:] {
		if le.Uint32(d) != locationDevice || le.Uint32(d[4:]) != 0 {
			return driver.ErrorInvalidDevice
		}
		if r := p.Driver.PoolSetAccess(driver.Pool(pool), le.Uint32(d[8:])); r != driver.Success {
			return r
		}
	}
	return driver.Success
}

// PoolGetAccess implements wire.Handler.
func (p *Process) PoolGetAccess(_ wire.Call, in wire.PoolGetAccess) (wire.PoolGetAccessReply, driver.Result) {
	pool, ok := p.tables.Get(driver.KindPool, in.P)
	if !ok {
		return wire.PoolGetAccessReply{}, driver.ErrorInvalidHandle
	}
	flags, r := p.Driver.PoolGetAccess(driver.Pool(pool))
	return wire.PoolGetAccessReply{Flags: flags}, r
}

// PoolsSettle implements wire.Handler. The driver gives memory back when the
// program waits; the process has waited for a fence, of which the driver knows
// nothing. The stream is only asked if it is idle, so nobody waits here.
func (p *Process) PoolsSettle(_ wire.Call, in wire.PoolsSettle) driver.Result {
	s, ok := p.stream(in.S)
	if !ok {
		return driver.ErrorInvalidHandle
	}
	if len(p.captures) == 0 && p.Driver.StreamQuery(s) == driver.Success {
		if r := p.Driver.StreamSynchronize(s); r != driver.Success {
			return r
		}
	}
	p.pools.settle()
	return driver.Success
}
