package process

import (
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"libvirt-vgpu/mediatord/executor/control"
	"libvirt-vgpu/mediatord/executor/driver"
	"libvirt-vgpu/mediatord/executor/swap"
	"libvirt-vgpu/mediatord/executor/wire"
)

// parking is device memory that lies in host memory while the process is idle.
// Addresses, handles and contexts stay, so whatever holds them stays valid.
//
// What moves is memory of mem_block and mem_create that is this process's alone
// and mapped. Memory that the driver places itself (modules, arrays, pools, local
// memory, graphs) stays, and so does what other processes have open.
type parking struct {
	moved  []*moved // nil: not parked
	buffer *swap.Buffer
	bytes  atomic.Uint64 // that moved
	host   atomic.Uint64 // of buffers, those being given back or kept included
	// telling keeps what mediatord hears in order.
	telling sync.Mutex
	// returning is closed when an earlier buffer is given back; nil: there is none.
	returning chan struct{}
	patience  patience
}

// Parked says that device memory lies in host memory.
func (p *Process) Parked() bool { return len(p.parking.moved) > 0 }

// needsMemory is false for records that neither look at device memory nor give the
// GPU work that does. They are executed while the process is parked.
func needsMemory(opcode uint16) bool {
	switch opcode {
	case wire.OpFence, wire.OpEventRecord, wire.OpNotify, wire.OpMapPinned, wire.OpTextTake,
		wire.OpImageBegin, wire.OpImageInline, wire.OpImageDrop, wire.OpRefused,
		wire.OpPrimaryRetain, wire.OpCtxCreate:
		return false
	}
	return !ends(opcode) // those of memory look whether theirs is parked
}

// returnWithin bounds how long a wish waits for the buffer of the last time, which is
// zeroed meanwhile.
const returnWithin = 15 * time.Second

// parkWish is mediatord's wish to park.
type parkWish struct {
	limit   uint64 // of host memory in bytes
	context bool   // too
	session int    // of mediatord
	waited  bool   // for the buffer of the last time
}

// defers says that a wish waits until the buffer of the last time is given back. It
// comes again then.
func (p *Process) defers(w parkWish) bool {
	if w.waited || p.Parked() || p.Away() || p.parking.settled() {
		return false
	}
	w.waited = true
	returned := p.parking.returning
	go func() {
		late := time.NewTimer(returnWithin)
		defer late.Stop()
		select {
		case <-returned:
		case <-late.C:
		}
		p.wish(w)
		p.Wake()
	}()
	return true
}

// settled says that no buffer is being given back.
func (k *parking) settled() bool {
	if k.returning == nil {
		return true
	}
	select {
	case <-k.returning:
		k.returning = nil
		return true
	default:
		return false
	}
}

// busy says why the process cannot be parked now, "" if it can. It asks the driver
// of every stream and waits for nothing that takes time.
func (p *Process) busy() string {
	switch {
	case p.turn.lost.Load():
		return "its context is lost"
	case p.registrar == 0:
		return "it has no context"
	case !p.Channel.Empty(), p.Waiting(), p.synchronizing.Load() > 0:
		return "it has work"
	case len(p.captures) > 0:
		return "it captures a graph"
	case len(p.imports.waiting) > 0:
		return "it waits for memory of another process"
	case !p.loose.none():
		return "it has ended a stream before its work, and not waited for its context since"
	case !p.parking.settled():
		return "host memory of the last time is still being given back"
	}
	r := driver.Success
	ask := func(s driver.Stream) {
		if r == driver.Success {
			r = p.Driver.StreamQuery(s)
		}
	}
	p.tables.Each(driver.KindContext, func(number uint32, _ uint64) {
		if r == driver.Success {
			r = p.enter(number)
		}
		ask(0)
	})
	p.tables.Each(driver.KindStream, func(_ uint32, native uint64) {
		if native != 0 {
			ask(driver.Stream(native))
		}
	})
	if r == driver.Success {
		r = p.enter(p.registrar)
	}
	switch {
	case r == driver.ErrorNotReady:
		return "it has work"
	case r != driver.Success:
		p.lost(r, wire.OpStreamQuery)
		return fmt.Sprintf("its streams answer error %d", r)
	}
	return ""
}

// park moves device memory to at most limit bytes of host memory. Until all is
// copied the device memory stays as it is, so a record that comes meanwhile only
// ends the copying. It returns why nothing was moved.
func (p *Process) park(limit uint64) (why string) {
	if p.Parked() || p.Away() {
		return ""
	}
	if why := p.busy(); why != "" {
		return why
	}
	p.trimPools()
	limit -= min(limit, p.parking.host.Load()) // what could not be given back
	list, size := p.movable(limit)
	if size == 0 {
		return fmt.Sprintf("it has no memory that can be moved to %d bytes of host memory", limit)
	}
	buffer, err := swap.New(size)
	if err != nil {
		return err.Error()
	}
	p.parking.host.Add(size)
	began := time.Now()
	registered, why := p.copyOut(list, buffer)
	if why != "" {
		p.giveBack(buffer, registered)
		return why
	}
	p.Log.Debugf("parking: %d bytes copied in %v", size, time.Since(began))
	p.parking.moved, p.parking.buffer = list, buffer
	p.parking.bytes.Store(size)
	for i, m := range list {
		if r := p.takeOut(m); r != driver.Success {
			if again := p.bringIn(list[:i]); again != driver.Success || m.of != nil {
				p.violation = fmt.Errorf("memory of a process is half parked: errors %d and %d", r, again)
			}
			// The rest never left: bytes in host memory are as good for all.
			if again := p.copyIn(list); again != driver.Success && p.violation == nil {
				p.violation = fmt.Errorf("memory of a process that was not parked is lost: errors %d and %d", r, again)
			}
			p.unparked()
			return fmt.Sprintf("unmapping its memory failed with error %d", r)
		}
	}
	return ""
}

// trimPools has the driver give back what it only caches.
func (p *Process) trimPools() {
	if !p.pools.used {
		return
	}
	p.pools.trim()
	if p.Driver.GraphMemoryTrim() == driver.Success {
		p.graphs.memory.settle()
	}
}

// copyOut copies what is to move into the buffer, whose pieces it registers. It
// returns how many, and why it ended before all was copied.
func (p *Process) copyOut(list []*moved, buffer *swap.Buffer) (registered int, why string) {
	for _, m := range list {
		r := p.accessible(m, true)
		for _, run := range buffer.Runs(m.va, m.size, m.offset) {
			if r == driver.Success {
				registered, r = p.lockPieces(buffer, registered, run)
			}
			if r == driver.Success && !p.Channel.Empty() {
				why = "it has work"
				break
			}
			if r == driver.Success {
				r = p.Driver.CopyDtoH(run.Host, run.At, run.Size, 0)
			}
		}
		if waited := p.Driver.StreamSynchronize(0); r == driver.Success {
			r = waited
		}
		if closed := p.accessible(m, false); r == driver.Success {
			r = closed
		}
		if r != driver.Success {
			why = fmt.Sprintf("copying its memory failed with error %d", r)
		}
		if why != "" {
			return registered, why
		}
	}
	return registered, ""
}

// lockPieces page-locks the pieces up to the one of a run; registered are already.
func (p *Process) lockPieces(buffer *swap.Buffer, registered int, run swap.Run) (int, driver.Result) {
	for ; registered < buffer.Pieces(); registered++ {
		address, size := buffer.Extent(registered)
		if run.Host < address {
			break
		}
		if r := p.Driver.HostRegister(address, size); r != driver.Success {
			return registered, r
		}
	}
	return registered, driver.Success
}

// unparked gives the host memory back.
func (p *Process) unparked() {
	buffer := p.parking.buffer
	p.parking.moved, p.parking.buffer = nil, nil
	p.parking.bytes.Store(0)
	p.giveBack(buffer, buffer.Pieces())
}

// giveBack takes a buffer from the device and returns it to the kernel. registered
// is how many of its pieces the device may reach. A driver may wait for all work of
// the context then, so this must happen while there is none: before the record that
// wakes is executed, whose work may wait for one behind it. What takes longest,
// zeroing, is done by a thread of its own.
func (p *Process) giveBack(buffer *swap.Buffer, registered int) {
	if err := p.unlock(buffer, registered); err != nil { // the device might still write there, so the memory stays
		p.Log.WithError(err).Error("host memory of a parked process is kept until its end")
		return
	}
	done := make(chan struct{})
	p.parking.returning = done
	go func() {
		defer close(done)
		began, size := time.Now(), buffer.Size()
		var err error
		for i := 0; i < registered && err == nil; i++ {
			err = buffer.Return(i)
		}
		if err == nil {
			err = buffer.Close()
		}
		if err != nil {
			p.Log.WithError(err).Error("host memory of a parked process is kept until its end")
			return
		}
		p.parking.host.Add(-size)
		p.Log.Debugf("parking: %d bytes of host memory given back in %v", size, time.Since(began))
		p.tellParking("", false)
	}()
}

// unlock takes the pieces of a buffer from the device; without a context it has none.
func (p *Process) unlock(buffer *swap.Buffer, registered int) error {
	for i := 0; i < registered && p.registrar != 0; i++ {
		address, _ := buffer.Extent(i)
		if err := p.hostUnregister(address); err != nil {
			return err
		}
	}
	return nil
}

// unlockParked takes the buffer of parked memory from the device before the context ends
// in which the device knows it.
func (p *Process) unlockParked(context uint32) {
	if p.parking.buffer == nil || p.registrar != context || p.enter(context) != driver.Success {
		return
	}
	if err := p.unlock(p.parking.buffer, p.parking.buffer.Pieces()); err != nil {
		p.Log.WithError(err).Warn("host memory of a parked process, before its context ends")
	}
}

// lockParked makes it known to the device in another context. Without that it is copied
// more slowly.
func (p *Process) lockParked() {
	if p.parking.buffer == nil {
		return
	}
	for i := range p.parking.buffer.Pieces() {
		if r := p.hostRegister(p.parking.buffer.Extent(i)); r != driver.Success {
			p.Log.WithField("result", r).Warn("host memory of a parked process is not page-locked")
			return
		}
	}
}

// grant does what mediatord wishes, and tells it.
func (p *Process) grant(w parkWish) {
	var why string
	var never bool
	if w.context {
		why, never = p.leave(w.limit)
	} else {
		why = p.park(w.limit)
	}
	p.tell(control.Message{Message: why, Answer: true, Never: never})
}

// tellParking tells mediatord how much is parked, and why not.
func (p *Process) tellParking(why string, answer bool) {
	p.tell(control.Message{Message: why, Answer: answer})
}

// hostMemory is what lies in host memory of the process, or did, in bytes.
func (p *Process) hostMemory() uint64 { return p.parking.host.Load() + p.checkpoint.host.Load() }

func (p *Process) tell(m control.Message) {
	k := &p.parking
	k.telling.Lock()
	defer k.telling.Unlock()
	m.Type, m.Parked, m.Host, m.Context = control.Parking, k.bytes.Load(), p.hostMemory(), p.Away()
	if err := p.Sender.Send(m); err != nil {
		p.Log.WithError(err).Error("telling of parked memory")
	}
}
