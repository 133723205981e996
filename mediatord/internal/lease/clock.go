package lease

import (
	"time"

	"golang.org/x/sys/unix"
)

// Clock reads the monotonic clock that all processes share, without a system call.
type Clock struct {
	start time.Time
	since time.Duration
}

// NewClock makes a Clock.
func NewClock() Clock {
	var t unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &t); err != nil {
		panic(err) // Linux has it
	}
	return Clock{start: time.Now(), since: time.Duration(t.Nano())}
}

// Now is the time since the clock's start.
func (c Clock) Now() time.Duration { return c.since + time.Since(c.start) }
