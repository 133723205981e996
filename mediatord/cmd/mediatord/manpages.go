//go:build manpages

package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// addManpages adds "options", which writes the options as Markdown for the
// manual page.
func addManpages(root *cobra.Command) {
	root.AddCommand(&cobra.Command{
		Use:    "options",
		Hidden: true,
		Run: func(cmd *cobra.Command, _ []string) {
			root.Flags().VisitAll(func(f *pflag.Flag) {
				if f.Hidden || f.Name == "help" || f.Name == "version" {
					return
				}
				out := cmd.OutOrStdout()
				fmt.Fprintf(out, "**--%s**", f.Name)
				if kind := f.Value.Type(); kind != "bool" {
					fmt.Fprintf(out, "=*%s*", strings.Replace(kind, "stringSlice", "string,...", 1))
				}
				fmt.Fprintf(out, "\n: %s", f.Usage)
				if value := strings.Trim(f.DefValue, "[]"); value != "" && value != "false" {
					fmt.Fprintf(out, ". Default: `%s`", value)
				}
				fmt.Fprint(out, "\n\n")
			})
		},
	})
}
