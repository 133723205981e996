//go:build !manpages

package main

import "github.com/spf13/cobra"

// addManpages does nothing: only the build of the packages writes manual pages.
func addManpages(*cobra.Command) {}
