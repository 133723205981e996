package gpu

import "sync"

// StreamFlags say how a stream behaves.
type StreamFlags struct {
	NonBlocking bool // does not synchronise with the default stream
	Priority    int  // accepted, without effect
}

// Stream is a queue of operations that are executed in order.
type Stream struct {
	dev   *Device
	flags StreamFlags

	// Guarded by Device.submit: the capture that the stream takes part in and
	// the nodes that its next operation depends on.
	capture  *capture
	frontier []*Node

	mu        sync.Mutex
	changed   sync.Cond
	queue     []operation
	issued    uint64
	completed uint64
	closed    bool
}

// operation is an entry of a stream: it waits for the marks, then does its
// work.
type operation struct {
	after  []mark
	do     func(*Device) error
	failed func(error) // instead, once the device has failed; may be nil
}

// mark is a point in a stream: the completion of its first seq operations.
type mark struct {
	stream *Stream
	seq    uint64
}

func (m mark) done() bool {
	m.stream.mu.Lock()
	defer m.stream.mu.Unlock()
	return m.stream.completed >= m.seq
}

func (m mark) wait() {
	s := m.stream
	s.mu.Lock()
	defer s.mu.Unlock()
	for s.completed < m.seq {
		s.changed.Wait()
	}
}

// newStream makes a stream and starts its goroutine. The caller holds
// d.submit, or nobody else knows the device yet.
func (d *Device) newStream(flags StreamFlags) *Stream {
	s := &Stream{dev: d, flags: flags}
	s.changed.L = &s.mu
	d.streams[s] = struct{}{}
	d.workers.Go(s.work)
	return s
}

// NewStream makes a stream.
func (d *Device) NewStream(flags StreamFlags) (*Stream, error) {
	if err := d.Err(); err != nil {
		return nil, err
	}
	d.submit.Lock()
	defer d.submit.Unlock()
	if d.closed {
		return nil, ContextIsDestroyed
	}
	return d.newStream(flags), nil
}

// DefaultStream is the legacy default stream: its operations wait for all
// blocking streams, and theirs wait for it.
func (d *Device) DefaultStream() *Stream { return d.standard }

// Flags are what the stream was made with.
func (s *Stream) Flags() StreamFlags { return s.flags }

// Destroy lets the stream end after what was submitted. A capture in progress
// becomes invalid.
func (s *Stream) Destroy() error {
	d := s.dev
	d.submit.Lock()
	defer d.submit.Unlock()
	if s == d.standard || !s.close() {
		return InvalidHandle
	}
	if s.capture != nil {
		s.capture.invalid = true
		s.capture.leave(s)
	}
	return d.Err()
}

// close lets the stream's goroutine end; false when it was told already.
func (s *Stream) close() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	open := !s.closed
	s.closed = true
	s.changed.Broadcast()
	return open
}

// work executes the queue until the stream is closed and empty, then forgets
// the stream.
func (s *Stream) work() {
	s.drain()
	s.dev.submit.Lock()
	delete(s.dev.streams, s)
	s.dev.submit.Unlock()
}

func (s *Stream) drain() {
	for {
		op, ok := s.next()
		if !ok {
			return
		}
		s.execute(op)
		s.mu.Lock()
		s.completed++
		s.changed.Broadcast()
		s.mu.Unlock()
	}
}

// next waits for an operation; false when the stream is closed and empty.
func (s *Stream) next() (operation, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for len(s.queue) == 0 {
		if s.closed {
			return operation{}, false
		}
		s.changed.Wait()
	}
	op := s.queue[0]
	s.queue[0] = operation{}
	s.queue = s.queue[1:]
	return op, true
}

// execute does one operation unless the device has failed meanwhile.
func (s *Stream) execute(op operation) {
	for _, m := range op.after {
		m.wait()
	}
	if err := s.dev.Err(); err != nil {
		if op.failed != nil {
			op.failed(err)
		}
		return
	}
	if err := op.do(s.dev); err != nil {
		s.dev.fail(err)
	}
}

// push appends an operation and returns the mark of its completion. The
// caller holds d.submit and knows that the stream does not capture.
func (s *Stream) push(after []mark, do func(*Device) error) (mark, error) {
	return s.pushOperation(operation{after: after, do: do})
}

func (s *Stream) pushOperation(op operation) (mark, error) {
	op.after = append(op.after, s.implicit()...)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return mark{}, InvalidHandle
	}
	s.issued++
	s.queue = append(s.queue, op)
	s.changed.Broadcast()
	return mark{s, s.issued}, nil
}

// implicit is what the default stream's rules make the next operation wait
// for.
func (s *Stream) implicit() []mark {
	if s.flags.NonBlocking {
		return nil
	}
	d := s.dev
	if s != d.standard {
		return pending(nil, d.standard)
	}
	var list []mark
	for other := range d.streams {
		if other != s && !other.flags.NonBlocking {
			list = pending(list, other)
		}
	}
	return list
}

// pending adds a mark for what a stream has not completed.
func pending(list []mark, s *Stream) []mark {
	if m := s.tail(); !m.done() {
		list = append(list, m)
	}
	return list
}

// tail is the mark of all that was submitted.
func (s *Stream) tail() mark {
	s.mu.Lock()
	defer s.mu.Unlock()
	return mark{s, s.issued}
}

// submit gives an operation to the stream: it is captured as a node of its
// kind, or queued.
func (s *Stream) submit(w work) error {
	d := s.dev
	if err := d.Err(); err != nil {
		return err
	}
	if err := w.check(d); err != nil {
		return err
	}
	d.submit.Lock()
	defer d.submit.Unlock()
	return s.submitLocked(w)
}

func (s *Stream) submitLocked(w work) error {
	if s.capture != nil {
		return s.capture.add(s, w)
	}
	if err := s.implicitCapture(); err != nil {
		return err
	}
	_, err := s.push(nil, w.do)
	return err
}

// Query is nil when all operations have completed, CUDA_ERROR_NOT_READY
// otherwise.
func (s *Stream) Query() error {
	if err := s.idleCheck(); err != nil {
		return err
	}
	if !s.tail().done() {
		return NotReady
	}
	return s.dev.Err()
}

// Synchronize waits for all that was submitted and returns the device's error.
func (s *Stream) Synchronize() error {
	if err := s.idleCheck(); err != nil {
		return err
	}
	var after []mark
	s.dev.submit.Lock()
	after = append(s.implicit(), s.tail())
	s.dev.submit.Unlock()
	for _, m := range after {
		m.wait()
	}
	return s.dev.Err()
}

// idleCheck refuses to look at a stream that captures, which spoils the
// capture.
func (s *Stream) idleCheck() error {
	if err := s.dev.Err(); err != nil {
		return err
	}
	s.dev.submit.Lock()
	defer s.dev.submit.Unlock()
	if s.capture != nil {
		s.capture.invalid = true
		return CaptureUnsupported
	}
	return s.implicitCapture()
}

// Synchronize waits for all streams and returns the device's error.
// CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED while a stream captures.
func (d *Device) Synchronize() error {
	if err := d.Err(); err != nil {
		return err
	}
	d.submit.Lock()
	if len(d.captures) > 0 {
		for c := range d.captures {
			c.invalid = true
		}
		d.submit.Unlock()
		return CaptureUnsupported
	}
	var marks []mark
	for s := range d.streams {
		marks = append(marks, s.tail())
	}
	d.submit.Unlock()
	for _, m := range marks {
		m.wait()
	}
	return d.Err()
}
