// Package sandbox puts walls around an executor, which parses what a hostile guest
// sends with a driver of millions of lines: whoever takes it over shall find
// nothing there but the guest's own memory and the GPU's device nodes.
//
// The walls go up in two steps. Enter runs first of all: it gives up what a
// process keeps over exec (capabilities, files by Landlock) and starts the program
// again behind that, so that every thread there will ever be is inside, those of
// the GPU's driver too. Seal runs when the driver is open and before the first
// byte of a guest is read: system calls by seccomp, no core, no ptrace.
//
// The kernel holds all of them; nothing in this process can take one down again.
package sandbox

import (
	"errors"
	"fmt"
	"strings"
)

// Mode says what is demanded.
type Mode string

// The modes.
const (
	Off       Mode = "off"       // no walls
	Available Mode = "available" // those that the kernel offers
	Required  Mode = "required"  // all of them, or the executor does not start
	// Trial refuses nothing that the walls around files and system calls would
	// refuse, but writes it down: what does a new driver need?
	Trial Mode = "trial"
)

// ParseMode fails for a word that is no mode.
func ParseMode(text string) (Mode, error) {
	switch m := Mode(text); m {
	case Off, Available, Required, Trial:
		return m, nil
	}
	return "", fmt.Errorf("walls %q: allowed are %s, %s, %s, %s", text, Available, Required, Off, Trial)
}

// Wall names one kind of protection.
type Wall string

// The walls.
const (
	User         Wall = "user"         // the process does not run as root
	Capabilities Wall = "capabilities" // it has none and cannot gain any
	Files        Wall = "files"        // Landlock: the files of Plan, no TCP, no signals or abstract sockets beyond
	Calls        Wall = "system-calls" // seccomp: those by name that a driver needs
	Memory       Wall = "memory"       // no core file, no ptrace by its own user
)

// All walls, in the order in which they are told.
var all = [...]Wall{User, Capabilities, Files, Calls, Memory}

// ErrMissing: walls were required and do not stand.
var ErrMissing = errors.New("walls are required and do not stand")

// Report says which walls were found to stand, and why others do not.
type Report struct {
	Standing []Wall
	Missing  map[Wall]string
}

// Check fails with ErrMissing unless all walls stand.
func (r Report) Check() error {
	if len(r.Missing) == 0 {
		return nil
	}
	return fmt.Errorf("%w: %s", ErrMissing, r.missing())
}

func (r Report) missing() string {
	var reasons []string
	for _, wall := range all {
		if reason, ok := r.Missing[wall]; ok {
			reasons = append(reasons, fmt.Sprintf("%s (%s)", wall, reason))
		}
	}
	return strings.Join(reasons, ", ")
}

// Names are the standing walls with commas between.
func (r Report) Names() string {
	names := make([]string, len(r.Standing))
	for i, wall := range r.Standing {
		names[i] = string(wall)
	}
	return strings.Join(names, ",")
}

// String is one line for a log.
func (r Report) String() string {
	line := "walls: none"
	if len(r.Standing) > 0 {
		line = "walls: " + r.Names()
	}
	if len(r.Missing) > 0 {
		line += "; missing: " + r.missing()
	}
	return line
}
