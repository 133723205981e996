package main

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"libvirt-vgpu/tests/stage"
	"libvirt-vgpu/tests/vm"
)

// demo counts what passed and failed on the way.
type demo struct {
	out            io.Writer
	stage          *stage.Stage
	rows           []row
	passed, failed int
}

// row is a line of the table at the end.
type row struct {
	what           string
	passed, failed int
	took           time.Duration
}

func (d *demo) title(format string, args ...any) {
	fmt.Fprintf(d.out, "\n== "+format+"\n", args...)
}

func (d *demo) say(format string, args ...any) {
	fmt.Fprintf(d.out, "   "+format+"\n", args...)
}

// report takes the result of a program with checks into the table.
func (d *demo) report(p stage.Program, title string, result vm.Result) {
	report, err := stage.ReadReport(p.Argv[0], result.Output)
	for _, line := range result.Output {
		if info, found := strings.CutPrefix(line, "info "); found {
			d.say("%s: %s", p.Argv[0], info)
		}
	}
	if err != nil || result.Exit != 0 {
		report.Failed = max(1, report.Failed)
		d.say("%v, exit status %d", err, result.Exit)
	}
	for _, line := range report.Failures {
		d.say("%s", line)
	}
	d.add(row{title, report.Passed, report.Failed, result.Time})
}

// check takes one check made on the host into the table.
func (d *demo) check(what string, took time.Duration, good bool) {
	if good {
		d.add(row{what, 1, 0, took})
	} else {
		d.add(row{what, 0, 1, took})
	}
}

func (d *demo) add(r row) {
	d.say("%s: %d passed, %d failed, %.1f s", r.what, r.passed, r.failed, r.took.Seconds())
	d.rows = append(d.rows, r)
	d.passed += r.passed
	d.failed += r.failed
}

// broken counts what kept the demonstration from going on.
func (d *demo) broken(err error) {
	d.failed++
	fmt.Fprintf(d.out, "\nthe demonstration broke off: %v\n", err)
	if d.stage != nil && d.stage.Libvirt != nil {
		if log := d.stage.Mediator.Log(); log != "" {
			fmt.Fprintf(d.out, "mediatord:\n%s\n", log)
		}
	}
}

// end prints the table and the last line, and returns the exit status.
func (d *demo) end() int {
	fmt.Fprintln(d.out)
	w := tabwriter.NewWriter(d.out, 0, 8, 3, ' ', 0)
	fmt.Fprintln(w, "PROGRAM\tCHECKS\tRESULT\tTIME")
	for _, r := range d.rows {
		result := "passed"
		if r.failed > 0 {
			result = fmt.Sprintf("%d FAILED", r.failed)
		}
		fmt.Fprintf(w, "%s\t%d\t%s\t%.1f s\n", r.what, r.passed+r.failed, result, r.took.Seconds())
	}
	_ = w.Flush()
	if d.passed == 0 && d.failed == 0 {
		d.failed = 1 // nothing was shown
	}
	fmt.Fprintf(d.out, "\ndemo: %d passed, %d failed\n", d.passed, d.failed)
	if d.failed > 0 {
		return 1
	}
	return 0
}
