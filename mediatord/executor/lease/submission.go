package lease

import (
	"encoding/binary"
	"time"

	"libvirt-vgpu/mediatord/executor/wire"
)

// Submission is what a record gives the GPU to do.
type Submission struct {
	// Key is what has the same duration each time: the function with grid and
	// block, or the graph. 0: Length says it.
	Key uint64
	// Length is the time that the amount of data implies.
	Length time.Duration
	Stream uint32 // number
}

// Speeds that durations of copies are guessed from, in bytes per microsecond,
// below what an H200 does, and what the smallest copy takes.
const (
	hostSpeed   = 40_000
	deviceSpeed = 1_200_000
	leastCopy   = 4 * time.Microsecond
)

// places says where in a record's payload things are; ops.table has the order.
type places struct {
	key    int // its length, from the start on
	kind   int // of the u32 that says whether the key's first word is a kernel, 0: there is none
	stream int
	size   int // of a u64, if key is 0
	speed  uint64
}

// opcodes are below this.
const opcodes = 1 << 12

var submissions = [opcodes]places{
	wire.OpLaunch:            {key: 28, stream: 32},
	wire.OpLaunchKernel:      {key: 28, stream: 32},
	wire.OpLaunchEx:          {key: 32, kind: 4, stream: 36},
	wire.OpLaunchAnswered:    {key: 32, kind: 4, stream: 36},
	wire.OpLaunchCooperative: {key: 32, kind: 4, stream: 36},
	wire.OpGraphLaunch:       {key: 4, stream: 4},
	wire.OpCopyHtoD:          {stream: 24, size: 16, speed: hostSpeed},
	wire.OpCopyDtoH:          {stream: 24, size: 16, speed: hostSpeed},
	wire.OpCopyDtoD:          {stream: 24, size: 16, speed: deviceSpeed},
	wire.OpFill:              {stream: 40, size: 24, speed: deviceSpeed},
	wire.OpCopyHtoDInline:    {stream: 8},
	wire.OpCopy3D:            {stream: 200, size: 176, speed: hostSpeed},
	wire.OpCopyArray:         {stream: 200, size: 176, speed: hostSpeed},
}

// longestGuess bounds what a length field, which may be nonsense, is taken for.
const longestGuess = time.Second

// Submits says whether records of an opcode give the GPU work.
func Submits(opcode uint16) bool {
	return opcode < opcodes && submissions[opcode].stream > 0
}

// StreamOf is the number of the stream that a record with Submits names.
func StreamOf(opcode uint16, payload []byte) uint32 {
	at := submissions[opcode].stream
	if len(payload) < at+4 {
		return 0
	}
	return binary.LittleEndian.Uint32(payload[at:])
}

// Parse reads what a record submits. false: nothing, or it is malformed, which
// whoever executes it will notice.
func Parse(opcode uint16, payload []byte) (Submission, bool) {
	if !Submits(opcode) {
		return Submission{}, false
	}
	p := &submissions[opcode]
	if len(payload) < p.stream+4 || len(payload) < p.key {
		return Submission{}, false
	}
	le := binary.LittleEndian
	s := Submission{Stream: le.Uint32(payload[p.stream:])}
	switch {
	case p.kind > 0:
		s.Key = plainKey(payload[:p.key], p.kind)
	case p.key > 0:
		s.Key = hash(opcode, payload[:p.key])
	case p.speed == 0:
		s.Length = leastCopy
	default:
		size := le.Uint64(payload[p.size:])
		switch opcode {
		case wire.OpFill:
			size = product(size, uint64(le.Uint32(payload[20:])), le.Uint64(payload[32:]))
		case wire.OpCopy3D, wire.OpCopyArray:
			size = product(size, le.Uint64(payload[184:]), le.Uint64(payload[192:]))
		}
		s.Length = guess(size, p.speed)
	}
	return s, true
}

// guess is how long copying so many bytes takes.
func guess(size, speed uint64) time.Duration {
	return min(leastCopy+time.Duration(min(size/speed, uint64(longestGuess/time.Microsecond)))*time.Microsecond, longestGuess)
}

// HostCopy is a copy of so many bytes between device and host memory.
func HostCopy(size uint64, stream uint32) Submission {
	return Submission{Length: guess(size, hostSpeed), Stream: stream}
}

// plainKey is the key that a plain launch of the same grid and block has: a
// function's first launch is another record than those that follow.
func plainKey(key []byte, kind int) uint64 {
	opcode := uint16(wire.OpLaunch)
	if binary.LittleEndian.Uint32(key[kind:]) != 0 {
		opcode = wire.OpLaunchKernel
	}
	var plain [28]byte
	copy(plain[copy(plain[:], key[:kind]):], key[kind+4:])
	return hash(opcode, plain[:])
}

// product is a*b*c, or more than any copy has.
func product(a, b, c uint64) uint64 {
	const limit = 1 << 40
	if a > limit || b > limit || c > limit || b != 0 && a > limit/b || c != 0 && a*b > limit/c {
		return limit
	}
	return a * b * c
}

// hash is FNV-1a, never 0.
func hash(opcode uint16, b []byte) uint64 {
	h := uint64(14695981039346656037) ^ uint64(opcode)
	for ; len(b) >= 4; b = b[4:] {
		h = (h ^ uint64(binary.LittleEndian.Uint32(b))) * 1099511628211
	}
	return h | 1
}
