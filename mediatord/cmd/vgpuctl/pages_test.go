package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/spf13/pflag"
)

// quoted is vgpuctl in a sentence, as code or in bold type.
var quoted = regexp.MustCompile("(?:`|\\*\\*)vgpuctl ([^`*]+)(?:`|\\*\\*)")

// typed are the words behind each vgpuctl that a page has in its blocks and sentences.
func typed(page string) (commands [][]string) {
	block := false
	for _, line := range strings.Split(page, "\n") {
		if strings.HasPrefix(strings.TrimSpace(line), "```") {
			block = !block
			continue
		}
		for _, found := range quoted.FindAllStringSubmatch(line, -1) {
			commands = append(commands, strings.Fields(found[1]))
		}
		line, _, _ = strings.Cut(line, " #")
		if command, found := strings.CutPrefix(strings.TrimSpace(line), "vgpuctl "); found && (block || strings.HasPrefix(line, "    ")) {
			commands = append(commands, strings.Fields(command))
		}
	}
	return commands
}

// Every command of vgpuctl that a page has is one, with its options.
func TestPagesTypeCommandsThatThereAre(t *testing.T) {
	const root = "../../../"
	var pages []string
	for _, pattern := range []string{"README.md", "docs/*.md", "packaging/man/*.md"} {
		some, err := filepath.Glob(root + pattern)
		if err != nil {
			t.Fatal(err)
		}
		pages = append(pages, some...)
	}
	found := 0
	for _, page := range pages {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		for _, words := range typed(string(text)) {
			found++
			if wrong := wrongCommand(words); wrong != "" {
				t.Errorf("%s has vgpuctl %s: %s", page, strings.Join(words, " "), wrong)
			}
		}
	}
	if found < 60 {
		t.Errorf("only %d commands were found", found)
	}
	for _, wrong := range []string{"frob", "pool frob", "list --frob", "events -x trace.json"} {
		if wrongCommand(strings.Fields(wrong)) == "" {
			t.Errorf("vgpuctl %s passes", wrong)
		}
	}
}

// wrongCommand is what is wrong with the words behind vgpuctl, "" if nothing is.
func wrongCommand(words []string) string {
	cmd, rest, err := newCommand().Find(words)
	if err != nil {
		return err.Error()
	}
	if cmd.HasSubCommands() && len(rest) > 0 {
		return cmd.Name() + " has no command " + rest[0]
	}
	cmd.InheritedFlags() // adds them to Flags
	for _, word := range rest {
		if word == "--" {
			break
		}
		name, isOption := strings.CutPrefix(word, "--")
		name, _, _ = strings.Cut(name, "=")
		var flag *pflag.Flag
		switch {
		case isOption:
			flag = cmd.Flags().Lookup(name)
		case strings.HasPrefix(word, "-"):
			flag = cmd.Flags().ShorthandLookup(word[1:])
		default:
			continue
		}
		if flag == nil {
			return "there is no " + word
		}
	}
	return ""
}
