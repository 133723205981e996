package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"
)

// Bounds of --interval.
const (
	shortestInterval = 100 * time.Millisecond
	longestInterval  = time.Hour
)

func newTopCommand(address *string) *cobra.Command {
	var once, asJSON, processes bool
	var interval time.Duration
	cmd := &cobra.Command{
		Use:   "top",
		Short: "Show who uses the GPUs now",
		Long: `Shows each domain's share of a GPU's time, the commands that wait in its rings,
its memory, its calls per second, and its calls that are not carried. The busiest
domain comes first. Rates are those of the last interval. A line below a domain says
what most have nothing of: memory and contexts that are parked in host memory, and
processes that the watchdog has ended.

On a terminal the picture is drawn again every --interval; q ends. Calls are those
that reach an executor: what the guest's library answers by itself is not seen.
A share of 100% is one whole GPU; "-" means that nobody measures it.`,
		Args: takes(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if interval < shortestInterval || interval > longestInterval {
				return fmt.Errorf("--interval is %v: allowed is 100ms to 1h", interval)
			}
			screen, onTerminal := cmd.OutOrStdout().(*os.File)
			onTerminal = onTerminal && term.IsTerminal(int(screen.Fd()))
			if !once && !asJSON && !onTerminal {
				return errors.New("standard output is not a terminal: use --once or --json")
			}
			c, err := dial(*address)
			if err != nil {
				return err
			}
			defer c.close()
			ctx, stop := signal.NotifyContext(cmd.Context(), syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
			defer stop()
			read := func() (sample, error) {
				s, err := c.status(ctx)
				return sample{at: time.Now(), status: s}, err
			}
			if !once && !asJSON {
				return watch(ctx, screen, interval, processes, read)
			}
			before, now, err := twoSamples(ctx, interval, read)
			if err != nil {
				return err
			}
			f := newFrame(before, now)
			if asJSON {
				encoder := json.NewEncoder(cmd.OutOrStdout())
				encoder.SetIndent("", "  ")
				return encoder.Encode(f)
			}
			_, err = fmt.Fprint(cmd.OutOrStdout(), f.text(narrowest, processes))
			return err
		},
	}
	cmd.Flags().DurationVar(&interval, "interval", time.Second, "time between two looks")
	cmd.Flags().BoolVar(&once, "once", false, "show one interval and end")
	cmd.Flags().BoolVar(&asJSON, "json", false, "show one interval as JSON and end")
	cmd.Flags().BoolVar(&processes, "processes", false, "show each domain's guest processes too")
	return cmd
}

func twoSamples(ctx context.Context, interval time.Duration, read func() (sample, error)) (before, now sample, err error) {
	if before, err = read(); err != nil {
		return before, now, err
	}
	select {
	case <-time.After(interval):
	case <-ctx.Done():
		return before, now, ctx.Err()
	}
	now, err = read()
	return before, now, err
}
