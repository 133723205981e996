package process

import (
	"bytes"
	"encoding/binary"
	"strings"
	"testing"

	"libvirt-vgpu/mediatord/executor/driver"
	"libvirt-vgpu/plugin/window"
)

// pairs encodes options and values.
func pairs(numbers ...uint32) []byte {
	var b []byte
	for _, n := range numbers {
		b = binary.LittleEndian.AppendUint32(b, n)
	}
	return b
}

// pieces reads what comes in several replies.
func (h *harness) pieces(name string, number uint32, first func(int) any) []byte {
	h.T.Helper()
	var all []byte
	for {
		piece := h.must(name, number, first(len(all)))
		if len(piece) == 0 {
			return all
		}
		all = append(all, piece...)
	}
}

func TestLinkerGivesImageAndLogsInPieces(t *testing.T) {
	h := inContext(t)
	h.driver.Linked = bytes.Repeat([]byte("cubin"), 2000)
	h.driver.LinkOutputs = driver.LinkState{WallTime: 7, InfoSize: 11, ErrorSize: 12, Info: []byte(strings.Repeat("i", 9000)), Error: []byte("bad")}
	h.must("link_create", 5, 4, pairs(4, 20000, 6, 8, 7, 3, 2, 0))
	h.image(1, []byte(text))
	state := h.must("link_add", 5, 1, inputPTX, 1, append(pairs(7, 4), "input.ptx"...))
	if want := pairs(7, 11, 12, 9000, 3); !bytes.Equal(state, want) {
		t.Errorf("state %v, want %v", state, want)
	}
	answer := h.must("link_complete", 5)
	if size := binary.LittleEndian.Uint64(answer); size != 10000 || len(answer) != 28 {
		t.Errorf("%d bytes linked, answer of %d bytes", size, len(answer))
	}
	if got := h.pieces("link_cubin", 5, func(n int) any { return uint64(n) }); !bytes.Equal(got, h.driver.Linked) {
		t.Errorf("read %d bytes of the image", len(got))
	}
	if got := h.pieces("link_logs", 5, func(n int) any { return uint32(n) }); len(got) != 9003 || !bytes.HasSuffix(got, []byte("ibad")) {
		t.Errorf("read %d bytes of logs", len(got))
	}
	h.must("link_destroy", 5)
	if r, _ := h.call("link_cubin", 5, 0); r != driver.ErrorInvalidHandle {
		t.Errorf("read after the end: %d", r)
	}
	if r, _ := h.call("link_destroy", 5); r != driver.ErrorInvalidHandle {
		t.Errorf("destroyed twice: %d", r)
	}
	h.want("LinkCreate {[{7 3}] 20000 8 true [] []}", "LinkAdd 1001 1 "+text+" input.ptx [{7 4}]", "LinkComplete 1001", "LinkDestroy 1001")
}

func TestLinkerRefuses(t *testing.T) {
	h := inContext(t)
	h.must("link_create", 5, 0, []byte{})
	h.driver.Calls()
	h.image(1, []byte("!<arch>\nobject"))
	for name, tc := range map[string]struct {
		linker, image, input, options int
		data                          []byte
		want                          driver.Result
	}{
		"linker":         {6, 1, 4, 0, nil, driver.ErrorInvalidHandle},
		"image":          {5, 2, 4, 0, nil, driver.ErrorInvalidValue},
		"input":          {5, 1, inputPTX, 0, nil, driver.ErrorInvalidImage},
		"option pointer": {5, 1, 4, 1, pairs(17, 0), driver.ErrorInvalidValue},
		"name":           {5, 1, 4, 0, []byte("a\x00b"), driver.ErrorInvalidValue},
	} {
		if r, _ := h.call("link_add", tc.linker, tc.image, tc.input, tc.options, tc.data); r != tc.want {
			t.Errorf("%s: %d, want %d", name, r, tc.want)
		}
	}
	h.want()
	h.must("link_add", 5, 1, 4, 0, []byte{})
	h.violates("link_create", 6, 2, pairs(7, 3))
	h.violates("link_add", 5, 1, 4, 1<<30, pairs(7, 3))
	if r, _ := h.call("link_create", 5, 0, []byte{}); r != driver.ErrorInvalidHandle {
		t.Errorf("number used twice: %d", r)
	}
	if first := uint64(1 << 63); len(piece(make([]byte, 10), first)) != 0 || len(piece(make([]byte, 2*window.RepDataMax), 1)) != window.RepDataMax {
		t.Error("pieces are not cut")
	}
}
