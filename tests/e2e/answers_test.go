package e2e

import (
	"bufio"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"libvirt-vgpu/tests/vm"
)

// answers are the notes of checks by family.check. The conformance suite's notes
// are the same wherever the library and the executor answer like the driver.
type answers map[string]string

// The files below tests/conformance/answers: what a driver answered on an H200,
// and what the software GPU answers where that differs or is not measured.
const (
	ofDriver   = "h200.txt"
	ofSoftware = "software.txt"
)

// readAnswers reads a file of lines "family.check notes"; # begins a comment.
func readAnswers(t *testing.T, name string) answers {
	t.Helper()
	text, err := os.ReadFile(answersFile(name))
	must(t, err)
	all := answers{}
	for line := range strings.Lines(string(text)) {
		if !strings.HasPrefix(line, "#") {
			all.add(line)
		}
	}
	return all
}

func answersFile(name string) string {
	return filepath.Join(vm.Root(), "tests", "conformance", "answers", name)
}

func (a answers) add(line string) {
	check, notes, _ := strings.Cut(strings.TrimSpace(line), " ")
	if check != "" {
		a[check] = notes
	}
}

// collect takes the notes of the checks that passed.
func (a answers) collect(out string) {
	for line := range strings.Lines(out) {
		if answer, ok := strings.CutPrefix(line, "ok "); ok {
			a.add(answer)
		}
	}
}

// differences between what is kept and what was given, a line for each. Checks
// without an answer that is kept are no difference: they are new.
func (a answers) differences(driver, software answers) []string {
	var all []string
	for check, given := range a {
		kept, ok := software[check]
		if natively, measured := driver[check]; !ok {
			kept, ok = natively, measured
		} else if measured && kept == natively {
			all = append(all, fmt.Sprintf("%s: %s repeats %s", check, ofSoftware, ofDriver))
		}
		if ok && kept != given {
			all = append(all, fmt.Sprintf("%s: answers %q, but %q is kept", check, given, kept))
		}
	}
	slices.Sort(all)
	return all
}

// write keeps what the software GPU answered.
func (a answers) write(driver answers) error {
	var lines []string
	for check, given := range a {
		if natively, measured := driver[check]; !measured || natively != given {
			lines = append(lines, strings.TrimSpace(check+" "+given))
		}
	}
	slices.Sort(lines)
	f, err := os.Create(answersFile(ofSoftware))
	if err != nil {
		return fmt.Errorf("keeping answers: %w", err)
	}
	defer f.Close()
	w := bufio.NewWriter(f)
	fmt.Fprintf(w, "# What the software GPU answers where %s says something else or nothing. VGPU_ANSWERS=keep make e2e writes this file.\n", ofDriver)
	for _, line := range lines {
		fmt.Fprintln(w, line)
	}
	return w.Flush()
}

func TestAnswersDiffer(t *testing.T) {
	given := answers{}
	given.collect("info x 1\nok a.same 1 2\nok a.soft 5\nok a.new 9\nok a.changed 3\nok a.silent\nFAILED a.bad no\n")
	driver := answers{"a.same": "1 2", "a.soft": "4", "a.changed": "4", "a.silent": "", "a.bad": "1"}
	want := []string{`a.changed: answers "3", but "4" is kept`}
	if got := given.differences(driver, answers{"a.soft": "5"}); !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
	if got := given.differences(driver, answers{"a.soft": "5", "a.same": "1 2", "a.changed": "3"}); len(got) != 1 {
		t.Errorf("%q", got)
	}
}
