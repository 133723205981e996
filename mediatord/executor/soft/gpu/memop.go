package gpu

import (
	"math"
	"runtime"
	"time"
)

// WaitCondition is how a wait compares memory with its value.
type WaitCondition int

// The conditions with the driver's numbers.
const (
	WaitGreaterEqual WaitCondition = 0 // the difference, taken as signed, is not negative
	WaitEqual        WaitCondition = 1
	WaitAnd          WaitCondition = 2 // a common bit
	WaitNor          WaitCondition = 3 // not all bits set in either
)

// memOp is a write of or a wait for a value in memory.
type memOp struct {
	va    uint64
	value uint64
	wide  bool // 64 bits
	wait  bool
	cond  WaitCondition
}

func (m *memOp) kind() NodeKind { return BatchMemOpNode }

func (m *memOp) check(d *Device) error {
	size := uint64(4)
	if m.wide {
		size = 8
	}
	if m.va%size != 0 || !d.Mapped(m.va, size, ReadWrite) || m.cond < WaitGreaterEqual || m.cond > WaitNor {
		return InvalidValue
	}
	return nil
}

func (m *memOp) do(d *Device) error {
	if !m.wait {
		if m.wide {
			return accessFault(d.space.Store64(m.va, m.value))
		}
		return accessFault(d.space.Store32(m.va, uint32(m.value)))
	}
	for tries := 0; !d.stop.Load(); tries++ {
		v, err := m.load(d)
		if err != nil {
			return accessFault(err)
		}
		if m.holds(v) {
			return nil
		}
		backOff(tries)
	}
	return nil
}

func (m *memOp) load(d *Device) (uint64, error) {
	if m.wide {
		return d.space.Load64(m.va)
	}
	v, err := d.space.Load32(m.va)
	return uint64(v), err
}

func (m *memOp) holds(v uint64) bool {
	all := uint64(math.MaxUint32)
	if m.wide {
		all = math.MaxUint64
	}
	switch m.cond {
	case WaitEqual:
		return v == m.value&all
	case WaitAnd:
		return v&m.value&all != 0
	case WaitNor:
		return ^(v|m.value)&all != 0
	}
	if m.wide {
		return int64(v-m.value) >= 0
	}
	return int32(uint32(v)-uint32(m.value)) >= 0
}

// backOff waits a little between looks at memory that others write.
func backOff(tries int) {
	switch {
	case tries < 1000:
		runtime.Gosched()
	case tries < 2000:
		time.Sleep(20 * time.Microsecond)
	default:
		time.Sleep(200 * time.Microsecond)
	}
}

// accessFault makes an error of the address space the device's.
func accessFault(err error) error {
	if err == nil {
		return nil
	}
	return &Error{Code: IllegalAddress, Err: err}
}

// WriteValue32 writes a word, atomically and after all that precedes it.
func (s *Stream) WriteValue32(va uint64, v uint32) error {
	return s.submit(&memOp{va: va, value: uint64(v)})
}

// WriteValue64 writes a doubleword.
func (s *Stream) WriteValue64(va, v uint64) error {
	return s.submit(&memOp{va: va, value: v, wide: true})
}

// WaitValue32 holds the stream until the word at va fulfils the condition.
func (s *Stream) WaitValue32(va uint64, v uint32, cond WaitCondition) error {
	return s.submit(&memOp{va: va, value: uint64(v), wait: true, cond: cond})
}

// WaitValue64 holds the stream until the doubleword at va fulfils the
// condition.
func (s *Stream) WaitValue64(va, v uint64, cond WaitCondition) error {
	return s.submit(&memOp{va: va, value: v, wide: true, wait: true, cond: cond})
}
