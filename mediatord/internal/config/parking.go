package config

import (
	"fmt"
	"time"
)

// Parking is when device memory of idle guest processes goes to host memory.
type Parking struct {
	After      time.Duration // of idleness; 0: never by itself
	HostMemory uint64        // bytes for the pool's processes together; 0: a quarter of the host's
}

// DefaultParkAfter is long enough that who works with a model now and then does
// not wait for it.
const DefaultParkAfter = 10 * time.Minute

// Bounds of parking.after.
const (
	minParkAfter = time.Second
	maxParkAfter = 30 * 24 * time.Hour
)

// parkingTable is [parking]; a nil pointer is an absent key.
type parkingTable struct {
	After      *string `toml:"after"`
	HostMemory *string `toml:"host_memory"`
}

func (p *Pool) setParking(doc *poolFile) error {
	t := &doc.Parking
	p.Parking = Parking{After: DefaultParkAfter}
	switch {
	case t.After == nil:
	case *t.After == "never":
		p.Parking.After = 0
	default:
		after, err := time.ParseDuration(*t.After)
		if err != nil || after < minParkAfter || after > maxParkAfter {
			return invalid(p.File, "parking.after", fmt.Sprintf("is %q", *t.After), fmt.Sprintf(`a time from %q to %q, or "never"`, minParkAfter, maxParkAfter))
		}
		p.Parking.After = after
	}
	var err error
	p.Parking.HostMemory, err = p.size("parking.host_memory", t.HostMemory)
	return err
}
