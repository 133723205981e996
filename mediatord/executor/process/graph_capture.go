package process

import (
	"libvirt-vgpu/mediatord/executor/driver"
	"libvirt-vgpu/mediatord/executor/wire"
)

// CaptureEnd implements wire.Handler. A graph that the process has seen or begun
// to capture into has its number already; a capture that fails takes it along
// (measured with driver 580: the graph is no handle any more).
func (p *Process) CaptureEnd(_ wire.Call, in wire.CaptureEnd) driver.Result {
	s, ok := p.stream(in.S)
	expected, known := p.graph(in.G)
	if !ok || !known && !p.tables.Free(driver.KindGraph, in.G) {
		return driver.ErrorInvalidHandle
	}
	into := p.captures[s]
	g, r := p.Driver.CaptureEnd(s)
	// A failure ends most captures too.
	status, asked := p.Driver.Capturing(s)
	ended := asked != driver.Success || status == 0
	if ended {
		delete(p.captures, s)
	}
	switch {
	case !known:
		if r == driver.Success {
			p.tables.Put(driver.KindGraph, in.G, uint64(g))
		}
	case r == driver.Success:
		if g != expected {
			return p.violate("a capture ends in a graph that is not %d", in.G)
		}
		p.graphs.state(in.G).captured = false
	case p.graphs.state(in.G).captured, ended && into == in.G:
		p.forgetGraph(in.G)
	}
	return r
}

// CaptureInfo implements wire.Handler.
func (p *Process) CaptureInfo(_ wire.Call, in wire.CaptureInfo) (wire.CaptureInfoReply, driver.Result) {
	s, ok := p.stream(in.S)
	if !ok {
		return wire.CaptureInfoReply{}, driver.ErrorInvalidHandle
	}
	status, id, r := p.Driver.CaptureInfo(s)
	return wire.CaptureInfoReply{Status: status, ID: id}, r
}

// CaptureInto implements wire.Handler. As every capture it is a relaxed one here.
func (p *Process) CaptureInto(_ wire.Call, in wire.CaptureInto) driver.Result {
	s, ok1 := p.stream(in.S)
	g, ok2 := p.graph(in.G)
	if !ok1 || !ok2 {
		return driver.ErrorInvalidHandle
	}
	after, r := p.edgesOf(in.After)
	if r != driver.Success {
		return r
	}
	if r = p.Driver.CaptureInto(s, g, after, captureRelaxed); r == driver.Success {
		p.captures[s] = in.G
	}
	return r
}

// CaptureDependencies implements wire.Handler.
func (p *Process) CaptureDependencies(_ wire.Call, in wire.CaptureDependencies) (reply wire.CaptureDependenciesReply, r driver.Result) {
	s, ok := p.stream(in.S)
	if !ok {
		return reply, driver.ErrorInvalidHandle
	}
	g, after, r := p.Driver.CaptureDependencies(s)
	if r != driver.Success {
		return reply, r
	}
	number, known := p.tables.Find(driver.KindGraph, uint64(g))
	if !known {
		if number, r = p.numberGraph(g, in.Candidate); r != driver.Success {
			return reply, r
		}
		p.graphs.state(number).captured = true
	}
	reply.Graph = number
	reply.Total, reply.Edges, r = p.edgesFrom(reply.Graph, in.First, after)
	return reply, r
}

// CaptureUpdate implements wire.Handler.
func (p *Process) CaptureUpdate(_ wire.Call, in wire.CaptureUpdate) driver.Result {
	s, ok := p.stream(in.S)
	if !ok {
		return driver.ErrorInvalidHandle
	}
	after, r := p.edgesOf(in.After)
	if r != driver.Success {
		return r
	}
	return p.Driver.CaptureUpdate(s, after, in.Flags)
}
