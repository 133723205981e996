package gpu

// CaptureMode says which calls of whom spoil a capture
// (CUstreamCaptureMode).
type CaptureMode int

// The modes with the driver's numbers.
const (
	CaptureGlobal      CaptureMode = 0
	CaptureThreadLocal CaptureMode = 1
	CaptureRelaxed     CaptureMode = 2
)

// CaptureStatus is whether a stream captures (CUstreamCaptureStatus).
type CaptureStatus int

// The states with the driver's numbers.
const (
	NotCapturing CaptureStatus = 0
	Capturing    CaptureStatus = 1
	Invalidated  CaptureStatus = 2
)

// capture turns what is submitted to its streams into a graph. Device.submit
// guards it.
type capture struct {
	dev     *Device
	id      uint64
	mode    CaptureMode
	thread  uint64
	graph   *Graph
	origin  *Stream
	members map[*Stream]struct{}
	invalid bool
}

// BeginCapture starts a capture in the stream; thread tells the callers apart
// for the modes that care. CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED for the
// default stream, CUDA_ERROR_ILLEGAL_STATE when it captures already.
func (s *Stream) BeginCapture(mode CaptureMode, thread uint64) error {
	return s.BeginCaptureInto(s.dev.NewGraph(), nil, mode, thread)
}

// BeginCaptureInto is BeginCapture that adds to a graph: what is captured first
// depends on the nodes.
func (s *Stream) BeginCaptureInto(g *Graph, after []*Node, mode CaptureMode, thread uint64) error {
	d := s.dev
	if err := d.Err(); err != nil {
		return err
	}
	if mode < CaptureGlobal || mode > CaptureRelaxed {
		return InvalidValue
	}
	for _, n := range after {
		if n == nil || n.graph != g {
			return InvalidValue
		}
	}
	d.submit.Lock()
	defer d.submit.Unlock()
	switch {
	case s == d.standard:
		return CaptureUnsupported
	case s.capture != nil:
		return IllegalState
	}
	c := &capture{dev: d, id: d.grids.Add(1), mode: mode, thread: thread, graph: g, origin: s, members: map[*Stream]struct{}{}}
	d.captures[c] = struct{}{}
	c.enter(s, union(nil, after))
	return nil
}

func (c *capture) enter(s *Stream, frontier []*Node) {
	c.members[s] = struct{}{}
	s.capture, s.frontier = c, frontier
}

func (c *capture) leave(s *Stream) {
	delete(c.members, s)
	s.capture, s.frontier = nil, nil
	if s == c.origin {
		c.end()
	}
}

func (c *capture) end() {
	for s := range c.members {
		s.capture, s.frontier = nil, nil
	}
	delete(c.dev.captures, c)
}

// add makes a node of work submitted to a member.
func (c *capture) add(s *Stream, w work) error {
	if c.invalid {
		return CaptureInvalidated
	}
	s.frontier = []*Node{c.graph.add(w, s.frontier)}
	return nil
}

// join makes a stream depend on a point of the capture, and a member if it is
// none yet.
func (c *capture) join(s *Stream, at *capturePoint) error {
	_, active := c.dev.captures[c]
	switch {
	case !active:
		return CapturedEvent
	case c.invalid:
		return CaptureInvalidated
	case s == c.dev.standard:
		c.invalid = true
		return CaptureImplicit
	case s.capture == nil:
		c.enter(s, append([]*Node(nil), at.frontier...))
		return nil
	case s.capture != c:
		s.capture.invalid, c.invalid = true, true
		return CaptureMerge
	}
	s.frontier = union(s.frontier, at.frontier)
	return nil
}

// union joins sets of nodes without repetition.
func union(a, b []*Node) []*Node {
	list := append([]*Node(nil), a...)
next:
	for _, n := range b {
		for _, m := range list {
			if n == m {
				continue next
			}
		}
		list = append(list, n)
	}
	return list
}

// implicitCapture refuses work on the default stream that would depend on a
// stream that captures. The caller holds d.submit.
func (s *Stream) implicitCapture() error {
	if s != s.dev.standard {
		return nil
	}
	for c := range s.dev.captures {
		for m := range c.members {
			if !m.flags.NonBlocking {
				c.invalid = true
				return CaptureImplicit
			}
		}
	}
	return nil
}

// EndCapture ends the capture that began in the stream and returns its graph.
// CUDA_ERROR_ILLEGAL_STATE when the stream does not capture,
// CUDA_ERROR_STREAM_CAPTURE_UNMATCHED when the capture began elsewhere,
// CUDA_ERROR_STREAM_CAPTURE_WRONG_THREAD, CUDA_ERROR_STREAM_CAPTURE_INVALIDATED
// and CUDA_ERROR_STREAM_CAPTURE_UNJOINED as their names say.
func (s *Stream) EndCapture(thread uint64) (*Graph, error) {
	d := s.dev
	if err := d.Err(); err != nil {
		return nil, err
	}
	d.submit.Lock()
	defer d.submit.Unlock()
	c := s.capture
	switch {
	case c == nil:
		return nil, IllegalState
	case c.origin != s:
		c.invalid = true
		return nil, CaptureUnmatched
	case c.thread != thread && c.mode != CaptureRelaxed:
		return nil, CaptureWrongThread
	}
	joined := c.joined()
	c.end()
	switch {
	case c.invalid:
		return nil, CaptureInvalidated
	case !joined:
		return nil, CaptureUnjoined
	}
	return c.graph, nil
}

// joined says whether the origin depends on all that the other members did.
func (c *capture) joined() bool {
	seen := map[*Node]bool{}
	var visit func(n *Node)
	visit = func(n *Node) {
		if seen[n] {
			return
		}
		seen[n] = true
		for _, d := range n.deps {
			visit(d)
		}
	}
	for _, n := range c.origin.frontier {
		visit(n)
	}
	for s := range c.members {
		for _, n := range s.frontier {
			if !seen[n] {
				return false
			}
		}
	}
	return true
}

// CaptureInfo describes the capture that a stream takes part in.
type CaptureInfo struct {
	Status       CaptureStatus
	ID           uint64
	Graph        *Graph
	Dependencies []*Node // of the stream's next operation
}

// CaptureInfo tells whether the stream captures, and what.
func (s *Stream) CaptureInfo() (CaptureInfo, error) {
	d := s.dev
	if err := d.Err(); err != nil {
		return CaptureInfo{}, err
	}
	d.submit.Lock()
	defer d.submit.Unlock()
	if err := s.implicitCapture(); err != nil {
		return CaptureInfo{}, err
	}
	c := s.capture
	switch {
	case c == nil:
		return CaptureInfo{}, nil
	case c.invalid:
		return CaptureInfo{Status: Invalidated, ID: c.id}, nil
	}
	return CaptureInfo{Capturing, c.id, c.graph, append([]*Node(nil), s.frontier...)}, nil
}

// UpdateCaptureDependencies replaces the nodes that the next operation
// depends on, or adds to them.
func (s *Stream) UpdateCaptureDependencies(nodes []*Node, replace bool) error {
	d := s.dev
	d.submit.Lock()
	defer d.submit.Unlock()
	c := s.capture
	switch {
	case c == nil:
		return IllegalState
	case c.invalid:
		return CaptureInvalidated
	}
	for _, n := range nodes {
		if n == nil || n.graph != c.graph {
			return InvalidValue
		}
	}
	if replace {
		s.frontier = nil
	}
	s.frontier = union(s.frontier, nodes)
	return nil
}

// Unsafe is for calls that may not be made while captures are active, such as
// allocations: CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED, and the captures are
// spoilt, when one forbids it to a thread in that mode of its own.
func (d *Device) Unsafe(thread uint64, own CaptureMode) error {
	if err := d.Err(); err != nil {
		return err
	}
	if own == CaptureRelaxed {
		return nil
	}
	d.submit.Lock()
	defer d.submit.Unlock()
	var err error
	for c := range d.captures {
		if c.mode == CaptureGlobal && own == CaptureGlobal || c.mode != CaptureRelaxed && c.thread == thread {
			c.invalid = true
			err = CaptureUnsupported
		}
	}
	return err
}
