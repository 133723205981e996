// Package doctor looks a host over: is everything there that a domain needs to
// get its vGPU? Each check says what is wrong and what to do.
//
// Everything of the host comes through Host, so that a test can have a host of
// its own.
package doctor

import (
	"context"
	"path/filepath"
	"time"

	"libvirt-vgpu/mediatord/internal/gpu"
)

// Level is how bad a finding is.
type Level string

// The levels.
const (
	OK      Level = "ok"
	Warning Level = "warning" // works, or may work; somebody should look
	Problem Level = "problem" // domains do not get their vGPU, or not this pool's
)

// Finding is the result of a check, or a part of it.
type Finding struct {
	Check  string `json:"check"` // a name that does not change: "driver", "hook", ...
	Level  Level  `json:"level"`
	Text   string `json:"text"`
	Remedy string `json:"remedy,omitempty"` // what to do
}

// Host is where the checks look.
type Host struct {
	Root    string // of the file system, "/"
	Pools   string // directory of pool files, in Root
	Version string // of the caller

	// GPUs lists what NVML has.
	GPUs func() ([]gpu.GPU, error)
	// Mediatord asks mediatord for its version. Its error is errors.Is
	// ErrNoBus or ErrNoMediatord if one of these is missing.
	Mediatord func(ctx context.Context) (version string, err error)
	// Libvirt connects to libvirt.
	Libvirt func() error
	// Reloaded is when systemd last reloaded a unit; zero if it does not say.
	Reloaded func(ctx context.Context, unit string) time.Time
}

// path is a file of the host.
func (h Host) path(name string) string { return filepath.Join(h.Root, name) }

// check is one thing that is looked at.
type check struct {
	name string
	look func(context.Context, Host) []Finding
}

// checks lists all, in the order in which a person would mend them.
func checks() []check {
	return []check{
		{"kernel", kernel},
		{"driver", driver},
		{"iommu", iommu},
		{"qemu", qemu},
		{"libvirt", libvirt},
		{"hook", hook},
		{"bus", policy},
		{"mediatord", mediatord},
		{"executor", executor},
		{"permissions", permissions},
		{"apparmor", apparmor},
		{"selinux", selinux},
		{"pools", pools},
	}
}

// Names lists the checks.
func Names() []string {
	var names []string
	for _, c := range checks() {
		names = append(names, c.name)
	}
	return names
}

// Examine runs all checks; told, if not nil, hears each finding as it is made.
func (h Host) Examine(ctx context.Context, told func(Finding)) []Finding {
	var all []Finding
	for _, c := range checks() {
		for _, f := range c.look(ctx, h) {
			f.Check = c.name
			all = append(all, f)
			if told != nil {
				told(f)
			}
		}
	}
	return all
}

// Healthy says that no finding is a Problem.
func Healthy(findings []Finding) bool {
	for _, f := range findings {
		if f.Level == Problem {
			return false
		}
	}
	return true
}

func ok(text string) []Finding { return []Finding{{Level: OK, Text: text}} }
func warning(text, remedy string) []Finding {
	return []Finding{{Level: Warning, Text: text, Remedy: remedy}}
}
func problem(text, remedy string) []Finding {
	return []Finding{{Level: Problem, Text: text, Remedy: remedy}}
}
