package process

import (
	"encoding/binary"

	"libvirt-vgpu/mediatord/executor/driver"
	"libvirt-vgpu/mediatord/executor/wire"
)

// maxResources bounds the resources that a process may have seen, maxParts those
// of one split or descriptor.
const (
	maxResources = 1 << 16
	maxParts     = 250
)

// resources are what the driver gave the process: it knows them by number, so
// that what the driver gets back is the driver's own.
type resources struct {
	known  []driver.Resource // number 1 is the first
	number map[driver.Resource]uint32
}

// resourceSize is what travels of a resource: u32 number, then the three words
// about multiprocessors.
const resourceSize = 16

// note gives a resource its number and appends what travels; the number is 0 for
// a resource of nothing.
func (x *resources) note(to []byte, f *driver.Resource) ([]byte, driver.Result) {
	number := uint32(0)
	if binary.LittleEndian.Uint32(f[:]) != 0 {
		known := false
		if number, known = x.number[*f]; !known {
			if len(x.known) >= maxResources {
				return to, driver.ErrorOutOfMemory
			}
			x.known = append(x.known, *f)
			number = uint32(len(x.known))
			x.number[*f] = number
		}
	}
	to = binary.LittleEndian.AppendUint32(to, number)
	return append(to, f[driver.ResourceSM:driver.ResourceSM+resourceSize-4]...), driver.Success
}

func (x *resources) get(number uint32) (*driver.Resource, bool) {
	if number == 0 || uint64(number) > uint64(len(x.known)) {
		return nil, false
	}
	f := x.known[number-1]
	return &f, true
}

// noted is note for the reply of a query.
func (p *Process) noted(f driver.Resource, r driver.Result) ([resourceSize]byte, driver.Result) {
	if r != driver.Success {
		return [resourceSize]byte{}, r
	}
	b, r := p.resources.note(nil, &f)
	if r != driver.Success {
		return [resourceSize]byte{}, r
	}
	return [resourceSize]byte(b), r
}

// DeviceResource implements wire.Handler.
func (p *Process) DeviceResource(_ wire.Call, in wire.DeviceResource) (wire.DeviceResourceReply, driver.Result) {
	f, r := p.noted(p.Driver.DeviceResource(in.Kind))
	return wire.DeviceResourceReply{Resource: f}, r
}

// CtxResource implements wire.Handler.
func (p *Process) CtxResource(_ wire.Call, in wire.CtxResource) (wire.CtxResourceReply, driver.Result) {
	native, ok := p.tables.Get(driver.KindContext, in.C)
	if !ok {
		return wire.CtxResourceReply{}, driver.ErrorInvalidContext
	}
	f, r := p.noted(p.Driver.ContextResource(driver.Context(native), in.Kind))
	return wire.CtxResourceReply{Resource: f}, r
}

// GreenResource implements wire.Handler.
func (p *Process) GreenResource(_ wire.Call, in wire.GreenResource) (wire.GreenResourceReply, driver.Result) {
	native, ok := p.tables.Get(driver.KindGreen, in.G)
	if !ok {
		return wire.GreenResourceReply{}, driver.ErrorInvalidContext
	}
	f, r := p.noted(p.Driver.GreenResource(driver.Green(native), in.Kind))
	return wire.GreenResourceReply{Resource: f}, r
}

// ResourceSplit implements wire.Handler: the parts, then what remains.
func (p *Process) ResourceSplit(_ wire.Call, in wire.ResourceSplit) (wire.ResourceSplitReply, driver.Result) {
	input, ok := p.resources.get(in.Input)
	if !ok {
		return wire.ResourceSplitReply{}, driver.ErrorInvalidValue
	}
	if in.Groups > maxParts {
		return wire.ResourceSplitReply{}, driver.ErrorInvalidValue
	}
	parts, remaining, made, r := p.Driver.ResourceSplit(input, in.Groups, in.Flags, in.Minimum)
	reply := wire.ResourceSplitReply{Made: made}
	for i := range parts {
		if r == driver.Success {
			reply.Resources, r = p.resources.note(reply.Resources, &parts[i])
		}
	}
	if r == driver.Success {
		reply.Resources, r = p.resources.note(reply.Resources, &remaining)
	}
	return reply, r
}

// ResourceDescribe implements wire.Handler.
func (p *Process) ResourceDescribe(_ wire.Call, in wire.ResourceDescribe) driver.Result {
	if !p.tables.Free(driver.KindDesc, in.D) {
		return driver.ErrorInvalidHandle
	}
	if len(in.Resources)%4 != 0 || len(in.Resources) > 4*maxParts {
		return p.violate("describing resources: %d bytes of numbers", len(in.Resources))
	}
	var parts []driver.Resource
	for b := in.Resources; len(b) > 0; b = b[4:] {
		f, ok := p.resources.get(binary.LittleEndian.Uint32(b))
		if !ok {
			return driver.ErrorInvalidValue
		}
		parts = append(parts, *f)
	}
	if len(parts) == 0 {
		return driver.ErrorInvalidValue
	}
	d, r := p.Driver.ResourceDescribe(parts)
	if r == driver.Success {
		p.tables.Put(driver.KindDesc, in.D, uint64(d))
	}
	return r
}

// GreenCreate implements wire.Handler: the green context, and the context that
// it is as well.
func (p *Process) GreenCreate(_ wire.Call, in wire.GreenCreate) driver.Result {
	var d uint64 // none: the whole device
	ok := in.D == 0
	if !ok {
		d, ok = p.tables.Get(driver.KindDesc, in.D)
	}
	if !ok || !p.tables.Free(driver.KindGreen, in.G) || in.C <= primary || !p.tables.Free(driver.KindContext, in.C) {
		return driver.ErrorInvalidHandle
	}
	g, r := p.Driver.GreenCreate(driver.Desc(d), in.Flags)
	if r != driver.Success {
		return r
	}
	c, r := p.Driver.GreenContext(g)
	if r != driver.Success {
		p.Driver.GreenDestroy(g)
		return r
	}
	p.tables.Put(driver.KindGreen, in.G, uint64(g))
	p.tables.Put(driver.KindContext, in.C, uint64(c))
	p.greens[in.C] = true
	p.contextOf[in.G] = in.C
	return driver.Success
}

// GreenDestroy implements wire.Handler. Its streams stay, and say that it has
// ended.
func (p *Process) GreenDestroy(_ wire.Call, in wire.GreenDestroy) driver.Result {
	native, ok := p.tables.Get(driver.KindGreen, in.G)
	if !ok {
		return driver.ErrorInvalidContext
	}
	r := p.Driver.GreenDestroy(driver.Green(native))
	if r == driver.Success {
		c := p.contextOf[in.G]
		delete(p.contextOf, in.G)
		delete(p.greens, c)
		p.tables.Delete(driver.KindGreen, in.G)
		p.tables.Delete(driver.KindContext, c)
		p.fences.end(c)
		if p.current == c {
			p.current, p.tables.Context = 0, 0
		}
	}
	return r
}
