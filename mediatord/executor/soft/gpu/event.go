package gpu

import (
	"sync"
	"sync/atomic"
	"time"
)

// Event is a point in a stream.
type Event struct {
	dev    *Device
	timing bool

	mu       sync.Mutex
	record   *record // the latest, nil before the first
	captured *capturePoint
}

// record is one recording of an event.
type record struct {
	mark mark
	at   atomic.Int64 // nanoseconds since the device's start, 0 before
}

// capturePoint is a recording in a capture.
type capturePoint struct {
	capture  *capture
	frontier []*Node
}

// NewEvent makes an event; without timing it has no elapsed time.
func (d *Device) NewEvent(timing bool) (*Event, error) {
	if err := d.Err(); err != nil {
		return nil, err
	}
	return &Event{dev: d, timing: timing}, nil
}

// RecordEvent records the event in the stream.
func (s *Stream) RecordEvent(e *Event) error {
	d := s.dev
	if err := d.Err(); err != nil {
		return err
	}
	d.submit.Lock()
	defer d.submit.Unlock()
	if s.capture != nil {
		if s.capture.invalid {
			return CaptureInvalidated
		}
		e.mu.Lock()
		e.captured = &capturePoint{s.capture, append([]*Node(nil), s.frontier...)}
		e.mu.Unlock()
		return nil
	}
	if err := s.implicitCapture(); err != nil {
		return err
	}
	r := &record{}
	m, err := s.push(nil, r.stamp)
	if err != nil {
		return err
	}
	r.mark = m
	e.set(r)
	return nil
}

// RecordExternal is RecordEvent, but in a capture becomes a node that records the
// event whenever the graph is launched.
func (s *Stream) RecordExternal(e *Event) error {
	if !s.captures() {
		return s.RecordEvent(e)
	}
	return s.submit(RecordWork(e))
}

// WaitExternal is WaitEvent, but in a capture becomes a node that waits for the
// event's latest recording outside.
func (s *Stream) WaitExternal(e *Event) error {
	if !s.captures() {
		return s.WaitEvent(e)
	}
	return s.submit(WaitWork(e))
}

func (s *Stream) captures() bool {
	s.dev.submit.Lock()
	defer s.dev.submit.Unlock()
	return s.capture != nil
}

func (e *Event) set(r *record) {
	e.mu.Lock()
	e.record, e.captured = r, nil
	e.mu.Unlock()
}

func (e *Event) latest() (*record, *capturePoint) {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.record, e.captured
}

// stamp notes the time; it is the operation that records.
func (r *record) stamp(d *Device) error {
	r.at.Store(max(1, int64(time.Since(d.start))))
	return nil
}

// WaitEvent makes what is submitted to the stream from now on wait for the
// event's latest recording; an event that was never recorded is no obstacle.
// The event of a capture takes the stream into the capture.
func (s *Stream) WaitEvent(e *Event) error {
	d := s.dev
	if err := d.Err(); err != nil {
		return err
	}
	d.submit.Lock()
	defer d.submit.Unlock()
	r, point := e.latest()
	if point != nil {
		return point.capture.join(s, point)
	}
	if s.capture != nil {
		s.capture.invalid = true
		return CaptureIsolation
	}
	if err := s.implicitCapture(); err != nil {
		return err
	}
	if r == nil || r.mark.done() {
		return nil
	}
	_, err := s.push([]mark{r.mark}, func(*Device) error { return nil })
	return err
}

// Query is nil when the latest recording has completed or there is none,
// CUDA_ERROR_NOT_READY otherwise.
func (e *Event) Query() error {
	r, err := e.usable()
	switch {
	case err != nil:
		return err
	case r != nil && !r.mark.done():
		return NotReady
	}
	return e.dev.Err()
}

// Synchronize waits for the latest recording.
func (e *Event) Synchronize() error {
	r, err := e.usable()
	if err != nil {
		return err
	}
	if r != nil {
		r.mark.wait()
	}
	return e.dev.Err()
}

// usable is the latest recording; looking at the event of a capture spoils
// the capture.
func (e *Event) usable() (*record, error) {
	if err := e.dev.Err(); err != nil {
		return nil, err
	}
	r, point := e.latest()
	if point != nil {
		e.dev.submit.Lock()
		defer e.dev.submit.Unlock()
		point.capture.invalid = true
		return nil, CapturedEvent
	}
	return r, nil
}

// Elapsed is the time from one event to another. CUDA_ERROR_INVALID_HANDLE
// when one has no timing or was never recorded, CUDA_ERROR_NOT_READY when one
// has not completed.
func Elapsed(from, to *Event) (time.Duration, error) {
	a, err := from.usable()
	if err != nil {
		return 0, err
	}
	b, err := to.usable()
	if err != nil {
		return 0, err
	}
	switch {
	case !from.timing || !to.timing || a == nil || b == nil:
		return 0, InvalidHandle
	case !a.mark.done() || !b.mark.done():
		return 0, NotReady
	}
	return time.Duration(b.at.Load() - a.at.Load()), from.dev.Err()
}
