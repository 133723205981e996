package main

import (
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
)

// takes admits one argument for each name; the last one, if it ends with "...", as
// many as there are, at least one.
func takes(names ...string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		endless := len(names) > 0 && strings.HasSuffix(names[len(names)-1], "...")
		var wrong string
		switch {
		case len(args) < len(names):
			wrong = strings.TrimSuffix(names[len(args)], "...") + " is missing"
		case len(args) > len(names) && !endless:
			wrong = fmt.Sprintf("%q is an argument too many", args[len(names)])
		default:
			return nil
		}
		return fmt.Errorf("%s: see %s --help", wrong, cmd.CommandPath())
	}
}

// showHelp is what a command does that is only the name of others.
func showHelp(cmd *cobra.Command, args []string) error {
	if len(args) > 0 {
		return fmt.Errorf("%s has no command %q: see %s --help", cmd.CommandPath(), args[0], cmd.CommandPath())
	}
	return cmd.Help()
}

// badFlag is pflag's error with where to look.
func badFlag(cmd *cobra.Command, err error) error {
	return fmt.Errorf("%w: see %s --help", err, cmd.CommandPath())
}

// unknownCommand is cobra's error, with its suggestions, in one line; any other error
// is returned as it is.
func unknownCommand(err error) error {
	text := err.Error()
	if !strings.HasPrefix(text, "unknown command ") {
		return err
	}
	wrong, suggestions, found := strings.Cut(text, "\n\nDid you mean this?\n")
	wrong, _, _ = strings.Cut(wrong, " for ")
	if !found {
		return fmt.Errorf("%s: see vgpuctl --help", wrong)
	}
	return errors.New(wrong + ": did you mean " + strings.Join(strings.Fields(suggestions), " or ") + "?")
}
