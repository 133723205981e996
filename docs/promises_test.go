// Package docs holds what the documents say against the tree.
package docs

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var (
	quoted = regexp.MustCompile("`([^`]+)`")
	named  = regexp.MustCompile(`^(Test|Fuzz)[A-Z]\w*$`)
)

// tests are the names of the tests of a package.
func tests(t *testing.T, directory string) string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join("..", directory, "*_test.go"))
	if err != nil {
		t.Fatal(err)
	}
	var all strings.Builder
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		all.Write(text)
	}
	return all.String()
}

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// Every promise names what keeps it, and that is there.
func TestPromisesAreKept(t *testing.T) {
	makefile, stages := read(t, "../Makefile"), read(t, "../tests/device/run.py")
	var directory, source string
	promises := 0
	for number, line := range strings.Split(read(t, "promises.md"), "\n") {
		cells := strings.Split(line, "|")
		if strings.HasPrefix(line, "#") {
			directory, source = "", ""
		}
		if len(cells) != 4 || strings.TrimSpace(cells[2]) == "kept by" || strings.HasPrefix(cells[1], "---") {
			continue
		}
		promises++
		keepers := 0
		for _, found := range quoted.FindAllStringSubmatch(cells[2], -1) {
			what := found[1]
			switch {
			case named.MatchString(what):
				if !strings.Contains(source, "\nfunc "+what+"(") {
					t.Errorf("line %d: %s has no %s", number+1, directory, what)
				}
			case strings.HasPrefix(what, "make "):
				if target := strings.TrimPrefix(what, "make "); !strings.Contains(makefile, "\n"+target+":") {
					t.Errorf("line %d: the Makefile has no %s", number+1, target)
				}
			case strings.HasPrefix(what, "tests/device/run.py "):
				stage, _, _ := strings.Cut(strings.TrimPrefix(what, "tests/device/run.py "), "=")
				if !strings.Contains(stages, `"`+stage+`"`) {
					t.Errorf("line %d: tests/device/run.py has no stage %s", number+1, stage)
				}
			case strings.Contains(what, "/") || tests(t, what) != "":
				directory, source = what, tests(t, what)
				if !strings.Contains(source, "\nfunc Test") && !strings.Contains(source, "\nfunc Fuzz") {
					t.Errorf("line %d: %s has no tests", number+1, what)
				}
			default:
				continue // a step of a test, or a word of the sentence
			}
			keepers++
		}
		if keepers == 0 {
			t.Errorf("line %d: nothing keeps %q", number+1, strings.TrimSpace(cells[1]))
		}
	}
	if promises < 30 {
		t.Errorf("only %d promises were found", promises)
	}
}
