package image

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
)

// ErrSize: PTX text that says only by computing how much memory it wants.
var ErrSize = errors.New("size of a variable is not a number")

// Description is what counts of an image before a driver loads it.
type Description struct {
	Loaded  uint64            // bytes of device memory as soon as it is loaded: variables, and text that must be compiled
	Kernels map[string]uint64 `json:",omitempty"` // bytes of each kernel's code: the driver loads it when it is used
	Prints  bool              `json:",omitempty"` // it names the device's own vprintf
}

var printer = []byte("vprintf")

// Describe says what an image, as Measure returned it, is for a GPU of compute
// capability arch (90 for 9.0, 0: any). Of a fatbin one entry's memory counts: machine
// code for exactly this GPU, which drivers prefer to all else (CUDA driver API,
// CUjit_fallback), or, without such code, the entry that takes most of those that may
// run. Only what may count is unpacked: reading a fatbin's PTX takes ten times as long
// as reading its machine code. An image that cannot be taken apart fails with ErrImage.
func Describe(b []byte, arch uint32) (Description, error) {
	if len(b) >= 4 {
		switch binary.LittleEndian.Uint32(b) {
		case magicFatbin:
			return describeFatbin(b, arch)
		case magicELF:
			return describeELF(b)
		}
	}
	return describeText(b)
}

func describeText(b []byte) (Description, error) {
	variables, err := ptxVariables(b)
	return Description{Loaded: variables + uint64(len(b)), Prints: bytes.Contains(b, printer)}, err
}

func describeFatbin(b []byte, arch uint32) (Description, error) {
	list, err := Entries(b)
	if err != nil {
		return Description{}, err
	}
	exact := slices.DeleteFunc(slices.Clone(list), func(e Entry) bool { return e.Kind != EntryCubin || e.Arch != arch })
	if most, whole, err := largest(exact); len(exact) > 0 && whole {
		return most, err
	}
	most, _, err := largest(slices.DeleteFunc(list, func(e Entry) bool { return arch != 0 && !e.runsOn(arch) }))
	return most, err
}

// largest is the entry that takes most; it prints if any does. They are not whole if
// one could not be taken apart, of which its claims count.
func largest(list []Entry) (most Description, whole bool, err error) {
	whole, prints := true, false
	for _, e := range list {
		var d Description
		code, err := e.Code()
		switch {
		case err != nil: // what is packed so no driver of today unpacks
		case e.Kind == EntryCubin:
			d, err = describeELF(code)
		case e.Kind == EntryPTX:
			d, err = describeText(code)
		}
		if errors.Is(err, ErrSize) {
			return Description{}, true, err
		}
		if err != nil {
			whole = false
			d.Loaded = max(e.size, uint64(len(e.payload)))
		}
		prints = prints || d.Prints
		if d.total() > most.total() {
			most = d
		}
	}
	most.Prints = prints
	return most, whole, nil
}

func (d Description) total() uint64 {
	sum := d.Loaded
	for _, bytes := range d.Kernels {
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

// describeELF sums up the sections that are loaded.
func describeELF(b []byte) (Description, error) {
	if _, err := elfSize(b); err != nil {
		return Description{}, err
	}
	le := binary.LittleEndian
	d := Description{Kernels: map[string]uint64{}, Prints: bytes.Contains(b, printer)}
	shoff, count := le.Uint64(b[elfSHOff:]), uint64(le.Uint16(b[elfSHNum:]))
	if shoff == 0 {
		d.Loaded = uint64(len(b))
		return d, nil
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
			return Description{}, fmt.Errorf("%w: ELF sections of more than 2^64 bytes", ErrImage)
		}
		if kernel, ok := ofKernel(name); ok {
			d.Kernels[kernel] += length
		} else if !bytes.HasPrefix(name, []byte(sharedSections)) {
			d.Loaded += length
		}
	}
	return d, nil
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
