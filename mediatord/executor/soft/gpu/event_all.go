package gpu

// RecordAll records the event behind everything that was submitted to any
// stream. CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED while a stream captures.
func (d *Device) RecordAll(e *Event) error {
	if err := d.Err(); err != nil {
		return err
	}
	d.submit.Lock()
	defer d.submit.Unlock()
	if err := d.noCaptures(); err != nil {
		return err
	}
	var after []mark
	for s := range d.streams {
		after = pending(after, s)
	}
	// A stream of its own: whoever waits for the event waits for no other.
	s := d.newStream(StreamFlags{NonBlocking: true})
	r := &record{}
	m, err := s.push(after, r.stamp)
	s.close()
	if err != nil {
		return err
	}
	r.mark = m
	e.set(r)
	return nil
}

// WaitAll makes what is submitted to any stream from now on wait for the
// event's latest recording. CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED while a stream
// captures or when the event belongs to a capture.
func (d *Device) WaitAll(e *Event) error {
	if err := d.Err(); err != nil {
		return err
	}
	d.submit.Lock()
	defer d.submit.Unlock()
	if err := d.noCaptures(); err != nil {
		return err
	}
	r, point := e.latest()
	if point != nil {
		point.capture.invalid = true
		return CaptureUnsupported
	}
	if r == nil || r.mark.done() {
		return nil
	}
	for s := range d.streams {
		if r.mark.stream == s { // in order as it is
			continue
		}
		_, err := s.push([]mark{r.mark}, func(*Device) error { return nil })
		if err != nil && err != InvalidHandle { // destroyed, yet not empty
			return err
		}
	}
	return nil
}

// noCaptures breaks the captures that are going on. The caller holds d.submit.
func (d *Device) noCaptures() error {
	for c := range d.captures {
		c.invalid = true
	}
	if len(d.captures) > 0 {
		return CaptureUnsupported
	}
	return nil
}
