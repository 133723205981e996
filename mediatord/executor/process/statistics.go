package process

import (
	"encoding/binary"

	"libvirt-vgpu/mediatord/executor/channel"
	"libvirt-vgpu/mediatord/executor/driver"
	"libvirt-vgpu/mediatord/executor/wire"
	"libvirt-vgpu/plugin/window"
)

// publishEvery is after how many records mediatord sees what was counted; it
// sees it too before the consumer sleeps.
const publishEvery = 64

// statistics counts what the process asked for and the driver took; work that a
// capture records counts as if it ran. Only the consumer's thread has it.
type statistics struct {
	window.Statistics
	account *window.Account
	number  int // of the channel
}

// count counts one record that was well-formed.
func (s *statistics) count(r *channel.Record, result driver.Result) {
	s.Calls++
	if r.HasReply() {
		s.Waits++
	}
	if result == driver.Success {
		s.work(r.Opcode, r.Payload)
	}
	if s.Calls%publishEvery == 0 {
		s.publish()
	}
}

// burst counts the records of a burst.
func (s *statistics) burst(b *driver.Burst) {
	before := s.Calls / publishEvery
	s.Calls += uint64(b.Calls)
	s.Launches += uint64(b.Launches)
	s.BytesIn += b.BytesIn
	s.BytesOut += b.BytesOut
	if s.Calls/publishEvery != before {
		s.publish()
	}
}

func (s *statistics) publish() { s.account.SetStatistics(s.number, s.Statistics) }

// work counts what a record made the GPU do. Places in payloads are those of ops.table.
func (s *statistics) work(opcode uint16, payload []byte) {
	le := binary.LittleEndian
	switch opcode {
	case wire.OpLaunch, wire.OpLaunchKernel, wire.OpLaunchEx, wire.OpLaunchAnswered, wire.OpLaunchCooperative:
		s.Launches++
	case wire.OpGraphLaunch:
		s.GraphLaunches++
	case wire.OpCopyHtoD:
		s.BytesIn += le.Uint64(payload[16:])
	case wire.OpCopyHtoDInline:
		s.BytesIn += uint64(len(payload)) - inlineHeader
	case wire.OpCopyDtoH:
		s.BytesOut += le.Uint64(payload[16:])
	case wire.OpCopyDtoD:
		s.BytesWithin += le.Uint64(payload[16:])
	case wire.OpFill:
		s.BytesWithin += uint64(le.Uint32(payload[20:])) * le.Uint64(payload[24:]) * le.Uint64(payload[32:])
	case wire.OpCopy3D, wire.OpCopyArray:
		s.box(payload)
	}
}

// inlineHeader is what comes before the bytes of copy_htod_inline.
const inlineHeader = 16

// box counts a CUDA_MEMCPY3D.
func (s *statistics) box(b []byte) {
	le := binary.LittleEndian
	bytes := le.Uint64(b[176:]) * le.Uint64(b[184:]) * le.Uint64(b[192:])
	switch from, to := le.Uint32(b[32:]), le.Uint32(b[88+32:]); {
	case from == driver.MemoryHost && to != driver.MemoryHost:
		s.BytesIn += bytes
	case from != driver.MemoryHost && to == driver.MemoryHost:
		s.BytesOut += bytes
	case from != driver.MemoryHost:
		s.BytesWithin += bytes
	}
}
