package channel

import (
	"encoding/binary"
	"runtime"
	"sync/atomic"
	"testing"
	"unsafe"

	"libvirt-vgpu/mediatord/executor/driver"
	"libvirt-vgpu/mediatord/executor/guesttest"
	"libvirt-vgpu/plugin/window"
)

// nothing executes records at no cost.
type nothing struct{ script }

func (*nothing) Execute(*Record, []byte) ([]byte, driver.Result, error) {
	return nil, driver.Success, nil
}

// produce posts copies of record from another thread, as fast as there is room.
func produce(g *guesttest.Guest, record []byte, count int) {
	runtime.LockOSThread()
	memory := g.Memory()
	size := binary.LittleEndian.Uint32(record)
	lines := (uint64(size) + window.Line - 1) / window.Line * window.Line
	head := (*atomic.Uint64)(unsafe.Pointer(&memory[window.ChHead]))
	tail := (*atomic.Uint64)(unsafe.Pointer(&memory[window.ChTail]))
	for at := uint64(0); count > 0; count-- {
		for at+lines-head.Load() > window.RingSize {
			runtime.Gosched()
		}
		slot := memory[window.ChRing+at%window.RingSize:]
		copy(slot[4:size], record[4:])
		at += lines
		tail.Store(at)
		(*atomic.Uint32)(unsafe.Pointer(&slot[0])).Store(size)
	}
}

// BenchmarkRecord is what a launch costs the consumer beside the driver's call.
func BenchmarkRecord(b *testing.B) {
	s := &nothing{}
	g, c := open(b, &s.script)
	c.executor = s
	record := g.Record(window.NoReply, "launch", 1, 1, 1, 1, 32, 1, 1, 0, 0, make([]byte, 40))
	for len(record)%window.Line != 0 { // records never meet the ring's end
		record = append(record, 0)
	}
	b.ResetTimer()
	go produce(g, record, b.N)
	for done := 0; done < b.N; {
		consumed, err := c.Step()
		if err != nil {
			b.Fatal(err)
		}
		if consumed {
			done++
		}
	}
}
