package image

import (
	"bytes"
	"encoding/binary"
	"errors"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"
)

// entry is a fatbin entry for tests.
func entry(kind uint16, arch, isa uint32, flags uint64, payload []byte, compressed, size int) []byte {
	padded := append(bytes.Clone(payload), make([]byte, -len(payload)&7)...)
	h := make([]byte, 64)
	le := binary.LittleEndian
	le.PutUint16(h[entryKind:], kind)
	le.PutUint16(h[2:], 0x101)
	le.PutUint32(h[entryHeaderLength:], 64)
	le.PutUint64(h[entryPayload:], uint64(len(padded)))
	le.PutUint32(h[entryCompressed:], uint32(compressed))
	le.PutUint16(h[entryMajor:], uint16(isa/10))
	le.PutUint16(h[entryMinor:], uint16(isa%10))
	le.PutUint32(h[entryArch:], arch)
	le.PutUint64(h[entryFlags:], flags)
	le.PutUint64(h[entrySize:], uint64(size))
	return append(h, padded...)
}

func fatbin(entries ...[]byte) []byte {
	body := bytes.Join(entries, nil)
	h := make([]byte, fatbinHeaderSize)
	le := binary.LittleEndian
	le.PutUint32(h, magicFatbin)
	le.PutUint16(h[4:], 1)
	le.PutUint16(h[fatbinHeaderLength:], fatbinHeaderSize)
	le.PutUint64(h[fatbinPayload:], uint64(len(body)))
	return append(h, body...)
}

// elf is a file with a section table behind 32 bytes of content.
func elf() []byte {
	const content, tableAt = 32, elfHeaderSize + 32
	b := make([]byte, tableAt+2*sectionSize)
	le := binary.LittleEndian
	copy(b, "\x7fELF\x02\x01\x01")
	le.PutUint64(b[elfSHOff:], tableAt)
	le.PutUint16(b[elfSHEntSize:], sectionSize)
	le.PutUint16(b[elfSHNum:], 2)
	section := b[tableAt+sectionSize:]
	le.PutUint32(section[sectionType:], 1)
	le.PutUint64(section[sectionOffset:], elfHeaderSize)
	le.PutUint64(section[sectionLength:], content)
	return b
}

func TestMeasure(t *testing.T) {
	fat := fatbin(entry(EntryPTX, 70, 70, 0x11, []byte(".version 7.0"), 0, 0))
	for name, tc := range map[string]struct {
		in   []byte
		kind Kind
		want []byte
	}{
		"fatbin":               {fat, Fatbin, fat},
		"fatbin and more":      {append(bytes.Clone(fat), "junk"...), Fatbin, fat},
		"empty fatbin":         {fatbin(), Fatbin, fatbin()},
		"cubin":                {elf(), Cubin, elf()},
		"cubin and more":       {append(elf(), "junk"...), Cubin, elf()},
		"text":                 {[]byte("//\n.version\x00"), PTX, []byte("//\n.version\x00")},
		"text without its NUL": {[]byte(".version"), PTX, []byte(".version\x00")},
		"text and more":        {[]byte(".version\x00more"), PTX, []byte(".version\x00")},
	} {
		kind, got, err := Measure(tc.in)
		if err != nil || kind != tc.kind || !bytes.Equal(got, tc.want) {
			t.Errorf("%s: %v, %d bytes, %v", name, kind, len(got), err)
		}
	}
}

func change(b []byte, at int, to ...byte) []byte {
	b = bytes.Clone(b)
	copy(b[at:], to)
	return b
}

func TestMeasureRefusesLyingLengths(t *testing.T) {
	fat := fatbin(entry(EntryPTX, 70, 70, 0x11, []byte("text"), 0, 0))
	packed := fatbin(entry(EntryPTX, 70, 70, flagZstd, []byte("packed!!"), 9, 100))
	ff := bytes.Repeat([]byte{0xff}, 8)
	for name, in := range map[string][]byte{
		"nothing":                      {},
		"only a NUL":                   {0},
		"text that is no PTX":          []byte("hello\x00"),
		"wrapper":                      {0xb1, 0x43, 0x62, 0x46, 1, 0, 0, 0},
		"archive":                      []byte("!<arch>\nfoo"),
		"cut fatbin":                   fat[:len(fat)-1],
		"cut fatbin header":            fat[:12],
		"fatbin of 2^64 bytes":         change(fat, fatbinPayload, ff...),
		"fatbin header of 65535":       change(fat, fatbinHeaderLength, 0xff, 0xff),
		"fatbin header of 0":           change(fat, fatbinHeaderLength, 0, 0),
		"entry of 2^64 bytes":          change(fat, fatbinHeaderSize+entryPayload, ff...),
		"entry header of 2^32":         change(fat, fatbinHeaderSize+entryHeaderLength, ff[:4]...),
		"entry header of 0":            change(fat, fatbinHeaderSize+entryHeaderLength, 0, 0, 0, 0),
		"entry packs more than it has": packed,
		"entry shorter than a header":  change(append(bytes.Clone(fat), make([]byte, 8)...), fatbinPayload, byte(len(fat)-fatbinHeaderSize+8)),
		"32-bit ELF":                   change(elf(), elfClass, 1),
		"cut ELF":                      elf()[:len(elf())-1],
		"cut ELF header":               elf()[:40],
		"sections far away":            change(elf(), elfSHOff, ff...),
		"65535 sections":               change(elf(), elfSHNum, 0xff, 0xff),
		"odd section headers":          change(elf(), elfSHEntSize, 1),
		"section of 2^64":              change(elf(), elfHeaderSize+32+sectionSize+sectionLength, ff...),
		"section at 2^64":              change(elf(), elfHeaderSize+32+sectionSize+sectionOffset, ff...),
		"segments far away":            change(change(elf(), elfPHOff, ff...), elfPHEntSize, 56, 0, 1, 0),
		"odd segment headers":          change(elf(), elfPHOff, 64, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 1),
	} {
		if kind, got, err := Measure(in); !errors.Is(err, ErrImage) {
			t.Errorf("%s: measured as %v of %d bytes, %v", name, kind, len(got), err)
		}
	}
}

func TestMeasureManySections(t *testing.T) {
	b := elf()
	at := binary.LittleEndian.Uint64(b[elfSHOff:])
	binary.LittleEndian.PutUint16(b[elfSHNum:], 0)
	binary.LittleEndian.PutUint64(b[at+sectionLength:], 2)
	if _, got, err := Measure(b); err != nil || len(got) != len(b) {
		t.Errorf("%d of %d bytes, %v", len(got), len(b), err)
	}
	binary.LittleEndian.PutUint64(b[at+sectionLength:], 1<<60)
	if _, _, err := Measure(b); !errors.Is(err, ErrImage) {
		t.Errorf("2^60 sections: %v", err)
	}
}

func TestEntriesUnpack(t *testing.T) {
	text := []byte(strings.Repeat(".visible .entry nothing() { ret; }\n", 50))
	w, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	z := w.EncodeAll(text, nil)
	l := make([]byte, lz4.CompressBlockBound(len(text)))
	n, err := lz4.CompressBlock(text, l, nil)
	if err != nil || n == 0 {
		t.Fatal(n, err)
	}
	l = l[:n]
	list, err := Entries(fatbin(
		entry(EntryPTX, 50, 64, 0x11, text, 0, 0),
		entry(EntryPTX, 80, 82, flagZstd, z, len(z), len(text)),
		entry(EntryPTX, 75, 75, flagLZ4, l, len(l), len(text)),
		entry(EntryCubin, 90, 17, 0x11, []byte("machine code"), 0, 0),
		entry(EntryPTX, 60, 60, flagOldCompression, []byte("12345678"), 8, 100),
		entry(EntryPTX, 60, 60, flagZstd, []byte("12345678"), 8, 100),
		entry(EntryPTX, 60, 60, flagLZ4, []byte("\xf0\xff\xff\xff\xff\xff\xff\xff"), 8, 100),
		entry(EntryPTX, 60, 60, flagLZ4, l, len(l), MaxEntrySize+1),
	))
	if err != nil || len(list) != 8 {
		t.Fatalf("%d entries, %v", len(list), err)
	}
	for i, e := range list[:3] {
		got, err := e.Code()
		if err != nil || !bytes.HasPrefix(got, text) || len(got) > len(text)+8 {
			t.Errorf("entry %d: %d bytes, %v", i, len(got), err)
		}
	}
	if e := list[1]; e.Kind != EntryPTX || e.Arch != 80 || e.Major != 8 || e.Minor != 2 {
		t.Errorf("entry is %+v", e)
	}
	for i, e := range list[4:] {
		if _, err := e.Code(); !errors.Is(err, ErrImage) {
			t.Errorf("bad entry %d: %v", i, err)
		}
	}
}

func FuzzMeasure(f *testing.F) {
	f.Add(fatbin(entry(EntryPTX, 70, 70, flagZstd, []byte("12345678"), 8, 100)))
	f.Add(elf())
	f.Add([]byte(".version 7.0\x00"))
	f.Fuzz(func(t *testing.T, b []byte) {
		kind, got, err := Measure(b)
		if err != nil {
			if !errors.Is(err, ErrImage) {
				t.Errorf("foreign error %v", err)
			}
			return
		}
		if kind == PTX && got[len(got)-1] != 0 || kind != PTX && len(got) > len(b) {
			t.Errorf("%v of %d bytes out of %d", kind, len(got), len(b))
		}
		if kind == Fatbin {
			if _, err := Entries(got); err != nil {
				t.Errorf("measured, but: %v", err)
			}
		}
	})
}
