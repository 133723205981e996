package stage

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"

	"libvirt-vgpu/tests/vm/manifest"
)

// Program is a test program with its arguments, found on PATH in the guest.
type Program struct {
	Title string
	Argv  []string
}

// Programs are the test programs as a guest, or by way of cudart a host process,
// runs them: the driver's API, and the runtime's on every unmodified runtime.
func Programs(cudart func(Runtime) string) []Program {
	programs := []Program{
		{Title: "driverapi", Argv: []string{"driverapi"}},
		{Title: "driverapi, faulting kernel", Argv: []string{"driverapi", "fault"}},
	}
	for _, r := range Runtimes() {
		programs = append(programs, Program{
			Title: "runtimeapi, libcudart " + r.Version,
			Argv:  []string{"runtimeapi", "--cudart=" + cudart(r)},
		})
	}
	return programs
}

// Neighbour is the driver's program without what a process at its side would
// disturb: comparisons of free memory, which the domain's processes share.
func Neighbour() Program {
	groups := []string{"init", "kernels", "modules", "pinned", "streams", "threads", "graphs", "errors"}
	return Program{Title: "driverapi, two at once", Argv: append([]string{"driverapi"}, groups...)}
}

// NVML is the program that compares what NVML says with a domain's quota in bytes.
func NVML(quota uint64) Program {
	return Program{Title: "nvmlapi", Argv: []string{"nvmlapi", fmt.Sprintf("--total=%d", quota)}}
}

// Step is the program as a step of that name.
func (p Program) Step(name string) manifest.Step {
	argv := append([]string{"/usr/bin/" + p.Argv[0]}, p.Argv[1:]...)
	return manifest.Step{Name: name, Argv: argv, Timeout: 3 * time.Minute}
}

// Report is what a test program said of its checks.
type Report struct {
	Passed, Failed int
	Failures       []string // lines
}

// Errors of ReadReport.
var (
	ErrNoReport = errors.New("the program did not come to its last line")
	ErrMiscount = errors.New("the program's last line does not fit the lines before")
)

var lastLine = regexp.MustCompile(`^(\S+): (\d+) passed, (\d+) failed$`)

// ReadReport reads a program's output.
func ReadReport(program string, lines []string) (Report, error) {
	var r Report
	good, complete := 0, false
	for _, line := range lines {
		if strings.HasPrefix(line, "ok ") {
			good++
		}
		if strings.HasPrefix(line, "FAILED ") {
			r.Failures = append(r.Failures, line)
		}
		if m := lastLine.FindStringSubmatch(line); m != nil && m[1] == program {
			r.Passed, _ = strconv.Atoi(m[2])
			r.Failed, _ = strconv.Atoi(m[3])
			complete = true
		}
	}
	switch {
	case !complete:
		r.Passed, r.Failed = good, max(1, len(r.Failures))
		return r, fmt.Errorf("%s: %w", program, ErrNoReport)
	case good != r.Passed || len(r.Failures) != r.Failed || good == 0:
		return r, fmt.Errorf("%s: %w: %d passed, %d failed", program, ErrMiscount, good, len(r.Failures))
	}
	return r, nil
}
