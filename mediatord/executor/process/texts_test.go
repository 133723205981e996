package process

import (
	"encoding/binary"
	"strings"
	"sync/atomic"
	"testing"

	"libvirt-vgpu/mediatord/executor/driver"
	"libvirt-vgpu/plugin/window"
)

// paper is a Printer for tests.
type paper struct {
	out, errors string
	drained     atomic.Int32
}

func (p *paper) Drain() { p.drained.Add(1) }

func (p *paper) Take(limit int, withErrors bool) (out, errors []byte) {
	n := min(limit, len(p.out))
	out, p.out = []byte(p.out[:n]), p.out[n:]
	if withErrors {
		errors, p.errors = []byte(p.errors), ""
	}
	return out, errors
}

func printing(t *testing.T) (*harness, *paper) {
	p := &paper{}
	h := inContext(t, func(c *Config) { c.Printer = p })
	return h, p
}

func TestTextIsFlushedWhereTheProcessWaited(t *testing.T) {
	h, p := printing(t)
	h.post("stream_create", 1, 0, 0)
	h.post("event_create", 2, 0)
	h.must("text_flush", 1)
	h.must("text_flush_event", 2)
	h.want("StreamCreate 0 0", "EventCreate 0", "StreamQuery 1001", "FlushText 1001", "EventQuery 1002", "FlushTextOfEvent 1002")
	if p.drained.Load() != 2 {
		t.Errorf("drained %d times", p.drained.Load())
	}
	for name, args := range map[string]int{"text_flush": 9, "text_flush_event": 9} {
		if r, _ := h.call(name, args); r != driver.ErrorInvalidHandle {
			t.Errorf("%s of nothing: %d", name, r)
		}
	}
	// while other work has come behind, somebody else waits
	h.driver.Fail["StreamQuery"] = driver.ErrorNotReady
	h.must("text_flush", 1)
	h.settle()
	h.want("StreamQuery 1001", "SetCurrent 1000", "FlushText 1001", "SetCurrent 0")
	// and a capture is left alone
	h.must("capture_begin", 1, 0)
	h.driver.Calls()
	h.must("text_flush", 0)
	h.want()
}

func TestTextComesInPieces(t *testing.T) {
	h, p := printing(t)
	p.out, p.errors = strings.Repeat("0123456789", 600), "assertion"
	var got string
	for {
		reply := h.must("text_take")
		if len(reply) <= 8 {
			break
		}
		if len(reply) > window.RepDataMax || binary.LittleEndian.Uint32(reply) != 0 {
			t.Fatalf("reply of %d bytes, %d of them errors", len(reply), binary.LittleEndian.Uint32(reply))
		}
		got += string(reply[8:])
	}
	if got != strings.Repeat("0123456789", 600) {
		t.Errorf("%d bytes came", len(got))
	}
	// standard error only after an assertion
	h.driver.Fail["CopyDtoD"] = driver.ErrorAssert
	h.post("copy_dtod", 1, 2, 3, 0)
	if reply := h.must("text_take"); binary.LittleEndian.Uint32(reply) != 9 || string(reply[8:]) != "assertion" {
		t.Errorf("reply is %q", reply)
	}
}

func TestCodeThatPrintsIsNoticed(t *testing.T) {
	for _, op := range []string{"module_load", "library_load"} {
		h, _ := printing(t)
		h.image(1, []byte(".version 7.0 ret"))
		h.image(2, []byte(".version 7.0 call vprintf"))
		h.must(op, 1, 1, 0, "")
		if got := h.word(window.ChPrints); got != 0 {
			t.Errorf("%s of silent code: word is %d", op, got)
		}
		h.must(op, 2, 2, 0, "")
		if got := h.word(window.ChPrints); got != 1 {
			t.Errorf("%s of code that prints: word is %d", op, got)
		}
	}
}
