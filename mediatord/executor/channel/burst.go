package channel

import (
	"sync/atomic"
	"time"

	"libvirt-vgpu/mediatord/executor/driver"
	"libvirt-vgpu/plugin/window"
)

// Burster is an Executor that can consume plain records by itself, many at once.
type Burster interface {
	// Bursts says whether it may consume a record of this opcode so now, and
	// whatever follows.
	Bursts(opcode uint16) bool
	// Burst consumes records from the head of the ring and waits up to spin for
	// one. It leaves what is not plain, and soon ends when woken is not 0.
	Burst(b *driver.Burst, woken *atomic.Uint32, spin time.Duration)
}

// noOpcode asks Bursts about a record that has not come yet.
const noOpcode = 0

// burst has the executor consume what it can by itself: how many records.
func (c *Consumer) burst(spin time.Duration) int {
	if c.burster == nil {
		return 0
	}
	opcode := uint16(noOpcode)
	if at := c.channel.head % window.RingSize; c.channel.ringWord(at).Load() != 0 {
		// Only a hint: what is executed is a copy.
		opcode = uint16(c.channel.ringWord(at + window.RecOpcode).Load())
	} else if spin == 0 {
		c.channel.publish()
		return 0
	}
	if !c.burster.Bursts(opcode) {
		return 0
	}
	b := c.run
	b.Head, b.Published = c.channel.head, c.channel.published
	c.burster.Burst(b, c.woken, spin)
	c.channel.head, c.channel.published = b.Head, b.Published
	return int(b.Calls)
}

// place tells a Burst where the channel lies.
func (c *Channel) place(b *driver.Burst) {
	b.Ring, b.Fences = uintptr(addressOf(c.ring)), uintptr(c.FenceAddress())
	b.TailWord = uintptr(addressOf(c.memory[window.ChTail:]))
	b.HeadWord = uintptr(addressOf(c.memory[window.ChHead:]))
}
