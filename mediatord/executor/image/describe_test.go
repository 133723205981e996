package image

import (
	"encoding/binary"
	"errors"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"
)

func TestVariablesOfText(t *testing.T) {
	for _, tc := range []struct {
		text string
		want uint64
	}{
		{".version 7.0\n.target sm_70\n", 0},
		{".visible .global .align 4 .u32 counter;", 4},
		{".global .align 16 .b8 buffer[1048576];", 1 << 20},
		{".global .f64 grid[0x10][8];", 16 * 8 * 8},
		{".global .v4 .f32 four[10];", 160},
		{".global .f16x2 halves[3];", 12},
		{".global .u64 a, b[3], c = 5;", 8 + 24 + 8},
		{".global .align 8 .u64 table[2] = {first, second};", 16},
		{".global .s32 sized[] = {1, 2, 3};", 4}, // the rest is in the text
		{".const .align 4 .b8 lookup[256] = {1, 2}; .weak .global .u8 flag;", 257},
		{".extern .global .attribute(.managed) .align 4 .b8 x[8];", 8},
		{".global .texref image;", 8},
		{"/* .global .u8 no[9]; */ // .global .u8 no[9];\n.global .u8 yes[9];", 9},
		{".file 1 \"/*\"\n.global .u8 yes[9]; .file 2 \"*/\"", 9},
		{".global\n.u8\t/**/ far [ 7 ] ;", 7},
		{".visible .entry k(.param .u64 .ptr .global .align 1 p)\n{ .shared .b8 tile[4096]; .local .b8 depot[64]; ld.global.u32 %r1, [p]; cvta.to.global.u64 %rd1, %rd2; }", 0},
	} {
		if got, err := ptxVariables([]byte(tc.text)); err != nil || got != tc.want {
			t.Errorf("%s: %d, %v, want %d", tc.text, got, err, tc.want)
		}
	}
	for _, text := range []string{".global .u8 a[4*1024];", ".global .u8 a[N];", ".global .u64 a[0xffffffffffffffff][16];", ".global .u8 a[4"} {
		if got, err := ptxVariables([]byte(text)); !errors.Is(err, ErrSize) {
			t.Errorf("%s: %d, %v", text, got, err)
		}
	}
	if got, err := ptxVariables([]byte(".global .u64 a[0x2000000000000000];")); err != nil || got < 1<<62 {
		t.Errorf("more than fits: %d, %v", got, err)
	}
}

// elfOf is a file with sections of these names, lengths and flags; none has content.
func elfOf(sections ...section) []byte {
	names := "\x00.shstrtab\x00"
	for _, s := range sections {
		names += s.name + "\x00"
	}
	b := make([]byte, elfHeaderSize)
	le := binary.LittleEndian
	copy(b, "\x7fELF\x02\x01\x01")
	b = append(b, names...)
	le.PutUint64(b[elfSHOff:], uint64(len(b)))
	le.PutUint16(b[elfSHEntSize:], sectionSize)
	le.PutUint16(b[elfSHNum:], uint16(len(sections)+2))
	le.PutUint16(b[elfNames:], 1)
	add := func(name string, kind uint32, flags, offset, length uint64) {
		h := make([]byte, sectionSize)
		le.PutUint32(h[sectionName:], uint32(strings.Index(names, name)))
		le.PutUint32(h[sectionType:], kind)
		le.PutUint64(h[sectionFlags:], flags)
		le.PutUint64(h[sectionOffset:], offset)
		le.PutUint64(h[sectionLength:], length)
		b = append(b, h...)
	}
	add("\x00", 0, 0, 0, 0)
	add(".shstrtab", 3, 0, elfHeaderSize, uint64(len(names)))
	for _, s := range sections {
		add(s.name, sectionNoBits, s.flags, 0, s.length)
	}
	return b
}

type section struct {
	name          string
	flags, length uint64
}

func TestDescribe(t *testing.T) {
	cubin := func(length uint64) []byte {
		return elfOf(section{".text.k", 6, 1000}, section{".nv.constant0.k", 2, 500}, section{".nv.constant3", 2, 24}, section{".nv.global", 3, length}, section{".nv.shared.k", 3, 48 << 10}, section{".debug", 0, 1 << 30})
	}
	text := ".version 7.0\n.global .u8 buffer[5000000];\x00"
	z, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	packed := z.EncodeAll(cubin(3<<20), nil)
	whole := len(cubin(3 << 20))
	for _, tc := range []struct {
		name  string
		image []byte
		arch  uint32
		want  uint64 // loaded
	}{
		{"text", []byte(text), 90, 5000000 + uint64(len(text))},
		{"cubin", cubin(1 << 20), 90, 24 + 1<<20},
		{"code for this GPU among others", fatbin(
			entry(EntryCubin, 80, 0, 0x11, cubin(1<<30), 0, 0), entry(EntryCubin, 90, 0, 0x11, cubin(1<<20), 0, 0), entry(EntryCubin, 100, 0, 0x11, cubin(1<<31), 0, 0)), 90, 24 + 1<<20},
		{"any GPU", fatbin(entry(EntryCubin, 80, 0, 0x11, cubin(1<<30), 0, 0), entry(EntryCubin, 90, 0, 0x11, cubin(1<<20), 0, 0)), 0, 24 + 1<<30},
		{"text for an older GPU", fatbin(entry(EntryPTX, 70, 70, 0x11, []byte(text), 0, 0)), 90, 5000000 + uint64(len(text)+7)&^7},
		{"text beside code for this GPU", fatbin(entry(EntryPTX, 70, 70, 0x11, []byte(text), 0, 0), entry(EntryCubin, 90, 0, 0x11, cubin(1<<20), 0, 0)), 90, 24 + 1<<20},
		{"text beside code that cannot be taken apart", fatbin(entry(EntryPTX, 70, 70, 0x11, []byte(text), 0, 0), entry(EntryCubin, 90, 0, 0x11, []byte("12345678"), 0, 0)), 90, 5000000 + uint64(len(text)+7)&^7},
		{"packed code", fatbin(entry(EntryCubin, 90, 0, 0x11|flagZstd, packed, len(packed), whole)), 90, 24 + 3<<20},
		{"packed by nobody we know", fatbin(entry(EntryCubin, 90, 0, 0x11|flagOldCompression, []byte("12345678"), 8, 999)), 90, 999},
		{"nothing for this GPU", fatbin(entry(EntryCubin, 80, 0, 0x11, cubin(1<<30), 0, 0)), 90, 0},
	} {
		got, err := Describe(tc.image, tc.arch)
		if err != nil || got.Loaded != tc.want {
			t.Errorf("%s: %d, %v, want %d", tc.name, got.Loaded, err, tc.want)
		}
		if len(got.Kernels) > 0 && (len(got.Kernels) != 1 || got.Kernels["k"] != 1500) {
			t.Errorf("%s: kernels %v", tc.name, got.Kernels)
		}
	}
	overflowing := elfOf(section{".a", 2, 1 << 63}, section{".b", 2, 1 << 63})
	if _, err := Describe(overflowing, 90); !errors.Is(err, ErrImage) {
		t.Errorf("sections beyond 2^64: %v", err)
	}
	if _, err := Describe(fatbin(entry(EntryPTX, 70, 70, 0x11, []byte(".version 7.0\n.global .u8 a[N];"), 0, 0)), 90); !errors.Is(err, ErrSize) {
		t.Errorf("an expression in a fatbin: %v", err)
	}
}

func FuzzDescribe(f *testing.F) {
	f.Add([]byte(".version 7.0\n.global .u8 a[3];"))
	f.Add(elfOf(section{".nv.global", 3, 77}))
	f.Add(fatbin(entry(EntryPTX, 70, 70, 0x11, []byte(".version"), 0, 0)))
	f.Fuzz(func(_ *testing.T, b []byte) {
		if _, data, err := Measure(b); err == nil {
			_, _ = Describe(data, 90) // it ends, and does not panic
		}
	})
}

func TestPrintingIsSeen(t *testing.T) {
	silent, prints := elfOf(section{".text.k", 6, 100}), elfOf(section{".text.vprintf", 6, 100})
	for name, tc := range map[string]struct {
		image []byte
		want  bool
	}{
		"text":                         {[]byte(".version 7.0 call vprintf"), true},
		"other text":                   {[]byte(".version 7.0 call printer"), false},
		"cubin":                        {prints, true},
		"other cubin":                  {silent, false},
		"one of several that may run":  {fatbin(entry(EntryCubin, 90, 0, 0x11, silent, 0, 0), entry(EntryCubin, 90, 0, 0x11, prints, 0, 0)), true},
		"text that is not used":        {fatbin(entry(EntryPTX, 70, 70, 0x11, []byte(".version vprintf"), 0, 0), entry(EntryCubin, 90, 0, 0x11, silent, 0, 0)), false},
		"text where nothing else runs": {fatbin(entry(EntryPTX, 70, 70, 0x11, []byte(".version vprintf"), 0, 0), entry(EntryCubin, 80, 0, 0x11, silent, 0, 0)), true},
	} {
		if got, err := Describe(tc.image, 90); err != nil || got.Prints != tc.want {
			t.Errorf("%s: %v, %v", name, got.Prints, err)
		}
	}
}
