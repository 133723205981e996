//go:build manpages

package main

import (
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"
)

// addManpages adds "manpages DIRECTORY", which writes vgpuctl(1) and a page for
// each subcommand. Their date is SOURCE_DATE_EPOCH.
func addManpages(root *cobra.Command) {
	root.AddCommand(&cobra.Command{
		Use:    "manpages DIRECTORY",
		Hidden: true,
		Args:   cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			root.DisableAutoGenTag = true
			root.CompletionOptions.HiddenDefaultCmd = true // the package installs its output
			forManual(root)
			root.Long += exitStatus
			return doc.GenManTree(root, &doc.GenManHeader{Section: "1", Source: "libvirt-vgpu " + version, Manual: "libvirt-vgpu"}, args[0])
		},
	})
}

const exitStatus = `# EXIT STATUS

0; 1 when something could not be done, which one line on standard error says. **vgpuctl run** ends as its command does, **vgpuctl doctor** and
**vgpuctl pool check** with 1 when there is a problem.
`

// forManual makes Markdown of a command's texts, and of its subcommands': angle brackets are no
// tags in it, and what is indented keeps its lines.
func forManual(cmd *cobra.Command) {
	if cmd.HasSubCommands() {
		cmd.Use = cmd.Name() + " COMMAND"
	}
	text := cmd.Long
	if text == "" {
		text = cmd.Short + "."
	}
	var lines []string
	for _, line := range strings.Split(text, "\n") {
		if strings.HasPrefix(line, "  ") {
			line = "    " + line
		} else {
			line = escaped(line)
		}
		lines = append(lines, line)
	}
	cmd.Long, cmd.Use = strings.Join(lines, "\n")+commands(cmd), escaped(cmd.Use)
	for _, sub := range cmd.Commands() {
		forManual(sub)
	}
}

func escaped(text string) string {
	return strings.NewReplacer("<", `\<`, ">", `\>`).Replace(text)
}

// commands is a section with what each command of a group is for, "" of one that is none.
func commands(group *cobra.Command) string {
	if !group.HasSubCommands() {
		return ""
	}
	var b strings.Builder
	b.WriteString("\n\n# COMMANDS\n\n")
	for _, cmd := range group.Commands() {
		if cmd.IsAvailableCommand() {
			b.WriteString("**" + cmd.Name() + "**\n: " + cmd.Short + "\n\n")
		}
	}
	return b.String()
}
