package image

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
)

// ErrSize: PTX text that says only by computing how much memory it wants.
var ErrSize = errors.New("size of a variable is not a number")

// Footprint is the device memory that an image takes.
type Footprint struct {
	Loaded  uint64            // bytes, as soon as it is loaded: variables, and text that must be compiled
	Kernels map[string]uint64 // bytes of each kernel's code: the driver loads it when it is used
}

// Measurement is what an image, as Measure returned it, takes on a GPU of compute
// capability arch (90 for 9.0, 0: any). Of a fatbin only the one entry counts that a
// driver would choose, or the largest. An image that cannot be taken apart fails with
// ErrImage.
func Measurement(b []byte, arch uint32) (Footprint, error) {
	if len(b) >= 4 {
		switch binary.LittleEndian.Uint32(b) {
		case magicFatbin:
			return measureFatbin(b, arch)
		case magicELF:
			return measureELF(b)
		}
	}
	return measureText(b)
}

func measureText(b []byte) (Footprint, error) {
	variables, err := ptxVariables(b)
	return Footprint{Loaded: variables + uint64(len(b))}, err
}

func measureFatbin(b []byte, arch uint32) (Footprint, error) {
	list, err := Entries(b)
	if err != nil {
		return Footprint{}, err
	}
	var most Footprint
	for _, e := range list {
		if arch != 0 && !e.runsOn(arch) {
			continue
		}
		var f Footprint
		code, err := e.Code()
		switch {
		case err != nil: // what is packed so no driver of today unpacks
			f.Loaded = max(e.size, uint64(len(e.payload)))
		case e.Kind == EntryCubin:
			f, err = measureELF(code)
		case e.Kind == EntryPTX:
			f, err = measureText(code)
		}
		if errors.Is(err, ErrSize) {
			return Footprint{}, err
		}
		if f.total() > most.total() {
			most = f
		}
	}
	return most, nil
}

func (f Footprint) total() uint64 {
	sum := f.Loaded
	for _, bytes := range f.Kernels {
		sum += bytes
	}
	return sum
}

// runsOn says whether a GPU may run the entry: code of its own generation that is
// no newer, or text for it or an older one.
func (e *Entry) runsOn(arch uint32) bool {
	return e.Arch <= arch && (e.Kind != EntryCubin || e.Arch/10 == arch/10)
}

// Places in an ELF64 section header, and its flags.
const (
	sectionName   = 0
	sectionFlags  = 8
	flagAllocated = 2
	elfNames      = 62 // in the file's header: the section with the names
)

// Beginnings of names of sections: code, and constants, of one kernel; shared memory,
// which lies in the multiprocessors.
const (
	textSections     = ".text."
	constantSections = ".nv.constant"
	sharedSections   = ".nv.shared"
)

// measureELF sums up the sections that are loaded.
func measureELF(b []byte) (Footprint, error) {
	if _, err := elfSize(b); err != nil {
		return Footprint{}, err
	}
	le := binary.LittleEndian
	f := Footprint{Kernels: map[string]uint64{}}
	shoff, count := le.Uint64(b[elfSHOff:]), uint64(le.Uint16(b[elfSHNum:]))
	if shoff == 0 {
		f.Loaded = uint64(len(b))
		return f, nil
	}
	if count == 0 {
		count = le.Uint64(b[shoff+sectionLength:])
	}
	header := func(i uint64) []byte { return b[shoff+i*sectionSize:] }
	var names []byte
	if i := uint64(le.Uint16(b[elfNames:])); i < count && le.Uint32(header(i)[sectionType:]) != sectionNoBits {
		offset, length := le.Uint64(header(i)[sectionOffset:]), le.Uint64(header(i)[sectionLength:])
		if i > 0 {
			names = b[offset : offset+length] // elfSize has looked
		}
	}
	var sum uint64
	for i := range count {
		h := header(i)
		if le.Uint64(h[sectionFlags:])&flagAllocated == 0 {
			continue
		}
		var name []byte
		if at := uint64(le.Uint32(h[sectionName:])); at < uint64(len(names)) {
			name, _, _ = bytes.Cut(names[at:], []byte{0})
		}
		length := le.Uint64(h[sectionLength:])
		if sum += length; sum < length {
			return Footprint{}, fmt.Errorf("%w: ELF sections of more than 2^64 bytes", ErrImage)
		}
		if kernel, ok := ofKernel(name); ok {
			f.Kernels[kernel] += length
		} else if !bytes.HasPrefix(name, []byte(sharedSections)) {
			f.Loaded += length
		}
	}
	return f, nil
}

// ofKernel says which kernel's a section is, if it is one's.
func ofKernel(section []byte) (string, bool) {
	if kernel, ok := bytes.CutPrefix(section, []byte(textSections)); ok {
		return string(kernel), true
	}
	if rest, ok := bytes.CutPrefix(section, []byte(constantSections)); ok {
		_, kernel, ok := bytes.Cut(rest, []byte{'.'})
		return string(kernel), ok
	}
	return "", false
}
