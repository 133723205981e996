// Package parking counts the host memory in which the device memory of idle guest
// processes lies.
package parking

import (
	"sync"

	"golang.org/x/sys/unix"
)

// Budget is the host memory that the parked processes of a pool may take together.
// Methods may be called from several goroutines; the zero value has none to give.
type Budget struct {
	mu          sync.Mutex // guards the rest
	limit, used uint64     // bytes
}

// SetLimit makes the budget one of limit bytes. What is taken stays so.
func (b *Budget) SetLimit(limit uint64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.limit = limit
}

// Reserve takes bytes; it takes none and is false if that many are not left.
func (b *Budget) Reserve(bytes uint64) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.used >= b.limit || bytes > b.limit-b.used {
		return false
	}
	b.used += bytes
	return true
}

// Take takes bytes that are in use already, beyond the limit if need be.
func (b *Budget) Take(bytes uint64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.used += bytes
}

// Return gives bytes back that Reserve or Take has taken.
func (b *Budget) Return(bytes uint64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.used -= min(bytes, b.used)
}

// Use is how many bytes are taken, and how many there are.
func (b *Budget) Use() (used, limit uint64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.used, b.limit
}

// DefaultLimit is a quarter of this host's memory, in bytes.
func DefaultLimit() uint64 {
	var info unix.Sysinfo_t
	_ = unix.Sysinfo(&info) // fails for a bad pointer only
	return info.Totalram * uint64(info.Unit) / 4
}
