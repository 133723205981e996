// Package limit bounds how often a guest can make the host do something.
package limit

import (
	"sync"
	"time"
)

// Bucket is a token bucket. Methods may be called from several goroutines.
type Bucket struct {
	rate, burst float64 // tokens per second, tokens

	mu     sync.Mutex // guards the rest
	tokens float64
	last   time.Time
	missed uint64
}

// NewBucket makes a full bucket of burst tokens, refilled by rate per second.
func NewBucket(rate, burst float64) *Bucket {
	return &Bucket{rate: rate, burst: burst, tokens: burst}
}

// Take takes one token if there is one. missed counts the failures since the
// last success.
func (b *Bucket) Take(now time.Time) (ok bool, missed uint64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.fill(now)
	if b.tokens < 1 {
		b.missed++
		return false, b.missed
	}
	b.tokens--
	missed, b.missed = b.missed, 0
	return true, missed
}

// Wait is the time until Take will succeed, 0 if it would now.
func (b *Bucket) Wait(now time.Time) time.Duration {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.fill(now)
	if b.tokens >= 1 {
		return 0
	}
	return time.Duration((1-b.tokens)/b.rate*float64(time.Second)) + time.Microsecond
}

func (b *Bucket) fill(now time.Time) {
	if !b.last.IsZero() && now.After(b.last) {
		b.tokens = min(b.burst, b.tokens+now.Sub(b.last).Seconds()*b.rate)
	}
	b.last = now
}
