package lease

import (
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// Clock reads the monotonic clock that all processes share, without a system call.
type Clock struct {
	start time.Time
	since time.Duration
	word  *atomic.Uint64
}

// ClockAt makes a Clock that shows what is in a word, nanoseconds; the word is not
// Go's memory.
func ClockAt(word *atomic.Uint64) Clock { return Clock{word: word} }

// Address is that of the word, for C; 0: there is none, C may read the monotonic
// clock.
func (c Clock) Address() uintptr { return addressOf(c.word) }

// NewClock makes a Clock.
func NewClock() Clock {
	var t unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &t); err != nil {
		panic(err) // Linux has it
	}
	return Clock{start: time.Now(), since: time.Duration(t.Nano())}
}

// Now is the time since the clock's start.
func (c Clock) Now() time.Duration {
	if c.word != nil {
		return time.Duration(c.word.Load())
	}
	return c.since + time.Since(c.start)
}
