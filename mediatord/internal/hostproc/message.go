// Package hostproc serves guest processes that are processes of this host: it
// plays the guest kernel's part over the same tables, behind the socket of
// guest/include/vgpu_socket.h.
//
// Lock order: Server.mu is the only lock. It guards the guest's half of the
// control and chunk tables and is never held during I/O or a wait.
package hostproc

import (
	"encoding/binary"
	"errors"
)

// The protocol, as in vgpu_socket.h without the VGPU_SOCKET_ prefix.
const (
	Magic uint32 = 0x56475055

	TypeOpen  uint32 = 1
	TypeStart uint32 = 2
	TypeAlloc uint32 = 3
	TypeFree  uint32 = 4
	TypeHold  uint32 = 5
	TypeLook  uint32 = 6 // has no reply

	MessageSize = 40
)

// Message is struct vgpu_socket_message.
type Message struct {
	Type          uint32
	Error         int32 // reply: 0 or an errno
	LayoutVersion uint32
	Channel       uint32
	Count         uint32
	Offset        uint64 // bytes from the start of the arena
	Number        uint64 // of the request; the reply has it too
}

var errMessage = errors.New("invalid message")

// Encode returns the message as it goes over the socket.
func (m Message) Encode() []byte {
	out := make([]byte, 0, MessageSize)
	for _, word := range []uint32{Magic, m.Type, uint32(m.Error), m.LayoutVersion, m.Channel, m.Count} {
		out = binary.LittleEndian.AppendUint32(out, word)
	}
	return binary.LittleEndian.AppendUint64(binary.LittleEndian.AppendUint64(out, m.Offset), m.Number)
}

// Decode reads a message; anything but MessageSize bytes with the magic is an
// error.
func Decode(data []byte) (Message, error) {
	if len(data) != MessageSize || binary.LittleEndian.Uint32(data) != Magic {
		return Message{}, errMessage
	}
	word := func(at int) uint32 { return binary.LittleEndian.Uint32(data[at:]) }
	return Message{
		Type: word(4), Error: int32(word(8)), LayoutVersion: word(12),
		Channel: word(16), Count: word(20), Offset: binary.LittleEndian.Uint64(data[24:]),
		Number: binary.LittleEndian.Uint64(data[32:]),
	}, nil
}
