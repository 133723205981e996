//go:build manpages

package main

import (
	"fmt"

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
				fmt.Fprintf(cmd.OutOrStdout(), "**--%s**=*%s*\n: %s", f.Name, f.Value.Type(), f.Usage)
				if f.DefValue != "" && f.DefValue != "false" {
					fmt.Fprintf(cmd.OutOrStdout(), ". Default: `%s`", f.DefValue)
				}
				fmt.Fprint(cmd.OutOrStdout(), "\n\n")
			})
		},
	})
}
