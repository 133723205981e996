package api

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
)

// The "info" of module_function, library_kernel and kernel_function is, little
// endian and without padding:
//
//	i32 attributes[16]   CUfunction_attribute 0..15, NoAttribute where the GPU's driver answers none
//	u32 parameters       at most MaxParameters
//	u32 bytes            size of the packed parameter buffer: end of the last parameter
//	{ u32 offset, u32 size } per parameter, in order
//
// guest/libcuda reads exactly this.
const (
	FunctionAttributes = 16
	MaxParameters      = 480
	// NoAttribute is no value of any attribute; -1 is one, of the carveout.
	NoAttribute = math.MinInt32
)

// ErrTooManyParameters: a function whose layout does not fit into a reply.
var ErrTooManyParameters = errors.New("too many kernel parameters")

// Parameter is the place of a parameter in the packed buffer, in bytes.
type Parameter struct {
	Offset, Size uint32
}

// FunctionInfo is what a process learns of a function when it looks it up.
type FunctionInfo struct {
	Attributes [FunctionAttributes]int32
	Parameters []Parameter
}

// Bytes is the size of the packed parameter buffer.
func (f *FunctionInfo) Bytes() uint32 {
	var end uint32
	for _, p := range f.Parameters {
		end = max(end, p.Offset+p.Size)
	}
	return end
}

// MarshalBinary encodes the info; it fails with ErrTooManyParameters.
func (f *FunctionInfo) MarshalBinary() ([]byte, error) {
	if len(f.Parameters) > MaxParameters {
		return nil, fmt.Errorf("%w: %d, at most %d", ErrTooManyParameters, len(f.Parameters), MaxParameters)
	}
	out := make([]byte, 0, FunctionAttributes*4+8+len(f.Parameters)*8)
	for _, a := range f.Attributes {
		out = binary.LittleEndian.AppendUint32(out, uint32(a))
	}
	out = binary.LittleEndian.AppendUint32(out, uint32(len(f.Parameters)))
	out = binary.LittleEndian.AppendUint32(out, f.Bytes())
	for _, p := range f.Parameters {
		out = binary.LittleEndian.AppendUint32(out, p.Offset)
		out = binary.LittleEndian.AppendUint32(out, p.Size)
	}
	return out, nil
}

// UnmarshalBinary decodes what MarshalBinary wrote.
func (f *FunctionInfo) UnmarshalBinary(b []byte) error {
	const fixed = FunctionAttributes*4 + 8
	if len(b) < fixed {
		return fmt.Errorf("decoding function info: %d bytes, need %d", len(b), fixed)
	}
	count := binary.LittleEndian.Uint32(b[FunctionAttributes*4:])
	if count > MaxParameters || len(b) != fixed+int(count)*8 {
		return fmt.Errorf("decoding function info: %d bytes for %d parameters", len(b), count)
	}
	for i := range f.Attributes {
		f.Attributes[i] = int32(binary.LittleEndian.Uint32(b[i*4:]))
	}
	f.Parameters = nil
	for at := fixed; at < len(b); at += 8 {
		f.Parameters = append(f.Parameters, Parameter{binary.LittleEndian.Uint32(b[at:]), binary.LittleEndian.Uint32(b[at+4:])})
	}
	return nil
}

// JITLogs encodes the "logs" of module_load and library_load: u32 size of the
// info log, u32 size of the error log, then both texts without NUL. The texts
// are cut so that all fits into a reply of limit bytes.
func JITLogs(info, failure []byte, limit int) []byte {
	room := limit - 8
	failure = failure[:min(len(failure), room)]
	info = info[:min(len(info), room-len(failure))]
	out := make([]byte, 0, 8+len(info)+len(failure))
	out = binary.LittleEndian.AppendUint32(out, uint32(len(info)))
	out = binary.LittleEndian.AppendUint32(out, uint32(len(failure)))
	return append(append(out, info...), failure...)
}
