package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"libvirt-vgpu/mediatord/internal/bus"
)

// parkResult is vgpuctl park's interface for programs.
type parkResult struct {
	Parked uint32   `json:"parked"` // processes
	Kept   []string `json:"kept"`   // why others are not
}

func newParkCommand(address *string) *cobra.Command {
	var asJSON, contexts bool
	cmd := &cobra.Command{
		Use:   "park DOMAIN",
		Short: "Move the GPU memory of a domain's idle processes to the host's memory",
		Long: `Moves the GPU memory of a domain's processes to the host's memory, as mediatord
does by itself when they have been idle for the pool's parking.after. A process
that has work stays as it is. The next call of a parked process brings its memory
back. With --context the processes' contexts go too, and with them all that they
have on the GPU; their next call takes some tenths of a second longer then. DOMAIN is a name or UUID as vgpuctl status shows it.`,
		Args: takes("DOMAIN"),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := dial(*address)
			if err != nil {
				return err
			}
			defer c.close()
			r, err := c.park(cmd.Context(), args[0], contexts)
			if err != nil {
				return err
			}
			if asJSON {
				return writeJSON(cmd.OutOrStdout(), r)
			}
			fmt.Fprintf(cmd.OutOrStdout(), "%d of %d processes are parked\n", r.Parked, int(r.Parked)+len(r.Kept))
			for _, why := range r.Kept {
				fmt.Fprintln(cmd.OutOrStdout(), plain(why))
			}
			return nil
		},
	}
	cmd.Flags().BoolVar(&contexts, "context", false, "their contexts too")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

// park asks for every slot of that name or UUID.
func (c *client) park(ctx context.Context, domain string, contexts bool) (parkResult, error) {
	sum := parkResult{Kept: []string{}}
	method := bus.ManagerInterface + ".Park"
	if contexts {
		method += "Contexts"
	}
	s, err := c.status(ctx)
	if err != nil {
		return sum, err
	}
	found := false
	for _, slot := range s.Slots {
		if slot.DomainName != domain && slot.UUID != domain {
			continue
		}
		found = true
		var r parkResult
		if err := c.call(ctx, method, []any{slot.UUID}, &r.Parked, &r.Kept); err != nil {
			return sum, err
		}
		sum.Parked += r.Parked
		sum.Kept = append(sum.Kept, r.Kept...)
	}
	if !found {
		return sum, fmt.Errorf("%s has no slot: vgpuctl status lists those that have", domain)
	}
	return sum, nil
}
