package image

import (
	"encoding/binary"
	"fmt"

	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"
)

// Places in a fatbin header and in an entry's header.
const (
	fatbinHeaderSize   = 16
	fatbinHeaderLength = 6
	fatbinPayload      = 8

	entryMinimum      = 64
	entryKind         = 0
	entryHeaderLength = 4
	entryPayload      = 8
	entryCompressed   = 16
	entryMinor        = 24
	entryMajor        = 26
	entryArch         = 28
	entryFlags        = 40
	entrySize         = 56

	flagOldCompression = 0x1000
	flagLZ4            = 0x2000
	flagZstd           = 0x8000
)

// Kinds of fatbin entry.
const (
	EntryPTX   = 1
	EntryCubin = 2
)

// MaxEntrySize bounds what one entry may unpack to.
const MaxEntrySize = 256 << 20

// Entry is one piece of code in a fatbin.
type Entry struct {
	Kind         uint16
	Major, Minor uint16 // PTX ISA version
	Arch         uint32 // 90 for sm_90
	flags        uint64
	payload      []byte
	size         uint64 // unpacked
}

func fatbinSize(b []byte) (uint64, error) {
	if len(b) < fatbinHeaderSize {
		return 0, fmt.Errorf("%w: no fatbin header in %d bytes", ErrImage, len(b))
	}
	header := uint64(binary.LittleEndian.Uint16(b[fatbinHeaderLength:]))
	payload := binary.LittleEndian.Uint64(b[fatbinPayload:])
	if header < fatbinHeaderSize || header > uint64(len(b)) || payload > uint64(len(b))-header {
		return 0, fmt.Errorf("%w: fatbin claims %d + %d bytes, %d are there", ErrImage, header, payload, len(b))
	}
	_, err := entries(b[header : header+payload])
	return header + payload, err
}

// Entries lists what a fatbin (as Measure returned it) holds. It fails with
// ErrImage.
func Entries(fatbin []byte) ([]Entry, error) {
	if _, err := fatbinSize(fatbin); err != nil {
		return nil, err
	}
	return entries(fatbin[binary.LittleEndian.Uint16(fatbin[fatbinHeaderLength:]):])
}

func entries(b []byte) ([]Entry, error) {
	le := binary.LittleEndian
	var out []Entry
	for len(b) > 0 {
		if len(b) < entryMinimum {
			return nil, fmt.Errorf("%w: %d bytes behind the last fatbin entry", ErrImage, len(b))
		}
		header, payload := uint64(le.Uint32(b[entryHeaderLength:])), le.Uint64(b[entryPayload:])
		if header < entryMinimum || header > uint64(len(b)) || payload > uint64(len(b))-header {
			return nil, fmt.Errorf("%w: fatbin entry %d claims %d + %d bytes, %d are there", ErrImage, len(out), header, payload, len(b))
		}
		e := Entry{
			Kind: le.Uint16(b[entryKind:]), Minor: le.Uint16(b[entryMinor:]), Major: le.Uint16(b[entryMajor:]),
			Arch: le.Uint32(b[entryArch:]), flags: le.Uint64(b[entryFlags:]),
			payload: b[header : header+payload], size: le.Uint64(b[entrySize:]),
		}
		if compressed := uint64(le.Uint32(b[entryCompressed:])); e.packed() {
			if compressed > payload {
				return nil, fmt.Errorf("%w: fatbin entry %d claims %d compressed bytes in %d", ErrImage, len(out), compressed, payload)
			}
			e.payload = e.payload[:compressed]
		}
		out = append(out, e)
		b = b[header+payload:]
	}
	return out, nil
}

func (e *Entry) packed() bool { return e.flags&(flagOldCompression|flagLZ4|flagZstd) != 0 }

// Code unpacks the entry. It fails with ErrImage.
func (e *Entry) Code() ([]byte, error) {
	if !e.packed() {
		return e.payload, nil
	}
	if e.size == 0 || e.size > MaxEntrySize {
		return nil, fmt.Errorf("%w: fatbin entry unpacks to %d bytes, at most %d", ErrImage, e.size, MaxEntrySize)
	}
	switch {
	case e.flags&flagZstd != 0:
		d, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(MaxEntrySize))
		if err != nil {
			return nil, fmt.Errorf("%w: %w", ErrImage, err)
		}
		defer d.Close()
		out, err := d.DecodeAll(e.payload, make([]byte, 0, e.size))
		if err != nil {
			return nil, fmt.Errorf("%w: unpacking zstd fatbin entry: %w", ErrImage, err)
		}
		return out, nil
	case e.flags&flagLZ4 != 0:
		out := make([]byte, e.size)
		n, err := lz4.UncompressBlock(e.payload, out)
		if err != nil {
			return nil, fmt.Errorf("%w: unpacking lz4 fatbin entry: %w", ErrImage, err)
		}
		return out[:n], nil
	}
	return nil, fmt.Errorf("%w: fatbin entry uses the compression of CUDA before 11", ErrImage)
}
