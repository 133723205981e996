package process

import (
	"libvirt-vgpu/mediatord/executor/driver"
	"libvirt-vgpu/mediatord/executor/image"
	"libvirt-vgpu/mediatord/executor/wire"
	"libvirt-vgpu/plugin/window"
)

// Printer holds what kernels have printed.
type Printer interface {
	// Drain counts all that has been written in PRINTED.
	Drain()
	// Take removes at most limit bytes, output before errors.
	Take(limit int, withErrors bool) (out, errors []byte)
}

// expectPrinting tells the process when it has loaded code that may print: from
// then on it asks, when it waits, for what was printed.
func (p *Process) expectPrinting(d image.Description) {
	if d.Prints && !p.prints {
		p.prints = true
		p.Channel.SetPrints()
	}
}

// TextFlush implements wire.Handler. The driver writes what kernels have printed
// when a program waits, and the process has waited for a fence only.
func (p *Process) TextFlush(c wire.Call, in wire.TextFlush) driver.Result {
	s, ok := p.stream(in.S)
	if !ok {
		return driver.ErrorInvalidHandle
	}
	return p.flushText(c, wire.OpTextFlush,
		func() driver.Result { return p.Driver.StreamQuery(s) }, func() driver.Result { return p.Driver.FlushText(s) })
}

// TextFlushEvent implements wire.Handler.
func (p *Process) TextFlushEvent(c wire.Call, in wire.TextFlushEvent) driver.Result {
	native, ok := p.tables.Get(driver.KindEvent, in.E)
	if !ok {
		return driver.ErrorInvalidHandle
	}
	e := driver.Event(native)
	return p.flushText(c, wire.OpTextFlushEvent,
		func() driver.Result { return p.Driver.EventQuery(e) }, func() driver.Result { return p.Driver.FlushTextOfEvent(e) })
}

// flushText flushes at once if there is nothing to wait for. Other work of the
// process may have come behind what it waited for. Asking would break a capture.
func (p *Process) flushText(c wire.Call, opcode uint16, query, flush func() driver.Result) driver.Result {
	if len(p.captures) > 0 {
		return driver.Success
	}
	drained := func() driver.Result {
		r := flush()
		if p.Printer != nil {
			p.Printer.Drain()
		}
		return r
	}
	if query() != driver.ErrorNotReady {
		return drained()
	}
	return p.aside(c, opcode, func(context driver.Context) driver.Result {
		if r := p.Driver.SetCurrent(context); r != driver.Success {
			return r
		}
		defer p.Driver.SetCurrent(0)
		return drained()
	})
}

// TextTake implements wire.Handler. Standard error is the process's business only
// when an assertion has failed.
func (p *Process) TextTake(wire.Call, wire.TextTake) (wire.TextTakeReply, driver.Result) {
	const limit = window.RepDataMax - 8
	if p.Printer == nil {
		return wire.TextTakeReply{}, driver.Success
	}
	out, errors := p.Printer.Take(limit, p.asserted.Load())
	return wire.TextTakeReply{Errors: uint32(len(errors)), Text: append(out, errors...)}, driver.Success
}
