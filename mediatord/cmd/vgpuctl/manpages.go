//go:build manpages

package main

import (
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
			return doc.GenManTree(root, &doc.GenManHeader{Section: "1", Source: "libvirt-vgpu " + version, Manual: "libvirt-vgpu"}, args[0])
		},
	})
}
