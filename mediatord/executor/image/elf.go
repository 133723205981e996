package image

import (
	"encoding/binary"
	"fmt"
)

// Places in an ELF64 file.
const (
	elfHeaderSize  = 64
	elfClass       = 4
	elfClass64     = 2
	elfPHOff       = 32
	elfSHOff       = 40
	elfPHEntSize   = 54
	elfPHNum       = 56
	elfSHEntSize   = 58
	elfSHNum       = 60
	sectionSize    = 64
	sectionType    = 4
	sectionOffset  = 24
	sectionLength  = 32
	sectionNoBits  = 8
	segmentSize    = 56
	segmentOffset  = 8
	segmentFileLen = 32
)

// elfSize is the end of the last thing that an ELF64 file holds.
func elfSize(b []byte) (uint64, error) {
	le := binary.LittleEndian
	if len(b) < elfHeaderSize || b[elfClass] != elfClass64 {
		return 0, fmt.Errorf("%w: no 64-bit ELF header in %d bytes", ErrImage, len(b))
	}
	size := uint64(elfHeaderSize)
	reach := func(what string, offset, length uint64) error {
		if offset > uint64(len(b)) || length > uint64(len(b))-offset {
			return fmt.Errorf("%w: %s of the ELF file ends beyond its %d bytes", ErrImage, what, len(b))
		}
		size = max(size, offset+length)
		return nil
	}
	shoff, shnum, shent := le.Uint64(b[elfSHOff:]), uint64(le.Uint16(b[elfSHNum:])), uint64(le.Uint16(b[elfSHEntSize:]))
	if shoff != 0 {
		if shent != sectionSize {
			return 0, fmt.Errorf("%w: ELF section headers of %d bytes", ErrImage, shent)
		}
		if shnum == 0 { // more than fit into 16 bits: section 0 has the count
			if err := reach("first section header", shoff, sectionSize); err != nil {
				return 0, err
			}
			shnum = le.Uint64(b[shoff+sectionLength:])
			if shnum > uint64(len(b))/sectionSize {
				return 0, fmt.Errorf("%w: %d ELF sections in %d bytes", ErrImage, shnum, len(b))
			}
		}
		if err := reach("section header table", shoff, shnum*sectionSize); err != nil {
			return 0, err
		}
		for i := range shnum {
			h := b[shoff+i*sectionSize:]
			if le.Uint32(h[sectionType:]) == sectionNoBits || i == 0 {
				continue
			}
			if err := reach(fmt.Sprintf("section %d", i), le.Uint64(h[sectionOffset:]), le.Uint64(h[sectionLength:])); err != nil {
				return 0, err
			}
		}
	}
	phoff, phnum, phent := le.Uint64(b[elfPHOff:]), uint64(le.Uint16(b[elfPHNum:])), uint64(le.Uint16(b[elfPHEntSize:]))
	if phoff == 0 || phnum == 0 {
		return size, nil
	}
	if phent != segmentSize {
		return 0, fmt.Errorf("%w: ELF program headers of %d bytes", ErrImage, phent)
	}
	if err := reach("program header table", phoff, phnum*segmentSize); err != nil {
		return 0, err
	}
	for i := range phnum {
		h := b[phoff+i*segmentSize:]
		if err := reach(fmt.Sprintf("segment %d", i), le.Uint64(h[segmentOffset:]), le.Uint64(h[segmentFileLen:])); err != nil {
			return 0, err
		}
	}
	return size, nil
}
