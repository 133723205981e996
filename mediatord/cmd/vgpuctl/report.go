package main

import (
	"encoding/json"
	"fmt"
	"io"

	"libvirt-vgpu/mediatord/internal/domain"
)

// report is what a command did to a domain. As text each step is told when it is
// done; as JSON the whole at the end.
type report struct {
	Domain string `json:"domain"` // as the user typed it
	Steps  []step `json:"steps"`
	// NeedsRestart are attributes that are in force with the next start.
	NeedsRestart []string `json:"needs_restart"`
	Notes        []string `json:"notes"`

	out, errs io.Writer
	asJSON    bool
}

// step is one thing that was done, or found done.
type step struct {
	Action        string `json:"action"`        // "add-device", "set-metadata", ...
	Configuration string `json:"configuration"` // "persistent" or "live"
	Changed       bool   `json:"changed"`
	Text          string `json:"text"`
}

func newReport(name string, out, errs io.Writer, asJSON bool) *report {
	return &report{Domain: name, Steps: []step{}, NeedsRestart: []string{}, Notes: []string{}, out: out, errs: errs, asJSON: asJSON}
}

func (r *report) did(action string, which domain.Which, changed bool, format string, args ...any) {
	configuration := "persistent"
	if which == domain.Live {
		configuration = "live"
	}
	s := step{Action: action, Configuration: configuration, Changed: changed, Text: fmt.Sprintf(format, args...)}
	r.Steps = append(r.Steps, s)
	if !r.asJSON {
		fmt.Fprintf(r.out, "%s: %s\n", plain(r.Domain), s.Text)
	}
}

// note tells something that is not a step.
func (r *report) note(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	r.Notes = append(r.Notes, text)
	if !r.asJSON {
		fmt.Fprintf(r.out, "%s: %s\n", plain(r.Domain), text)
	}
}

// waiting tells a person what takes its time.
func (r *report) waiting(format string, args ...any) {
	if !r.asJSON {
		fmt.Fprintf(r.errs, "%s: %s\n", plain(r.Domain), fmt.Sprintf(format, args...))
	}
}

// end prints the report as JSON, if it is to be. A failure keeps what was done
// before it.
func (r *report) end(failure error) error {
	if !r.asJSON || failure != nil && len(r.Steps) == 0 {
		return failure
	}
	if err := writeJSON(r.out, r); err != nil {
		return err
	}
	return failure
}

func writeJSON(out io.Writer, value any) error {
	encoder := json.NewEncoder(out)
	encoder.SetIndent("", "  ")
	return encoder.Encode(value)
}
