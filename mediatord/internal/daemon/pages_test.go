package daemon

import (
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// Every option that a page, or the service, gives mediatord is one.
func TestPagesNameOptionsThatThereAre(t *testing.T) {
	const root = "../../../"
	command := regexp.MustCompile("(?:^|`|/)mediatord ((?:[^`])*)")
	option := regexp.MustCompile(`(?:^|\s)--([a-z-]+)`)
	var pages []string
	for _, pattern := range []string{"README.md", "docs/*.md", "packaging/man/mediatord.8.md", "packaging/host/files/mediatord.*"} {
		some, err := filepath.Glob(root + pattern)
		if err != nil {
			t.Fatal(err)
		}
		pages = append(pages, some...)
	}
	options := NewCommand("test", io.Discard).Flags()
	found := 0
	for _, page := range pages {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		for _, line := range strings.Split(string(text), "\n") {
			for _, typed := range command.FindAllStringSubmatch(line, -1) {
				for _, name := range option.FindAllStringSubmatch(typed[1], -1) {
					found++
					if options.Lookup(name[1]) == nil {
						t.Errorf("%s has mediatord --%s, which is no option", page, name[1])
					}
				}
			}
		}
	}
	if found < 8 {
		t.Errorf("only %d options were found", found)
	}
}
