package soft

import (
	"libvirt-vgpu/mediatord/executor/driver"
	"libvirt-vgpu/mediatord/executor/soft/ledger"
)

// primaryContext is the native handle of the primary context; created ones count
// on from there.
const primaryContext = 1 << 32

// PrimaryRetain implements driver.Contexts.
func (d *Driver) PrimaryRetain(uint32) (driver.Context, driver.Result) {
	if err := d.dev.Err(); err != nil {
		return 0, d.result(err)
	}
	if r := d.firstContext(); r != driver.Success {
		return 0, r
	}
	d.retained++
	return primaryContext, driver.Success
}

// PrimaryRelease implements driver.Contexts.
func (d *Driver) PrimaryRelease() driver.Result {
	if d.retained == 0 {
		return driver.ErrorInvalidContext
	}
	if d.retained--; d.retained == 0 {
		d.lastContext()
		return d.PrimaryReset()
	}
	return driver.Success
}

// firstContext takes what contexts take of memory that is shared, before the first.
func (d *Driver) firstContext() driver.Result {
	if d.ledger == nil || d.retained > 0 || len(d.contexts.items) > 0 {
		return driver.Success
	}
	return d.result(d.dev.TakeShare(ledger.Context))
}

// lastContext gives it back after the last.
func (d *Driver) lastContext() {
	if d.ledger != nil && d.retained == 0 && len(d.contexts.items) == 0 {
		d.dev.GiveShare(ledger.Context)
	}
}

// PrimaryReset implements driver.Contexts: what lived in the context ends. A
// device that has failed stays so until the executor ends.
func (d *Driver) PrimaryReset() driver.Result {
	for number, s := range d.streams.items {
		_ = s.Destroy() // a lost device has nothing to finish
		delete(d.streams.items, number)
	}
	clear(d.events.items)
	delete(d.cacheConfigs, primaryContext)
	return driver.Success
}

// ContextCreate implements driver.Contexts.
func (d *Driver) ContextCreate(uint32) (driver.Context, driver.Result) {
	if err := d.dev.Err(); err != nil {
		return 0, d.result(err)
	}
	if r := d.firstContext(); r != driver.Success {
		return 0, r
	}
	return driver.Context(primaryContext + d.contexts.put(struct{}{})), driver.Success
}

// ContextDestroy implements driver.Contexts.
func (d *Driver) ContextDestroy(c driver.Context) driver.Result {
	if _, ok := d.contexts.take(uint64(c) - primaryContext); !ok {
		return driver.ErrorInvalidContext
	}
	d.lastContext()
	delete(d.cacheConfigs, c)
	return driver.Success
}

// SetCurrent implements driver.Contexts: nothing but settings is a context's own.
func (d *Driver) SetCurrent(c driver.Context) driver.Result {
	d.current = c
	return driver.Success
}

// Synchronize implements driver.Contexts.
func (d *Driver) Synchronize(driver.Context) driver.Result { return d.result(d.dev.Synchronize()) }

// CtxGetLimit implements driver.Native.
func (d *Driver) CtxGetLimit(limit uint32) (uint64, driver.Result) {
	value, ok := d.limits[limit]
	if !ok {
		return 0, driver.ErrorUnsupportedLimit
	}
	return value, driver.Success
}

// CtxSetLimit implements driver.Native: the value is kept, nothing follows from it.
func (d *Driver) CtxSetLimit(limit uint32, value uint64) driver.Result {
	if _, ok := d.limits[limit]; !ok {
		return driver.ErrorUnsupportedLimit
	}
	d.limits[limit] = value
	return driver.Success
}

// CtxGetCacheConfig implements driver.Native.
func (d *Driver) CtxGetCacheConfig() (uint32, driver.Result) {
	return d.cacheConfigs[d.current], driver.Success
}

// CtxSetCacheConfig implements driver.Native: there is no cache, so the wish is only kept.
func (d *Driver) CtxSetCacheConfig(config uint32) driver.Result {
	d.cacheConfigs[d.current] = config
	return driver.Success
}

// CtxResetPersistingL2 implements driver.Native.
func (d *Driver) CtxResetPersistingL2() driver.Result { return driver.Success }
