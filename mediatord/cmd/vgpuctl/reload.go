package main

import (
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"libvirt-vgpu/mediatord/internal/bus"
)

// reloadedConfiguration says what became of another configuration, in sentences.
type reloadedConfiguration struct {
	Applied []string `json:"applied"`
	Later   []string `json:"later"`
}

func newReloadCommand(address *string) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "reload",
		Short: "Have mediatord read its pools and options again",
		Long: `Puts pool files and options in force that have changed, without a restart, and says
what is in force now and what waits for something. If a file is not valid nothing
changes; the error names file, key and what is allowed. It is what "systemctl reload
mediatord" runs. Domains that run keep their slots, quotas and GPUs.`,
		Args: takes(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := dial(*address)
			if err != nil {
				return err
			}
			defer c.close()
			var done reloadedConfiguration
			if err := c.call(cmd.Context(), bus.ManagerInterface+".Reload", nil, &done.Applied, &done.Later); err != nil {
				return err
			}
			if asJSON {
				return writeJSON(cmd.OutOrStdout(), done)
			}
			done.print(cmd.OutOrStdout())
			return nil
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

func (r reloadedConfiguration) print(out io.Writer) {
	for _, sentence := range r.Applied {
		fmt.Fprintln(out, "in force:", plain(sentence))
	}
	for _, sentence := range r.Later {
		fmt.Fprintln(out, "waits:", plain(sentence))
	}
	if len(r.Applied)+len(r.Later) == 0 {
		fmt.Fprintln(out, "nothing has changed")
	}
}
