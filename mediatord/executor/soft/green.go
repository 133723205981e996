package soft

import (
	"encoding/binary"

	"libvirt-vgpu/mediatord/executor/driver"
	"libvirt-vgpu/mediatord/executor/soft/gpu"
)

// Green contexts are the device itself: its multiprocessors are counted, not
// kept apart.

const (
	resourceMultiprocessors = 1
	// smPartition is how few multiprocessors a part may have, and the step.
	smPartition = 2

	splitIgnoreCoscheduling = 1
	splitLargeClusters      = 2

	greenDefaultStream = 1
)

// Errors of resources.
const (
	errorResourceType          driver.Result = 914
	errorResourceConfiguration driver.Result = 915
)

type green struct {
	resource driver.Resource
}

func smResource(count uint32) (f driver.Resource) {
	if count == 0 {
		return f
	}
	le := binary.LittleEndian
	le.PutUint32(f[:], resourceMultiprocessors)
	le.PutUint32(f[driver.ResourceSM:], count)
	le.PutUint32(f[driver.ResourceSM+4:], smPartition)
	le.PutUint32(f[driver.ResourceSM+8:], smPartition)
	return f
}

func smCount(f *driver.Resource) uint32 { return binary.LittleEndian.Uint32(f[driver.ResourceSM:]) }

// DeviceResource implements driver.GreenContexts.
func (d *Driver) DeviceResource(kind uint32) (driver.Resource, driver.Result) {
	if kind != resourceMultiprocessors {
		return driver.Resource{}, errorResourceType
	}
	return smResource(multiprocessors), driver.Success
}

// ContextResource implements driver.GreenContexts.
func (d *Driver) ContextResource(c driver.Context, kind uint32) (driver.Resource, driver.Result) {
	if g, ok := d.greens.items[uint64(c)-greenContext]; ok && kind == resourceMultiprocessors {
		return g.resource, driver.Success
	}
	return d.DeviceResource(kind)
}

// GreenResource implements driver.GreenContexts.
func (d *Driver) GreenResource(g driver.Green, kind uint32) (driver.Resource, driver.Result) {
	item, ok := d.greens.items[uint64(g)]
	if !ok {
		return driver.Resource{}, driver.ErrorInvalidContext
	}
	if kind != resourceMultiprocessors {
		return driver.Resource{}, errorResourceType
	}
	return item.resource, driver.Success
}

// ResourceSplit implements driver.GreenContexts.
func (d *Driver) ResourceSplit(input *driver.Resource, groups, flags, minimum uint32) (parts []driver.Resource, remaining driver.Resource, made uint32, r driver.Result) {
	total := smCount(input)
	if flags&^(splitIgnoreCoscheduling|splitLargeClusters) != 0 || minimum > total {
		return nil, remaining, 0, driver.ErrorInvalidValue
	}
	size := max((minimum+smPartition-1)/smPartition*smPartition, smPartition)
	made = total / size
	if groups == 0 {
		return nil, remaining, made, driver.Success
	}
	made = min(made, groups)
	for range made {
		parts = append(parts, smResource(size))
	}
	return parts, smResource(total - made*size), made, driver.Success
}

// ResourceDescribe implements driver.GreenContexts.
func (d *Driver) ResourceDescribe(parts []driver.Resource) (driver.Desc, driver.Result) {
	total := uint32(0)
	for i := range parts {
		total += smCount(&parts[i])
	}
	if total > multiprocessors {
		return 0, errorResourceConfiguration
	}
	return driver.Desc(d.descs.put(smResource(total))), driver.Success
}

// GreenCreate implements driver.GreenContexts.
func (d *Driver) GreenCreate(desc driver.Desc, flags uint32) (driver.Green, driver.Result) {
	f, ok := d.descs.items[uint64(desc)]
	if desc == 0 {
		f, ok = smResource(multiprocessors), true
	}
	if !ok || flags != greenDefaultStream {
		return 0, driver.ErrorInvalidValue
	}
	if _, r := d.PrimaryRetain(0); r != driver.Success {
		return 0, r
	}
	return driver.Green(d.greens.put(green{f})), driver.Success
}

// GreenDestroy implements driver.GreenContexts.
func (d *Driver) GreenDestroy(g driver.Green) driver.Result {
	if _, ok := d.greens.take(uint64(g)); !ok {
		return driver.ErrorInvalidContext
	}
	return d.PrimaryRelease()
}

// greenContext is added to a green context's number to make its context's.
const greenContext = 1 << 40

// GreenContext implements driver.GreenContexts.
func (d *Driver) GreenContext(g driver.Green) (driver.Context, driver.Result) {
	if _, ok := d.greens.items[uint64(g)]; !ok {
		return 0, driver.ErrorInvalidContext
	}
	return driver.Context(greenContext + uint64(g)), driver.Success
}

// GreenRecordEvent implements driver.Native.
func (d *Driver) GreenRecordEvent(_ driver.Green, e driver.Event) driver.Result {
	return d.CtxRecordEvent(0, e)
}

// GreenWaitEvent implements driver.Native.
func (d *Driver) GreenWaitEvent(_ driver.Green, e driver.Event) driver.Result {
	return d.CtxWaitEvent(0, e)
}

// GreenStreamCreate implements driver.Native.
func (d *Driver) GreenStreamCreate(_ driver.Green, flags uint32, priority int32) (driver.Stream, driver.Result) {
	if flags != streamNonBlocking {
		return 0, driver.ErrorInvalidValue
	}
	s, err := d.dev.NewStream(gpu.StreamFlags{NonBlocking: true, Priority: int(priority)})
	if err != nil {
		return 0, d.result(err)
	}
	return driver.Stream(d.streams.put(s)), driver.Success
}
