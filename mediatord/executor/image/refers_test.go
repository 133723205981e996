package image

import (
	"encoding/binary"
	"testing"
)

func TestRefersLooksIntoEveryEntry(t *testing.T) {
	entry := func(code string) []byte {
		h := make([]byte, 64)
		binary.LittleEndian.PutUint16(h, EntryCubin)
		binary.LittleEndian.PutUint32(h[4:], 64)
		binary.LittleEndian.PutUint64(h[8:], uint64(len(code)))
		return append(h, code...)
	}
	fatbin := func(entries ...[]byte) []byte {
		var body []byte
		for _, e := range entries {
			body = append(body, e...)
		}
		return append(binary.LittleEndian.AppendUint64([]byte{0x50, 0xed, 0x55, 0xba, 1, 0, 16, 0}, uint64(len(body))), body...)
	}
	for name, tc := range map[string]struct {
		image []byte
		want  bool
	}{
		"text":           {[]byte(".version 7.0 call vprintf"), true},
		"other text":     {[]byte(".version 7.0 call printer"), false},
		"cubin":          {[]byte("\x7fELF...vprintf\x00"), true},
		"second entry":   {fatbin(entry("nothing "), entry("\x00vprintf")), true},
		"no entry":       {fatbin(entry("nothing ")), false},
		"broken fatbin":  {fatbin(entry("vprintf!"))[:40], false},
		"shorter fatbin": {[]byte{0x50, 0xed, 0x55, 0xba}, false},
	} {
		if got := Refers(tc.image, "vprintf"); got != tc.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}
