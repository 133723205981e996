package docs

import (
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var made = regexp.MustCompile("(?m)(?:^#   |^|`)make ([a-z-]+)(?:[ `:]|$)")

// Every target that a page or the Makefile's own list names is one, and the list has each
// that is not a part of another.
func TestMakefileHasWhatIsNamed(t *testing.T) {
	pages, err := filepath.Glob("*.md")
	if err != nil {
		t.Fatal(err)
	}
	makefile := read(t, "../Makefile")
	named := 0
	for _, page := range append(pages, "../README.md", "../Makefile", "../tests/device/README.md") {
		for _, found := range made.FindAllStringSubmatch(read(t, page), -1) {
			named++
			if !strings.Contains(makefile, "\n"+found[1]+":") {
				t.Errorf("%s names make %s, which the Makefile has not", page, found[1])
			}
		}
	}
	if named < 30 {
		t.Errorf("only %d targets were found", named)
	}
	phony := regexp.MustCompile(`(?m)^\.PHONY: (.*)$`).FindStringSubmatch(makefile)
	const parts = " all toolchain go-binaries guest kernel-module programs "
	for _, target := range strings.Fields(phony[1]) {
		if !strings.Contains(parts, " "+target+" ") && !strings.Contains(makefile, "\n#   make "+target+" ") {
			t.Errorf("make help does not list %s", target)
		}
	}
}
