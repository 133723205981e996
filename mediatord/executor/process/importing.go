package process

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"os"

	"golang.org/x/sys/unix"

	"libvirt-vgpu/mediatord/executor/control"
	"libvirt-vgpu/mediatord/executor/driver"
	"libvirt-vgpu/mediatord/executor/wire"
	"libvirt-vgpu/mediatord/internal/parcel"
)

// imports are the calls that wait for a parcel. Their threads wait for the
// replies; the ring goes on.
type imports struct {
	last    uint64
	waiting map[uint64]waitingImport
}

type waitingImport struct {
	wish   *parcel.Parcel
	call   wire.Call
	opcode uint16
	unpack func(*parcel.Parcel) driver.Result
}

// acquire asks for what the token stands for; unpack gets it.
func (p *Process) acquire(c wire.Call, opcode uint16, token [tokenSize]byte, unpack func(*parcel.Parcel) driver.Result) driver.Result {
	if len(p.imports.waiting) >= parcel.MaxPending {
		return p.violate("more than %d threads wait for shared memory", parcel.MaxPending)
	}
	channel := binary.LittleEndian.Uint32(token[:])
	wish := &parcel.Parcel{
		ID: p.imports.last + 1, Channel: int(channel & 0x7fffffff),
		Generation: binary.LittleEndian.Uint32(token[4:]), Secret: hex.EncodeToString(token[8:]),
	}
	if wish.Check() != nil {
		return driver.ErrorInvalidValue
	}
	if err := p.Sender.Send(control.Message{Type: parcel.Acquire, Parcel: wish}); err != nil {
		p.Log.WithError(err).Error("asking for shared memory")
		return driver.ErrorUnknown
	}
	p.imports.last++
	p.imports.waiting[p.imports.last] = waitingImport{wish: wish, call: c, opcode: opcode, unpack: unpack}
	return wire.Deferred
}

// resumed tells another mediatord that all it is told from now on answers itself,
// and asks it for what an earlier one did not bring.
func (p *Process) resumed() error {
	if err := p.Sender.Send(control.Message{Type: control.Resumed, Walls: p.Walls, Parked: p.parking.bytes.Load(), Host: p.hostMemory(), Context: p.Away()}); err != nil {
		return fmt.Errorf("resuming: %w", err)
	}
	for _, w := range p.imports.waiting {
		if err := p.Sender.Send(control.Message{Type: parcel.Acquire, Parcel: w.wish}); err != nil {
			return fmt.Errorf("asking for shared memory again: %w", err)
		}
	}
	return nil
}

// arrived ends the wait for a parcel.
func (p *Process) arrived(got *parcel.Parcel) {
	defer got.Close()
	w, ok := p.imports.waiting[got.ID]
	if !ok {
		p.Log.Warnf("parcel %d came, which nobody waits for", got.ID)
		return
	}
	delete(p.imports.waiting, got.ID)
	r := driver.Result(got.Result)
	if r == driver.Success {
		r = p.unpack(w, got)
	}
	p.lost(r, w.opcode)
	p.Channel.Reply(w.call.Reply, w.call.Sequence, r, nil)
	p.Channel.Interrupt()
}

// unpack imports in the context of the call. The hold on shared memory that came
// along is given up unless something was imported.
func (p *Process) unpack(w waitingImport, got *parcel.Parcel) driver.Result {
	r := driver.Success
	if got.Share != nil {
		p.memory.accept(*got.Share, got.Channel == p.Number)
	}
	if w.call.Context != 0 && w.call.Context != p.current {
		r = p.enter(w.call.Context)
	}
	if r == driver.Success {
		r = w.unpack(got)
	}
	if r != driver.Success && got.Share != nil {
		p.memory.letGo(*got.Share)
	}
	return r
}

// memoryIn checks that the parcel is memory of size bytes.
func memoryIn(got *parcel.Parcel, size uint64) bool {
	return got.File != nil && got.Share != nil && got.Size == size
}

// MemImport implements wire.Handler.
func (p *Process) MemImport(c wire.Call, in wire.MemImport) driver.Result {
	if !p.tables.Free(driver.KindMemory, in.M) {
		return driver.ErrorInvalidHandle
	}
	return p.acquire(c, wire.OpMemImport, in.Token, func(got *parcel.Parcel) driver.Result {
		if !memoryIn(got, in.Size) || !p.tables.Free(driver.KindMemory, in.M) {
			return driver.ErrorInvalidValue
		}
		m, r := p.Driver.MemoryImport(got.Size, int(got.File.Fd()))
		if r != driver.Success {
			return r
		}
		p.tables.Put(driver.KindMemory, in.M, uint64(m))
		p.memory.allocations[in.M] = &allocation{physical: physical{size: got.Size, share: *got.Share}, exportable: true}
		return driver.Success
	})
}

// BlockImport implements wire.Handler.
func (p *Process) BlockImport(c wire.Call, in wire.BlockImport) driver.Result {
	if p.memory.blocks[in.VA] != nil || !p.checkDevice(in.VA, in.Size) {
		return driver.ErrorInvalidValue
	}
	return p.acquire(c, wire.OpBlockImport, in.Token, func(got *parcel.Parcel) driver.Result {
		if !memoryIn(got, in.Size) || p.memory.blocks[in.VA] != nil {
			return driver.ErrorInvalidValue
		}
		if r := p.Driver.BlockImport(in.VA, got.Size, int(got.File.Fd())); r != driver.Success {
			return r
		}
		p.memory.blocks[in.VA] = &physical{size: got.Size, share: *got.Share}
		return driver.Success
	})
}

// EventImport implements wire.Handler.
func (p *Process) EventImport(c wire.Call, in wire.EventImport) driver.Result {
	if !p.tables.Free(driver.KindEvent, in.E) {
		return driver.ErrorInvalidHandle
	}
	return p.acquire(c, wire.OpEventImport, in.Token, func(got *parcel.Parcel) driver.Result {
		var handle driver.EventHandle
		n, err := hex.Decode(handle[:], []byte(got.Handle))
		if err != nil || n != len(handle) || !p.tables.Free(driver.KindEvent, in.E) {
			return driver.ErrorInvalidValue
		}
		fd := -1
		if got.File != nil {
			fd = int(got.File.Fd())
		}
		e, r := p.Driver.EventImport(handle, fd)
		if r == driver.Success {
			p.tables.Put(driver.KindEvent, in.E, uint64(e))
		}
		return r
	})
}

// duplicate opens the same file once more.
func duplicate(f *os.File) (*os.File, error) {
	fd, err := unix.FcntlInt(f.Fd(), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("duplicating %s: %w", f.Name(), err)
	}
	return os.NewFile(uintptr(fd), f.Name()), nil
}
