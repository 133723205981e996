package supervisor

import (
	"bytes"
	"sync"
)

// lineWriter calls emit for each line written to it; longer lines than limit
// are cut. It remembers the last line that is not empty.
type lineWriter struct {
	emit  func(line string)
	limit int

	mu      sync.Mutex // guards the rest
	pending []byte
	last    string
}

func (w *lineWriter) Write(data []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	written := len(data)
	for {
		line, rest, found := bytes.Cut(data, []byte{'\n'})
		w.pending = append(w.pending, line[:min(len(line), w.limit-len(w.pending))]...)
		if !found {
			return written, nil
		}
		w.flush()
		data = rest
	}
}

// Last is the last line written, complete or not.
func (w *lineWriter) Last() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.flush()
	return w.last
}

func (w *lineWriter) flush() {
	if text := printable(string(bytes.TrimSpace(w.pending)), w.limit); text != "" {
		w.last = text
		w.emit(text)
	}
	w.pending = w.pending[:0]
}
