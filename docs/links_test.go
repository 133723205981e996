package docs

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

var (
	link    = regexp.MustCompile(`\]\(([^)\s]+)\)`)
	heading = regexp.MustCompile(`(?m)^#+ (.*)$`)
	noWord  = regexp.MustCompile(`[^a-z0-9 _-]`)
	folder  = regexp.MustCompile("^(docs|guest|hooks|mediatord|packaging|plugin|tests|xml)/[A-Za-z0-9_./-]+$")
)

// anchors are what the headings of a page are linked by.
func anchors(page string) []string {
	var all []string
	for _, found := range heading.FindAllStringSubmatch(page, -1) {
		all = append(all, strings.ReplaceAll(noWord.ReplaceAllString(strings.ToLower(found[1]), ""), " ", "-"))
	}
	return all
}

// Every link within the project leads somewhere, and every file that is named with its
// folder is there.
func TestLinksAndFiles(t *testing.T) {
	pages, err := filepath.Glob("*.md")
	if err != nil {
		t.Fatal(err)
	}
	links, names := 0, 0
	for _, page := range append(pages, "../README.md") {
		text := read(t, page)
		for _, found := range link.FindAllStringSubmatch(text, -1) {
			if strings.Contains(found[1], "://") {
				continue
			}
			links++
			path, anchor, anchored := strings.Cut(found[1], "#")
			target := filepath.Join(filepath.Dir(page), path)
			if path == "" {
				target = page
			}
			if _, err := os.Stat(target); err != nil {
				t.Errorf("%s leads to %s, which is not there", page, found[1])
			} else if anchored && !slices.Contains(anchors(read(t, target)), anchor) {
				t.Errorf("%s leads to %s, which has no such heading", page, found[1])
			}
		}
		for _, line := range strings.Split(text, "\n") {
			for _, found := range quoted.FindAllStringSubmatch(line, -1) {
				if !folder.MatchString(found[1]) {
					continue
				}
				names++
				if _, err := os.Stat(filepath.Join("..", found[1])); err != nil {
					t.Errorf("%s names %s, which is not there", page, found[1])
				}
			}
		}
	}
	if links < 40 || names < 40 {
		t.Errorf("only %d links and %d names were found", links, names)
	}
}
