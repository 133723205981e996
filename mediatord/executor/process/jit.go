package process

import (
	"encoding/binary"

	"libvirt-vgpu/mediatord/executor/driver"
)

// CUjit_option numbers with a meaning here.
const (
	jitWallTime  = 2
	jitInfoSize  = 4
	jitErrorSize = 6
	maxLog       = 4096
	maxLinkerLog = 1 << 20
)

// jitNumber are the options whose value is a number. The others carry pointers
// into the guest process (logs are returned instead) or belong to the linker.
func jitNumber(id uint32) bool {
	switch {
	case id <= 1, id >= 7 && id <= 16, id >= 20 && id <= 24, id >= 29 && id <= 33:
		return true
	}
	return false
}

// decodeJIT reads u32 pairs of option and value. false: an option that cannot
// be carried.
func decodeJIT(pairs []byte) (*driver.JIT, bool) {
	jit, ok := decodeOptions(pairs, maxLog)
	return jit, ok && !jit.WallTime
}

// decodeLinkerJIT is decodeJIT for a linker, whose logs travel in pieces.
func decodeLinkerJIT(pairs []byte) (*driver.JIT, bool) { return decodeOptions(pairs, maxLinkerLog) }

func decodeOptions(pairs []byte, maxLog uint32) (*driver.JIT, bool) {
	jit := &driver.JIT{}
	for ; len(pairs) > 0; pairs = pairs[8:] {
		o := driver.JITOption{ID: binary.LittleEndian.Uint32(pairs), Value: binary.LittleEndian.Uint32(pairs[4:])}
		switch {
		case o.ID == jitWallTime:
			jit.WallTime = true
		case o.ID == jitInfoSize:
			jit.InfoSize = min(o.Value, maxLog)
		case o.ID == jitErrorSize:
			jit.ErrorSize = min(o.Value, maxLog)
		case jitNumber(o.ID):
			jit.Options = append(jit.Options, o)
		default:
			return nil, false
		}
	}
	return jit, true
}
