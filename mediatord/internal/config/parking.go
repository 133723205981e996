package config

import (
	"fmt"
	"time"
)

// Parking is when device memory of idle guest processes goes to host memory.
type Parking struct {
	After time.Duration // of idleness; 0: never by itself
	// ContextAfter is when their contexts follow, and the memory if it is still there; 0: never.
	ContextAfter time.Duration
	HostMemory   uint64 // bytes for the pool's processes together; 0: a quarter of the host's
}

// DefaultParkAfter is long enough that who works with a model now and then does
// not wait for it.
const DefaultParkAfter = 10 * time.Minute

// DefaultContextAfter is never: the next call of a process whose context is parked
// waits for some 0.3 s, and a driver that fails to bring it back costs the process its
// context, so that this is the operator's choice.
const DefaultContextAfter = 0

// Bounds of parking.after and parking.context_after.
const (
	minParkAfter = time.Second
	maxParkAfter = 30 * 24 * time.Hour
)

// parkingTable is [parking]; a nil pointer is an absent key.
type parkingTable struct {
	After        *string `toml:"after"`
	ContextAfter *string `toml:"context_after"`
	HostMemory   *string `toml:"host_memory"`
}

func (p *Pool) setParking(doc *poolFile) error {
	t := &doc.Parking
	p.Parking = Parking{After: DefaultParkAfter, ContextAfter: DefaultContextAfter}
	var err error
	if err = p.idleness("parking.after", t.After, &p.Parking.After); err != nil {
		return err
	}
	if err = p.idleness("parking.context_after", t.ContextAfter, &p.Parking.ContextAfter); err != nil {
		return err
	}
	p.Parking.HostMemory, err = p.size("parking.host_memory", t.HostMemory)
	return err
}

// idleness reads a key that says after how much of it something happens.
func (p *Pool) idleness(key string, text *string, after *time.Duration) error {
	switch {
	case text == nil:
	case *text == "never":
		*after = 0
	default:
		d, err := time.ParseDuration(*text)
		if err != nil || d < minParkAfter || d > maxParkAfter {
			return invalid(p.File, key, fmt.Sprintf("is %q", *text), between(minParkAfter, maxParkAfter)+`, or "never"`)
		}
		*after = d
	}
	return nil
}
