package config

import (
	"fmt"
	"time"

	"libvirt-vgpu/mediatord/internal/sched"
)

// Sharing is how the domains on one GPU of a pool take turns.
type Sharing struct {
	// Leases: the executors work under leases; otherwise only the hardware decides.
	Leases  bool
	Options sched.Options
}

// sharingTable is [sharing]; a nil pointer is an absent key.
type sharingTable struct {
	Leases      *bool    `toml:"leases"`
	RunSet      *int64   `toml:"run_set"`
	Turn        *string  `toml:"turn"`
	Budget      *string  `toml:"budget"`
	ArmedBudget *string  `toml:"armed_budget"`
	Armed       *string  `toml:"armed"`
	Patience    *string  `toml:"patience"`
	Predict     *bool    `toml:"predict"`
	Ahead       *bool    `toml:"ahead"`
	Delay       *float64 `toml:"delay"`
	Least       *float64 `toml:"least"`
	Slice       *string  `toml:"slice"`
}

const (
	maxRunSet = 16
	maxDelay  = 10
)

func (p *Pool) setSharing(doc *poolFile) error {
	t := &doc.Sharing
	o := &p.Sharing.Options
	p.Sharing = Sharing{Leases: true, Options: sched.Defaults()}
	if t.Leases != nil {
		p.Sharing.Leases = *t.Leases
	}
	if t.Predict != nil {
		o.Predict = *t.Predict
	}
	if t.Ahead != nil {
		o.Ahead = *t.Ahead
	}
	for _, part := range []struct {
		key     string
		given   *float64
		value   *float64
		largest float64
	}{
		{"delay", t.Delay, &o.Delay, maxDelay},
		{"least", t.Least, &o.Least, 1},
	} {
		if part.given == nil {
			continue
		}
		if !(*part.given >= 0 && *part.given <= part.largest) {
			return invalid(p.File, "sharing."+part.key, fmt.Sprintf("is %v", *part.given), fmt.Sprintf("0 to %v", part.largest))
		}
		*part.value = *part.given
	}
	if t.RunSet != nil {
		if *t.RunSet < 1 || *t.RunSet > maxRunSet {
			return invalid(p.File, "sharing.run_set", fmt.Sprintf("is %d", *t.RunSet), fmt.Sprintf("1 to %d", maxRunSet))
		}
		o.RunSet = int(*t.RunSet)
	}
	for _, d := range []struct {
		key               string
		text              *string
		value             *time.Duration
		shortest, longest time.Duration
	}{
		{"turn", t.Turn, &o.Turn, 100 * time.Microsecond, time.Second},
		{"budget", t.Budget, &o.Budget, 10 * time.Microsecond, time.Second},
		{"armed_budget", t.ArmedBudget, &o.ArmedBudget, 10 * time.Microsecond, time.Second},
		{"armed", t.Armed, &o.Armed, 0, time.Minute},
		{"patience", t.Patience, &o.Patience, 0, time.Minute},
	} {
		if d.text == nil {
			continue
		}
		value, err := time.ParseDuration(*d.text)
		if err != nil || value < d.shortest || value > d.longest {
			return invalid(p.File, "sharing."+d.key, fmt.Sprintf("is %q", *d.text), between(d.shortest, d.longest))
		}
		*d.value = value
	}
	return p.setSlice(t.Slice)
}

// Slices that hardware can be expected to keep, and that are of use.
const (
	shortestSlice = 50 * time.Microsecond
	longestSlice  = 10 * time.Millisecond
)

func (p *Pool) setSlice(text *string) error {
	if text == nil {
		return nil
	}
	value, err := time.ParseDuration(*text)
	if err != nil || value != 0 && (value < shortestSlice || value > longestSlice) {
		return invalid(p.File, "sharing.slice", fmt.Sprintf("is %q", *text), `"0s", or `+between(shortestSlice, longestSlice))
	}
	p.Sharing.Options.Slice = value
	return nil
}
