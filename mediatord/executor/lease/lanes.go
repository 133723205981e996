package lease

import "time"

// Stream is a stream of a context, both as the driver names them; the default
// stream of a context is 0.
type Stream struct {
	Context uint32
	Native  uint64
}

// Marker puts marks into streams.
type Marker interface {
	// Mark has the GPU store value in word of the marks once the work of the
	// stream is done. false: it will not.
	Mark(s Stream, word int, value uint32) bool
	// Touch gives the stream something to do that changes nothing and takes no time.
	Touch(s Stream)
	// Reached reads a word of the marks.
	Reached(word int) uint32
}

// MarkWords is how many words a Marker has.
const MarkWords = 1024

// lane is what is known of one stream's work.
type lane struct {
	stream  Stream
	word    int
	value   uint32 // of the last mark
	open    segment
	pending []segment // marked, in order
	listed  bool      // is in Meter.busy
}

// segment is the work up to a mark.
type segment struct {
	value     uint32
	predicted time.Duration
	begin     time.Duration // when the first of it was submitted
	count     int
	keys      []uint64
	unknown   bool // its one key has no duration yet
	outside   bool // a wait for something else than the GPU
	stuck     bool
}

func (m *Meter) list(l *lane) {
	if !l.listed {
		l.listed = true
		m.busy = append(m.busy, l)
	}
}

// lane finds or makes the lane of a stream; nil: there is no mark left for it.
func (m *Meter) lane(s Stream) *lane {
	if l := m.lanes[s]; l != nil {
		return l
	}
	if len(m.free) == 0 {
		m.reclaim()
	}
	if len(m.free) == 0 {
		return nil
	}
	word := m.free[len(m.free)-1]
	m.free = m.free[:len(m.free)-1]
	l := &lane{stream: s, word: word, value: m.marker.Reached(word)}
	m.lanes[s] = l
	return l
}

// reclaim takes the words of streams without work.
func (m *Meter) reclaim() {
	for s, l := range m.lanes {
		if !l.listed {
			delete(m.lanes, s)
			m.free = append(m.free, l.word)
			if m.last == l {
				m.last = nil
			}
		}
	}
}

// mark ends a lane's open segment.
func (m *Meter) mark(l *lane) bool {
	l.value++
	if !m.marker.Mark(l.stream, l.word, l.value) {
		l.value--
		return false
	}
	if l.open.begin == 0 {
		l.open.begin = m.since
	}
	l.open.value = l.value
	l.pending = append(l.pending, l.open)
	l.open = segment{}
	return true
}

// markLate is mark some time after the submission. In a default stream that would
// make other streams wait for one another that have got work since.
func (m *Meter) markLate(l *lane) bool {
	return (l.stream.Native != 0 || l == m.last) && m.mark(l)
}

func (m *Meter) dropOpen(l *lane) {
	m.flying -= l.open.predicted
	l.open = segment{}
}

// drop forgets a lane's work: it will not be seen to end.
func (m *Meter) drop(l *lane) {
	m.flying -= l.open.predicted
	for i := range l.pending {
		if l.pending[i].stuck {
			m.stuck--
		} else {
			m.flying -= l.pending[i].predicted
		}
	}
	l.open, l.pending = segment{}, nil
}

// StreamEnds notes that a stream is about to be destroyed: its work goes on, and
// its name may be given to another.
func (m *Meter) StreamEnds(s Stream) {
	l := m.lanes[s]
	if l == nil {
		return
	}
	if l.open.count > 0 && !m.mark(l) {
		m.drop(l)
	}
	delete(m.lanes, s)
	if m.last == l {
		m.last = nil
	}
	// The word of one with work comes back with the end of that.
	if !l.listed {
		m.free = append(m.free, l.word)
	}
}

// ContextEnds notes that a context and the work in it are gone.
func (m *Meter) ContextEnds(context uint32) {
	left := m.busy[:0]
	for _, l := range m.busy {
		if l.stream.Context != context {
			left = append(left, l)
			continue
		}
		m.drop(l)
		l.listed = false
		if m.lanes[l.stream] != l {
			m.free = append(m.free, l.word)
		}
	}
	m.busy = left
	for s, l := range m.lanes {
		if s.Context == context {
			delete(m.lanes, s)
			m.free = append(m.free, l.word)
		}
	}
	m.last = nil
	if len(m.busy) == 0 {
		m.end(m.now())
	}
}
