package channel

import (
	"encoding/binary"
	"fmt"

	"libvirt-vgpu/mediatord/executor/wire"
	"libvirt-vgpu/plugin/window"
)

// Record is one command. Payload is a private copy, valid until the next Next.
type Record struct {
	Opcode  uint16
	Call    wire.Call
	Payload []byte
	lines   uint64
}

// HasReply says that the guest process waits for a reply.
func (r *Record) HasReply() bool { return r.Call.Reply != window.NoReply }

// Next copies the record at the head out of the ring. false: none is committed
// yet. It fails with ErrRecord.
func (c *Channel) Next(r *Record) (bool, error) {
	at := c.head % window.RingSize
	size := uint64(c.ringWord(at).Load())
	if size == 0 {
		return false, nil
	}
	if size < window.RecPayload || size > window.RecMax {
		return false, fmt.Errorf("%w: size is %d, allowed are %d to %d", ErrRecord, size, window.RecPayload, window.RecMax)
	}
	r.lines = (size + window.Line - 1) / window.Line
	if reserved := c.reserved - c.head; reserved < r.lines*window.Line || reserved > window.RingSize {
		c.reserved = c.tail.Load()
	}
	if reserved := c.reserved - c.head; reserved < r.lines*window.Line || reserved > window.RingSize {
		return false, fmt.Errorf("%w: %d bytes committed, %d reserved", ErrRecord, size, reserved)
	}
	// The next record comes from another processor while this one is executed.
	c.fetch((at + r.lines*window.Line) % window.RingSize)
	b := c.buffer[:size]
	copy(b, c.ring[at:at+size])
	le := binary.LittleEndian
	r.Opcode = le.Uint16(b[window.RecOpcode:])
	r.Call = wire.Call{
		Thread:   le.Uint32(b[window.RecThread:]),
		Context:  le.Uint32(b[window.RecCtx:]),
		Reply:    le.Uint16(b[window.RecReply:]),
		Sequence: le.Uint32(b[window.RecSeq:]),
	}
	r.Payload = b[window.RecPayload:]
	name := wire.Name(r.Opcode)
	switch {
	case name == "":
		return false, fmt.Errorf("%w: unknown opcode %#04x", ErrRecord, r.Opcode)
	case le.Uint32(b[window.RecReserved:]) != 0:
		return false, fmt.Errorf("%w: %s: reserved word is %#x, must be 0", ErrRecord, name, le.Uint32(b[window.RecReserved:]))
	case wire.Replied(r.Opcode) && r.Call.Reply >= window.ReplyCount:
		return false, fmt.Errorf("%w: %s needs a reply slot, %d is none", ErrRecord, name, r.Call.Reply)
	case !wire.Replied(r.Opcode) && r.HasReply():
		return false, fmt.Errorf("%w: %s has reply slot %d, but is posted", ErrRecord, name, r.Call.Reply)
	}
	return true, nil
}

// publishEvery is how many bytes of a full ring are given back together: a word
// that both sides write and read with every record would cost more than the rest.
const publishEvery = 16 << 10

// Advance gives the lines of the record back to the producers, at once if no
// other record is there.
func (c *Channel) Advance(r *Record) {
	c.clear(c.head%window.RingSize, r.lines)
	c.head += r.lines * window.Line
	if c.head-c.published >= publishEvery || c.ringWord(c.head%window.RingSize).Load() == 0 {
		c.publish()
	}
}

// publish tells the producers what they have got back.
func (c *Channel) publish() {
	if c.published != c.head {
		c.published = c.head
		c.headWord.Store(c.head)
	}
}
