package process

import (
	"crypto/rand"
	"encoding/binary"
	"encoding/hex"
	"os"

	"libvirt-vgpu/mediatord/executor/control"
	"libvirt-vgpu/mediatord/executor/driver"
	"libvirt-vgpu/mediatord/executor/wire"
	"libvirt-vgpu/mediatord/internal/parcel"
)

// A token stands for memory or an event in handles that guest processes pass to
// each other: u32 channel and u32 generation of the exporter, then a secret that
// nobody can guess. It is good in this domain, as long as the exporter has the
// thing.
const tokenSize = 8 + parcel.SecretSize

type secret [parcel.SecretSize]byte

// maxExports bounds what one process may export at once.
const maxExports = 8192

// exportKey names what was exported: one field is not 0.
type exportKey struct {
	block  uint64 // address
	memory uint32 // handle number
	event  uint32 // handle number
}

// export is what a secret opens.
type export struct {
	key    exportKey
	native uint64             // of the event, whose number may have a new owner
	handle driver.EventHandle // of the event
	file   *os.File           // of the event, nil: the handle is enough
}

type exports struct {
	bySecret map[secret]*export
	byKey    map[exportKey]secret
}

func newExports() exports {
	return exports{bySecret: map[secret]*export{}, byKey: map[exportKey]secret{}}
}

// forget ends the export of something that ends.
func (x *exports) forget(key exportKey) {
	s, ok := x.byKey[key]
	if !ok {
		return
	}
	if e := x.bySecret[s]; e.file != nil {
		_ = e.file.Close()
	}
	delete(x.bySecret, s)
	delete(x.byKey, key)
}

// token is the export's token; a new one if there is none yet.
func (p *Process) token(e *export) (token [tokenSize]byte, r driver.Result) {
	s, known := p.exports.byKey[e.key]
	if known && p.exports.bySecret[s].native != e.native {
		p.exports.forget(e.key)
		known = false
	}
	if !known {
		if len(p.exports.bySecret) >= maxExports {
			return token, driver.ErrorOutOfMemory
		}
		_, _ = rand.Read(s[:]) // never fails
		p.exports.bySecret[s], p.exports.byKey[e.key] = e, s
	} else if e.file != nil {
		_ = e.file.Close()
	}
	binary.LittleEndian.PutUint32(token[:], uint32(p.Number))
	binary.LittleEndian.PutUint32(token[4:], p.Generation)
	copy(token[8:], s[:])
	return token, driver.Success
}

// MemExport implements wire.Handler.
func (p *Process) MemExport(_ wire.Call, in wire.MemExport) (wire.MemExportReply, driver.Result) {
	if a := p.memory.allocations[in.M]; a == nil || !a.exportable {
		return wire.MemExportReply{}, driver.ErrorInvalidValue
	}
	token, r := p.token(&export{key: exportKey{memory: in.M}})
	return wire.MemExportReply{Token: token}, r
}

// BlockExport implements wire.Handler.
func (p *Process) BlockExport(_ wire.Call, in wire.BlockExport) (wire.BlockExportReply, driver.Result) {
	if p.memory.blocks[in.VA] == nil {
		return wire.BlockExportReply{}, driver.ErrorInvalidValue
	}
	token, r := p.token(&export{key: exportKey{block: in.VA}})
	return wire.BlockExportReply{Token: token}, r
}

// EventExport implements wire.Handler.
func (p *Process) EventExport(_ wire.Call, in wire.EventExport) (wire.EventExportReply, driver.Result) {
	native, ok := p.tables.Get(driver.KindEvent, in.E)
	if !ok {
		return wire.EventExportReply{}, driver.ErrorInvalidHandle
	}
	e := &export{key: exportKey{event: in.E}, native: native}
	var fd int
	var r driver.Result
	if e.handle, fd, r = p.Driver.EventExport(driver.Event(native)); r != driver.Success {
		return wire.EventExportReply{}, r
	}
	if fd >= 0 {
		e.file = os.NewFile(uintptr(fd), "event")
	}
	token, r := p.token(e)
	return wire.EventExportReply{Token: token}, r
}

// serve answers another executor's wish for what a secret opens.
func (p *Process) serve(asked *parcel.Parcel) error {
	answer := &parcel.Parcel{ID: asked.ID, Channel: asked.Channel}
	defer answer.Close()
	answer.Result = uint32(p.pack(asked, answer))
	if answer.Result != 0 {
		answer.Close()
	}
	return p.Sender.Send(control.Message{Type: parcel.Exported, Parcel: answer})
}

// pack puts into the answer what was asked for. The answer's file is a
// duplicate of its own.
func (p *Process) pack(asked, answer *parcel.Parcel) driver.Result {
	if p.Away() {
		return driver.ErrorOutOfMemory // it could not come back
	}
	var s secret
	if n, err := hex.Decode(s[:], []byte(asked.Secret)); err != nil || n != len(s) {
		return driver.ErrorInvalidValue
	}
	e := p.exports.bySecret[s]
	if e == nil {
		return driver.ErrorInvalidValue
	}
	if e.key.event != 0 {
		return p.packEvent(e, answer)
	}
	var of *physical
	var fd int
	var r driver.Result
	if e.key.block != 0 {
		of = p.memory.blocks[e.key.block]
		fd, r = p.Driver.BlockExport(e.key.block)
	} else {
		of = &p.memory.allocations[e.key.memory].physical
		native, _ := p.tables.Get(driver.KindMemory, e.key.memory)
		fd, r = p.Driver.MemoryExport(driver.Memory(native))
	}
	if r != driver.Success {
		return r
	}
	answer.File = os.NewFile(uintptr(fd), "memory")
	if r := p.memory.offer(of, asked.Channel); r != driver.Success {
		return r
	}
	share := of.share
	answer.Size, answer.Share = of.size, &share
	return driver.Success
}

func (p *Process) packEvent(e *export, answer *parcel.Parcel) driver.Result {
	if native, ok := p.tables.Get(driver.KindEvent, e.key.event); !ok || native != e.native {
		p.exports.forget(e.key)
		return driver.ErrorInvalidValue
	}
	answer.Handle = hex.EncodeToString(e.handle[:])
	if e.file == nil {
		return driver.Success
	}
	fd, err := duplicate(e.file)
	if err != nil {
		return driver.ErrorOutOfMemory
	}
	answer.File = fd
	return driver.Success
}
