package drivertest

import (
	"encoding/binary"

	"libvirt-vgpu/mediatord/executor/driver"
)

// resource is one of n multiprocessors.
func resource(n uint32) (f driver.Resource) {
	f[0] = 1
	binary.LittleEndian.PutUint32(f[driver.ResourceSM:], n)
	f[50] = 0xee // the driver's own
	return f
}

// DeviceResource implements driver.Driver: 132 multiprocessors.
func (r *Recorder) DeviceResource(kind uint32) (driver.Resource, driver.Result) {
	return resource(132), r.call("DeviceResource", kind)
}

// ContextResource implements driver.Driver.
func (r *Recorder) ContextResource(c driver.Context, kind uint32) (driver.Resource, driver.Result) {
	return resource(132), r.call("ContextResource", c, kind)
}

// GreenResource implements driver.Driver.
func (r *Recorder) GreenResource(g driver.Green, kind uint32) (driver.Resource, driver.Result) {
	return resource(8), r.call("GreenResource", g, kind)
}

// ResourceSplit implements driver.Driver: as many parts of 8 as wanted.
func (r *Recorder) ResourceSplit(input *driver.Resource, groups, flags, minimum uint32) (parts []driver.Resource, remaining driver.Resource, made uint32, result driver.Result) {
	if result = r.call("ResourceSplit", input[driver.ResourceSM], input[50], groups, flags, minimum); result != driver.Success {
		return nil, remaining, 0, result
	}
	for range groups {
		parts = append(parts, resource(8))
	}
	return parts, resource(4), max(groups, 16), result
}

// ResourceDescribe implements driver.Driver.
func (r *Recorder) ResourceDescribe(parts []driver.Resource) (driver.Desc, driver.Result) {
	var sizes []byte
	for _, f := range parts {
		sizes = append(sizes, f[driver.ResourceSM])
	}
	h, result := r.create("ResourceDescribe", sizes)
	return driver.Desc(h), result
}

// GreenCreate implements driver.Driver.
func (r *Recorder) GreenCreate(d driver.Desc, flags uint32) (driver.Green, driver.Result) {
	h, result := r.create("GreenCreate", d, flags)
	return driver.Green(h), result
}

// GreenDestroy implements driver.Driver.
func (r *Recorder) GreenDestroy(g driver.Green) driver.Result { return r.call("GreenDestroy", g) }

// GreenContext implements driver.Driver.
func (r *Recorder) GreenContext(g driver.Green) (driver.Context, driver.Result) {
	h, result := r.create("GreenContext", g)
	return driver.Context(h), result
}

// GreenRecordEvent implements driver.Driver.
func (r *Recorder) GreenRecordEvent(g driver.Green, e driver.Event) driver.Result {
	return r.call("GreenRecordEvent", g, e)
}

// GreenWaitEvent implements driver.Driver.
func (r *Recorder) GreenWaitEvent(g driver.Green, e driver.Event) driver.Result {
	return r.call("GreenWaitEvent", g, e)
}

// GreenStreamCreate implements driver.Driver.
func (r *Recorder) GreenStreamCreate(g driver.Green, flags uint32, priority int32) (driver.Stream, driver.Result) {
	h, result := r.create("GreenStreamCreate", g, flags, priority)
	return driver.Stream(h), result
}
