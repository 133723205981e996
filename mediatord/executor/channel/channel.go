// Package channel is the executor's side of a channel: it consumes the command
// ring, writes replies, fault words and fences, and sleeps when nothing is to do.
//
// The guest process can write every byte of a channel at any time. A record is
// copied out before it is looked at; of the executor's own words none is read
// back. One goroutine, bound to its thread, consumes; Reply and the fault words
// may be used beside it.
package channel

import (
	"errors"
	"fmt"
	"sync/atomic"

	"golang.org/x/sys/unix"

	"libvirt-vgpu/mediatord/executor/driver"
	"libvirt-vgpu/plugin/window"
)

// ErrRecord: the ring holds something that no guest library writes. The executor
// cannot trust what follows and ends.
var ErrRecord = errors.New("malformed record in the ring")

// Channel is one mapped channel.
type Channel struct {
	memory []byte // the channel, ChannelSize bytes
	ring   []byte // the ring twice in a row
	head   uint64
	// published is the head that the producers know.
	published uint64
	// reserved is how far producers had reserved when TAIL was last read: they
	// write it with every record.
	reserved uint64
	// buffer is the private copy of the current record.
	buffer []byte

	tail         *atomic.Uint64
	headWord     *atomic.Uint64
	sleeping     *atomic.Uint32
	sticky       *atomic.Uint32
	async        *atomic.Uint32
	asyncOpcode  *atomic.Uint32
	prints       *atomic.Uint32
	printed      *atomic.Uint32
	interruptsTo int
	calls        calls
}

// Open maps the ring of channel number of w. interrupt is the eventfd that wakes
// the guest process; the caller keeps owning it.
func Open(w *window.Window, number, interrupt int) (*Channel, error) {
	if err := w.CheckChannel(number); err != nil {
		return nil, fmt.Errorf("opening channel: %w", err)
	}
	ring, err := mapTwice(int(w.File().Fd()), int64(w.ChannelOffset(number)+window.ChRing), window.RingSize)
	if err != nil {
		return nil, fmt.Errorf("opening channel %d: %w", number, err)
	}
	c := &Channel{memory: w.Channel(number), ring: ring, buffer: make([]byte, window.RecMax), interruptsTo: interrupt}
	c.tail = c.word64(window.ChTail)
	c.headWord = c.word64(window.ChHead)
	c.sleeping = c.word32(window.ChSleeping)
	c.sticky = c.word32(window.ChSticky)
	c.async = c.word32(window.ChAsync)
	c.asyncOpcode = c.word32(window.ChAsyncOpcode)
	c.prints = c.word32(window.ChPrints)
	c.printed = c.word32(window.ChPrinted)
	c.calls.open(c)
	return c, nil
}

// Close unmaps the ring.
func (c *Channel) Close() error { return unmapTwice(c.ring) }

// Empty says that no record waits at the head.
func (c *Channel) Empty() bool { return c.ringWord(c.head%window.RingSize).Load() == 0 }

// FenceAddress is the address in this process of the fence words, one page
// aligned run of FenceBytes.
func (c *Channel) FenceAddress() uint64 { return addressOf(c.memory[window.ChFences:]) }

// FenceBytes is the size of the fence words.
const FenceBytes = window.FenceCount * 4

// Fence reads the fence word of slot, which must be below FenceCount.
func (c *Channel) Fence(slot uint32) uint32 {
	return c.word32(window.ChFences + int(slot)*4).Load()
}

// SetFence stores value in fence word slot in the device's stead.
func (c *Channel) SetFence(slot, value uint32) {
	c.word32(window.ChFences + int(slot)*4).Store(value)
}

// SetAsync reports the failure of a posted call; the first one stays until the
// process takes it.
func (c *Channel) SetAsync(opcode uint16, r driver.Result) {
	// Only the executor makes the word anything but 0, so nothing is lost
	// between the look and the stores.
	if c.async.Load() == 0 {
		c.asyncOpcode.Store(uint32(opcode))
		c.async.Store(uint32(r))
	}
}

// SetSticky reports that the context is lost and wakes the process. The first
// result stays for ever.
func (c *Channel) SetSticky(r driver.Result) {
	if c.sticky.CompareAndSwap(0, uint32(r)) {
		c.Interrupt()
	}
}

// Reply fills reply slot and then lets its holder see it. slot has been checked
// by Next; data is at most RepDataMax bytes.
func (c *Channel) Reply(slot uint16, sequence uint32, r driver.Result, data []byte) {
	at := window.ChReplies + int(slot)*window.ReplySize
	copy(c.memory[at+window.RepData:at+window.ReplySize], data)
	c.word32(at + window.RepResult).Store(uint32(r))
	c.word32(at + window.RepLength).Store(uint32(len(data)))
	c.word32(at + window.RepSeq).Store(sequence)
}

// SetPrints says that the process has loaded code that may print.
func (c *Channel) SetPrints() { c.prints.Store(1) }

// AddPrinted counts bytes that kernels have printed.
func (c *Channel) AddPrinted(bytes int) { c.printed.Add(uint32(bytes)) }

// Interrupt wakes the guest process if it sleeps.
func (c *Channel) Interrupt() {
	// A full counter means that it is being woken already.
	_, _ = unix.Write(c.interruptsTo, []byte{1, 0, 0, 0, 0, 0, 0, 0})
}
