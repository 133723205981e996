// Package image measures and takes apart device code images: fatbins, cubins
// (ELF) and PTX text. An image comes from a guest process, so every length in it
// is checked against the bytes that are there.
package image

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
)

// ErrImage: bytes that are no image, or one that claims more than its bytes.
var ErrImage = errors.New("invalid device code image")

// Kind of an image.
type Kind int

// Kinds of image.
const (
	PTX Kind = iota
	Cubin
	Fatbin
)

// String is what a log line says.
func (k Kind) String() string { return [...]string{"ptx", "cubin", "fatbin"}[k] }

const (
	magicWrapper = 0x466243b1
	magicFatbin  = 0xba55ed50
	magicELF     = 0x464c457f
	magicArchive = "!<arch>\n"
)

// Measure says what b holds and returns exactly the image's bytes. PTX text is
// returned with its NUL, which is added when missing. It fails with ErrImage.
func Measure(b []byte) (Kind, []byte, error) {
	if len(b) >= 4 {
		switch binary.LittleEndian.Uint32(b) {
		case magicWrapper:
			return 0, nil, fmt.Errorf("%w: a fatbin wrapper holds pointers; the fatbin that it points at is wanted", ErrImage)
		case magicFatbin:
			size, err := fatbinSize(b)
			if err != nil {
				return 0, nil, err
			}
			return Fatbin, b[:size], nil
		case magicELF:
			size, err := elfSize(b)
			if err != nil {
				return 0, nil, err
			}
			return Cubin, b[:size], nil
		}
	}
	if bytes.HasPrefix(b, []byte(magicArchive)) {
		return 0, nil, fmt.Errorf("%w: an archive needs a linker", ErrImage)
	}
	// Text of another sort is CUDA_ERROR_INVALID_IMAGE too, not a PTX error (measured, driver 580).
	if !bytes.Contains(b, []byte(".version")) {
		return 0, nil, fmt.Errorf("%w: neither fatbin nor ELF nor PTX text", ErrImage)
	}
	if end := bytes.IndexByte(b, 0); end >= 0 {
		return PTX, b[:end+1], nil
	}
	return PTX, append(b[:len(b):len(b)], 0), nil
}
