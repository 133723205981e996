package system

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"libvirt-vgpu/tests/vm"
)

// Page is the commands of a Markdown document.
type Page struct {
	blocks []block
}

// block is a fenced block of commands.
type block struct {
	section  string // heading that it stands under
	language string // "sh" is typed on the host, "guest" in the guest
	text     string
	typed    bool
}

// readPage reads a document of docs/.
func readPage(name string) (*Page, error) {
	data, err := os.ReadFile(filepath.Join(vm.Root(), "docs", name))
	if err != nil {
		return nil, fmt.Errorf("reading page: %w", err)
	}
	return parsePage(string(data)), nil
}

func parsePage(text string) *Page {
	p := &Page{}
	section, fenced := "", false
	for _, line := range strings.Split(text, "\n") {
		language, fence := strings.CutPrefix(line, "```")
		switch {
		case fence && !fenced:
			p.blocks = append(p.blocks, block{section: section, language: language})
			fenced = true
		case fence:
			fenced = false
		case fenced:
			p.blocks[len(p.blocks)-1].text += line + "\n"
		case strings.HasPrefix(line, "## "):
			section = strings.TrimPrefix(line, "## ")
		}
	}
	return p
}

// take returns the nth block of commands under a heading, counted from 0, and
// notes that it is typed.
func (p *Page) take(section string, n int) (string, error) {
	for i := range p.blocks {
		b := &p.blocks[i]
		if b.section != section || b.language != "sh" && b.language != "guest" {
			continue
		}
		if n == 0 {
			b.typed = true
			return b.text, nil
		}
		n--
	}
	return "", fmt.Errorf("the page has not that many blocks of commands under %q", section)
}

// untyped are the blocks of commands that nobody took.
func (p *Page) untyped() []string {
	var left []string
	for _, b := range p.blocks {
		if !b.typed && (b.language == "sh" || b.language == "guest") {
			left = append(left, b.section+":\n"+b.text)
		}
	}
	return left
}
