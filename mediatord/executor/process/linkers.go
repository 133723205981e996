package process

import (
	"encoding/binary"

	"libvirt-vgpu/mediatord/executor/driver"
	"libvirt-vgpu/mediatord/executor/image"
	"libvirt-vgpu/mediatord/executor/wire"
	"libvirt-vgpu/plugin/window"
)

// linker is what a process reads in pieces of a linker's work.
type linker struct {
	logs  []byte // info log, then error log
	image []byte // the linker's own memory
}

// Kinds of input (CUjitInputType).
const (
	inputCubin     = 0
	inputPTX       = 1
	inputFatbinary = 2
)

// LinkCreate implements wire.Handler.
func (p *Process) LinkCreate(_ wire.Call, in wire.LinkCreate) driver.Result {
	if uint64(len(in.Jit)) != uint64(in.Options)*8 {
		return p.violate("creating a linker: %d bytes for %d options", len(in.Jit), in.Options)
	}
	if !p.tables.Free(driver.KindLinker, in.K) {
		return driver.ErrorInvalidHandle
	}
	jit, ok := decodeLinkerJIT(in.Jit)
	if !ok {
		return driver.ErrorInvalidValue
	}
	l, r := p.Driver.LinkCreate(jit)
	if r == driver.Success {
		p.tables.Put(driver.KindLinker, in.K, uint64(l))
		p.linkers[in.K] = &linker{}
	}
	return r
}

// LinkAdd implements wire.Handler. Images that say how long they are must not
// be shorter; the driver is told the length of all others.
func (p *Process) LinkAdd(_ wire.Call, in wire.LinkAdd) (wire.LinkAddReply, driver.Result) {
	pairs := uint64(in.Options) * 8
	if pairs > uint64(len(in.Data)) {
		p.violate("adding to a linker: %d options in %d bytes", in.Options, len(in.Data))
		return wire.LinkAddReply{}, driver.ErrorInvalidValue
	}
	native, ok := p.tables.Get(driver.KindLinker, in.K)
	if !ok {
		return wire.LinkAddReply{}, driver.ErrorInvalidHandle
	}
	jit, ok := decodeLinkerJIT(in.Data[:pairs])
	name, named := symbolName(in.Data[pairs:])
	if !ok || (len(name) > 0 && !named) {
		return wire.LinkAddReply{}, driver.ErrorInvalidValue
	}
	data, r := p.linkInput(in.Image, in.Input)
	if r != driver.Success {
		return wire.LinkAddReply{}, r
	}
	r = p.Driver.LinkAdd(driver.Linker(native), in.Input, data, name, jit)
	return wire.LinkAddReply{State: p.linkState(in.K, driver.Linker(native))}, r
}

func (p *Process) linkInput(number, input uint32) ([]byte, driver.Result) {
	u := p.images.uploads[number]
	if u == nil {
		return nil, driver.ErrorInvalidValue
	}
	if !u.good {
		return nil, driver.ErrorInvalidImage
	}
	switch input {
	case inputCubin, inputPTX, inputFatbinary:
		if _, _, err := image.Measure(u.data); err != nil {
			p.Log.WithError(err).Warn("linker input refused")
			return nil, driver.ErrorInvalidImage
		}
	}
	return u.data, driver.Success
}

// linkState notes the logs and tells their sizes; plugin/api/ops.table lays the
// answer out.
func (p *Process) linkState(number uint32, l driver.Linker) []byte {
	state := p.Driver.LinkState(l)
	p.linkers[number].logs = append(append([]byte(nil), state.Info...), state.Error...)
	out := make([]byte, 0, 20)
	for _, word := range []uint32{state.WallTime, state.InfoSize, state.ErrorSize, uint32(len(state.Info)), uint32(len(state.Error))} {
		out = binary.LittleEndian.AppendUint32(out, word)
	}
	return out
}

// LinkComplete implements wire.Handler.
func (p *Process) LinkComplete(_ wire.Call, in wire.LinkComplete) (wire.LinkCompleteReply, driver.Result) {
	native, ok := p.tables.Get(driver.KindLinker, in.K)
	if !ok {
		return wire.LinkCompleteReply{}, driver.ErrorInvalidHandle
	}
	linked, r := p.Driver.LinkComplete(driver.Linker(native))
	p.linkers[in.K].image = linked
	return wire.LinkCompleteReply{Size: uint64(len(linked)), State: p.linkState(in.K, driver.Linker(native))}, r
}

// LinkLogs implements wire.Handler.
func (p *Process) LinkLogs(_ wire.Call, in wire.LinkLogs) (wire.LinkLogsReply, driver.Result) {
	l := p.linkers[in.K]
	if l == nil {
		return wire.LinkLogsReply{}, driver.ErrorInvalidHandle
	}
	return wire.LinkLogsReply{Logs: piece(l.logs, uint64(in.First))}, driver.Success
}

// LinkCubin implements wire.Handler.
func (p *Process) LinkCubin(_ wire.Call, in wire.LinkCubin) (wire.LinkCubinReply, driver.Result) {
	l := p.linkers[in.K]
	if l == nil {
		return wire.LinkCubinReply{}, driver.ErrorInvalidHandle
	}
	return wire.LinkCubinReply{Cubin: piece(l.image, in.First)}, driver.Success
}

// piece is as much of b from first on as a reply holds.
func piece(b []byte, first uint64) []byte {
	b = b[min(first, uint64(len(b))):]
	return b[:min(len(b), window.RepDataMax)]
}

// LinkDestroy implements wire.Handler.
func (p *Process) LinkDestroy(_ wire.Call, in wire.LinkDestroy) driver.Result {
	native, ok := p.tables.Get(driver.KindLinker, in.K)
	if !ok {
		return driver.ErrorInvalidHandle
	}
	p.tables.Delete(driver.KindLinker, in.K)
	delete(p.linkers, in.K)
	return p.Driver.LinkDestroy(driver.Linker(native))
}
