package soft

import (
	"time"

	"golang.org/x/sys/unix"

	"libvirt-vgpu/mediatord/executor/driver"
	"libvirt-vgpu/mediatord/executor/soft/gpu"
)

func (d *Driver) stream(s driver.Stream) (*gpu.Stream, bool) {
	if s == 0 {
		return d.dev.DefaultStream(), true
	}
	stream, ok := d.streams.items[uint64(s)]
	return stream, ok
}

// with calls fn on the stream.
func (d *Driver) with(s driver.Stream, fn func(*gpu.Stream) error) driver.Result {
	stream, ok := d.stream(s)
	if !ok {
		return driver.ErrorInvalidHandle
	}
	return d.result(fn(stream))
}

const streamNonBlocking = 1

// StreamCreate implements driver.Native.
func (d *Driver) StreamCreate(flags uint32, priority int32) (driver.Stream, driver.Result) {
	s, err := d.dev.NewStream(gpu.StreamFlags{NonBlocking: flags&streamNonBlocking != 0, Priority: int(priority)})
	if err != nil {
		return 0, d.result(err)
	}
	return driver.Stream(d.streams.put(s)), driver.Success
}

// StreamDestroy implements driver.Native.
func (d *Driver) StreamDestroy(s driver.Stream) driver.Result {
	stream, ok := d.streams.take(uint64(s))
	if !ok {
		return driver.ErrorInvalidHandle
	}
	delete(d.hints, s)
	return d.result(stream.Destroy())
}

// StreamQuery implements driver.Native.
func (d *Driver) StreamQuery(s driver.Stream) driver.Result {
	return d.with(s, (*gpu.Stream).Query)
}

// StreamSynchronize implements driver.Streams.
func (d *Driver) StreamSynchronize(s driver.Stream) driver.Result {
	return d.with(s, (*gpu.Stream).Synchronize)
}

// StreamWaitEvent implements driver.Native.
func (d *Driver) StreamWaitEvent(s driver.Stream, e driver.Event, flags uint32) driver.Result {
	if shared, ok := d.shared[e]; ok {
		return d.with(s, func(s *gpu.Stream) error { return shared.wait(s, d.dev.Err) })
	}
	event, ok := d.events.items[uint64(e)]
	if !ok {
		return driver.ErrorInvalidHandle
	}
	if flags&eventExternal != 0 {
		return d.with(s, func(s *gpu.Stream) error { return s.WaitExternal(event) })
	}
	return d.with(s, func(s *gpu.Stream) error { return s.WaitEvent(event) })
}

// waitConditions are the low bits of a wait's flags; bit 30 asks for a flush
// that memory of a process does not need.
const waitConditions = 3

// StreamWaitValue32 implements driver.Native.
func (d *Driver) StreamWaitValue32(s driver.Stream, address uint64, value, flags uint32) driver.Result {
	return d.with(s, func(s *gpu.Stream) error {
		return s.WaitValue32(address, value, gpu.WaitCondition(flags&waitConditions))
	})
}

// StreamWaitValue64 implements driver.Native.
func (d *Driver) StreamWaitValue64(s driver.Stream, address, value uint64, flags uint32) driver.Result {
	return d.with(s, func(s *gpu.Stream) error {
		return s.WaitValue64(address, value, gpu.WaitCondition(flags&waitConditions))
	})
}

// StreamWriteValue32 implements driver.Native.
func (d *Driver) StreamWriteValue32(s driver.Stream, address uint64, value, _ uint32) driver.Result {
	return d.WriteFence(s, address, value)
}

// StreamWriteValue64 implements driver.Native.
func (d *Driver) StreamWriteValue64(s driver.Stream, address, value uint64, _ uint32) driver.Result {
	return d.with(s, func(s *gpu.Stream) error { return s.WriteValue64(address, value) })
}

// WriteFence implements driver.Streams.
func (d *Driver) WriteFence(s driver.Stream, address uint64, value uint32) driver.Result {
	return d.with(s, func(s *gpu.Stream) error { return s.WriteValue32(address, value) })
}

// Notify implements driver.Streams.
func (d *Driver) Notify(s driver.Stream, eventfd int) driver.Result {
	return d.with(s, func(s *gpu.Stream) error {
		return s.HostFunc(func() {
			// A full counter is as good as one more.
			_, _ = unix.Write(eventfd, []byte{1, 0, 0, 0, 0, 0, 0, 0})
		})
	})
}

const (
	eventNoTiming     = 2
	eventInterprocess = 4
	// eventExternal of a record or a wait makes a node of it in a capture.
	eventExternal = 1
)

// EventCreate implements driver.Native.
func (d *Driver) EventCreate(flags uint32) (driver.Event, driver.Result) {
	if flags&eventInterprocess != 0 {
		event, err := newSharedEvent()
		if err != nil {
			d.log.WithError(err).Warn("software GPU")
			return 0, driver.ErrorOutOfMemory
		}
		return d.keepShared(event), driver.Success
	}
	e, err := d.dev.NewEvent(flags&eventNoTiming == 0)
	if err != nil {
		return 0, d.result(err)
	}
	return driver.Event(d.events.put(e)), driver.Success
}

// EventDestroy implements driver.Native.
func (d *Driver) EventDestroy(e driver.Event) driver.Result {
	// Work that was submitted may still look at a shared event's memory: it
	// stays until the process ends.
	if _, ok := d.shared[e]; ok {
		delete(d.shared, e)
		return driver.Success
	}
	if _, ok := d.events.take(uint64(e)); !ok {
		return driver.ErrorInvalidHandle
	}
	return driver.Success
}

// EventRecord implements driver.Streams.
func (d *Driver) EventRecord(e driver.Event, s driver.Stream, flags uint32) driver.Result {
	if shared, ok := d.shared[e]; ok {
		return d.with(s, shared.record)
	}
	event, ok := d.events.items[uint64(e)]
	if !ok {
		return driver.ErrorInvalidHandle
	}
	if flags&eventExternal != 0 {
		return d.with(s, func(s *gpu.Stream) error { return s.RecordExternal(event) })
	}
	return d.with(s, func(s *gpu.Stream) error { return s.RecordEvent(event) })
}

// EventQuery implements driver.Native.
func (d *Driver) EventQuery(e driver.Event) driver.Result {
	if shared, ok := d.shared[e]; ok {
		return shared.query()
	}
	event, ok := d.events.items[uint64(e)]
	if !ok {
		return driver.ErrorInvalidHandle
	}
	return d.result(event.Query())
}

// EventElapsed implements driver.Native.
func (d *Driver) EventElapsed(start, end driver.Event) (float32, driver.Result) {
	from, ok1 := d.events.items[uint64(start)]
	to, ok2 := d.events.items[uint64(end)]
	if !ok1 || !ok2 {
		return 0, driver.ErrorInvalidHandle
	}
	elapsed, err := gpu.Elapsed(from, to)
	return float32(elapsed) / float32(time.Millisecond), d.result(err)
}
