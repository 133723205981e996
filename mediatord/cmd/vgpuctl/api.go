package main

import (
	"encoding/json"
	"fmt"
	"io"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"libvirt-vgpu/plugin/api"
)

// apiLine is one driver function as vgpuctl shows it.
type apiLine struct {
	Function  string    `json:"function"`
	PerThread string    `json:"per_thread,omitempty"`
	Class     api.Class `json:"class"`
	Since     int       `json:"since,omitempty"`
}

func newAPICommand() *cobra.Command {
	var asJSON, summary, refused bool
	cmd := &cobra.Command{
		Use:   "api",
		Short: "Show which driver functions are carried and how",
		Long: `Prints the API table: one line per function of the CUDA driver library with its
class. local: answered in the guest process; posted: put on the ring without a
reply; replied: waits for the executor; refused: answers
CUDA_ERROR_NOT_SUPPORTED; data: debugger hooks, exported and inert. With
--refused, prints what is refused and why.`,
		Args: takes(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			functions, err := api.Functions()
			if err != nil {
				return fmt.Errorf("reading API table: %w", err)
			}
			switch out := cmd.OutOrStdout(); {
			case refused:
				return writeRefusals(out, asJSON)
			case summary:
				return writeAPISummary(out, functions, asJSON)
			case asJSON:
				return json.NewEncoder(out).Encode(apiLines(functions))
			default:
				return writeAPITable(out, functions)
			}
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	cmd.Flags().BoolVar(&summary, "summary", false, "print how many functions each class has")
	cmd.Flags().BoolVar(&refused, "refused", false, "print the refused functions with the reason of each")
	cmd.MarkFlagsMutuallyExclusive("summary", "refused")
	return cmd
}

// writeRefusals prints one line per refused function; as JSON, one object per
// reason.
func writeRefusals(out io.Writer, asJSON bool) error {
	list, err := api.Refusals()
	if err != nil {
		return fmt.Errorf("reading reasons: %w", err)
	}
	if asJSON {
		type group struct {
			Reason    string   `json:"reason"`
			Functions []string `json:"functions"`
		}
		groups := make([]group, 0, len(list))
		for _, r := range list {
			groups = append(groups, group{r.Reason, r.Functions})
		}
		return json.NewEncoder(out).Encode(groups)
	}
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	for _, r := range list {
		for _, f := range r.Functions {
			fmt.Fprintf(w, "%s\t%s\n", f, r.Reason)
		}
	}
	return w.Flush()
}

func apiLines(functions []api.Function) []apiLine {
	lines := make([]apiLine, 0, len(functions))
	for _, f := range functions {
		lines = append(lines, apiLine{Function: f.Symbol, PerThread: f.PerThread.Symbol, Class: f.Class, Since: f.Base.Since})
	}
	return lines
}

func writeAPITable(out io.Writer, functions []api.Function) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	for _, l := range apiLines(functions) {
		fmt.Fprintf(w, "%s\t%s\t%s\n", l.Function, l.Class, l.PerThread)
	}
	return w.Flush()
}

func writeAPISummary(out io.Writer, functions []api.Function, asJSON bool) error {
	counts := map[api.Class]int{}
	carried := 0
	for _, f := range functions {
		counts[f.Class]++
		if f.Carried() {
			carried++
		}
	}
	if asJSON {
		return json.NewEncoder(out).Encode(map[string]any{"functions": len(functions), "carried": carried, "classes": counts})
	}
	for _, class := range []api.Class{api.Local, api.Posted, api.Replied, api.Refused, api.Data} {
		fmt.Fprintf(out, "%-8s %4d\n", class, counts[class])
	}
	_, err := fmt.Fprintf(out, "carried  %4d of %d\n", carried, len(functions))
	return err
}
