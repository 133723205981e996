package lease

import (
	"testing"
	"time"
)

// Kernels that keep the budget full, or come one by one, share marks: those are work for the GPU too.
func TestMarksAreShared(t *testing.T) {
	const budget, length, kernels = 250 * us, 30 * us, 400
	for name, between := range map[string]time.Duration{"at once": 0, "one by one": 10 * us} {
		m := newMachine(t)
		m.limit(budget)
		m.learn(7, length)
		end, posted := m.clock, m.clock // when the GPU will be done, when the next kernel comes
		var ends []time.Duration        // of what the marks are behind
		marks, submitted := 0, 0
		for step := 0; submitted < kernels; step++ {
			if step > 100*kernels {
				t.Fatalf("%s: %d of %d kernels went", name, submitted, kernels)
			}
			if m.clock < posted {
				m.meter.Quiet()
			} else if m.submit(kernel(7), stream) {
				end, posted = max(end, m.clock)+length, posted+between
				submitted++
			} else {
				m.meter.markLast()
			}
			for ; len(ends) < len(m.marks); marks++ {
				ends = append(ends, end)
			}
			for m.clock += 2 * us; len(ends) > 0 && m.clock >= ends[0]; ends, m.marks = ends[1:], m.marks[1:] {
				m.words[m.marks[0].word] = m.marks[0].value
			}
			m.meter.Look()
		}
		if limit := int(kernels * length / (budget / grains) * 3 / 2); marks > limit {
			t.Errorf("%s: %d marks behind %d kernels of %v, want at most %d", name, marks, kernels, length, limit)
		}
	}
}

// Marks that cannot be set, as in a stream that is being captured, hold nobody up.
func TestMarksThatFail(t *testing.T) {
	m := newMachine(t)
	m.fails = true
	m.submit(kernel(1), stream)
	m.meter.Quiet()
	m.clock += 100 * us
	m.meter.Quiet()
	m.meter.Quiet()
	if m.meter.Busy() {
		t.Error("waits for a mark that is not set")
	}
}

// A mark in a default stream after other streams got work would tie them together.
func TestDefaultStreamIsMarkedAtOnceOnly(t *testing.T) {
	m := newMachine(t)
	standard := Stream{Context: 1}
	m.submit(kernel(1), standard)
	m.submit(kernel(1), stream)
	m.meter.Quiet()
	m.clock += 50 * us
	m.meter.Quiet()
	if len(m.marks) != 1 || m.marks[0].stream != stream {
		t.Errorf("marks %+v", m.marks)
	}
	m.finish(us, 1)
	m.submit(kernel(1), standard)
	m.meter.Quiet()
	m.clock += 50 * us
	m.meter.Quiet()
	if len(m.marks) != 1 || m.marks[0].stream != standard {
		t.Errorf("marks %+v", m.marks)
	}
}
