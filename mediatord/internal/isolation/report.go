package isolation

import (
	"strings"

	"libvirt-vgpu/mediatord/internal/config"
)

// Level is what holds for a pool at the moment.
type Level string

// The levels.
const (
	// None: nothing is known of what the pool's devices can reach, or nothing
	// is demanded.
	None Level = "none"
	// ByGroup: the devices reach only host memory that was mapped for them.
	ByGroup Level = "group"
	// ByGroupAndMIG is ByGroup for a pool of MIG instances only, which the
	// GPU's hardware keeps apart.
	ByGroupAndMIG Level = "group+mig"
)

// Finding is one thing about a pool that an operator should know.
type Finding struct {
	// Breaks is set if the pool is not isolated because of it.
	Breaks bool `json:"breaks"`
	// Subject is a PCI address, or the pool file's name of a GPU.
	Subject string `json:"subject"`
	Problem string `json:"problem"`
	Remedy  string `json:"remedy,omitempty"` // "" = nothing to do
}

// String is problem and remedy as one sentence.
func (f Finding) String() string {
	if f.Remedy == "" {
		return f.Problem
	}
	return f.Problem + "; " + f.Remedy
}

// Report is what Check found of one pool.
type Report struct {
	Pool     string           `json:"pool"`
	Demand   config.Isolation `json:"demand"`
	Level    Level            `json:"level"`
	Groups   []int            `json:"groups"` // IOMMU groups, sorted
	Findings []Finding        `json:"findings"`
}

// Refused says that the pool demands what does not hold.
func (r Report) Refused() bool { return r.Demand == config.IsolationGroup && r.broken() }

func (r Report) broken() bool {
	for _, f := range r.Findings {
		if f.Breaks {
			return true
		}
	}
	return false
}

// Reasons are the findings that break the isolation, as one text.
func (r Report) Reasons() string {
	var reasons []string
	for _, f := range r.Findings {
		if f.Breaks {
			reasons = append(reasons, f.String())
		}
	}
	return strings.Join(reasons, ". ")
}
