package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"libvirt-vgpu/mediatord/internal/bus"
	"libvirt-vgpu/mediatord/internal/events"
	"libvirt-vgpu/mediatord/internal/trace"
)

// followEvery is how often --follow asks for more.
const followEvery = 500 * time.Millisecond

// Values of --format.
const (
	formatText  = "text"
	formatJSON  = "json"
	formatTrace = "trace"
)

func newEventsCommand(address *string) *cobra.Command {
	var o eventOptions
	cmd := &cobra.Command{
		Use:   "events",
		Short: "Show what happened to slots and executors, and who had the GPU when",
		Long: `Shows mediatord's memory of what happened: starts that were refused, slots, executors,
faults, and the scheduler's decisions. It holds the newest 4096 events of lives and
65536 decisions, and begins anew with mediatord.

  --format text   a line for each (default); the scheduler's only with --leases
  --format json   a JSON object for each, one a line
  --format trace  a Chrome trace for https://ui.perfetto.dev or chrome://tracing: a
                  track for each slot and each guest process, and one for the GPU
                  on which each stretch of work is a bar`,
		Args: takes(),
		RunE: func(cmd *cobra.Command, _ []string) (err error) {
			if err := o.check(); err != nil {
				return err
			}
			c, err := dial(*address)
			if err != nil {
				return err
			}
			defer c.close()
			out := cmd.OutOrStdout()
			if o.output != "" {
				file, err := os.Create(o.output)
				if err != nil {
					return fmt.Errorf("--output: %w", err)
				}
				defer func() { err = errors.Join(err, file.Close()) }()
				out = file
			}
			ctx, stop := signal.NotifyContext(cmd.Context(), syscall.SIGINT, syscall.SIGTERM)
			defer stop()
			shown := &counter{Writer: out}
			if err := o.show(ctx, shown, c.events); err != nil {
				return err
			}
			if shown.bytes == 0 && o.format == formatText && !o.follow {
				fmt.Fprintln(cmd.ErrOrStderr(), o.nothing())
			}
			return nil
		},
	}
	f := cmd.Flags()
	f.StringVar(&o.format, "format", formatText, "text, json or trace")
	f.StringVarP(&o.output, "output", "o", "", "file to write instead of standard output")
	f.StringVar(&o.domain, "domain", "", "only events of the domain of this name or UUID")
	f.BoolVar(&o.leases, "leases", false, "show in text who had the GPU too")
	f.BoolVar(&o.follow, "follow", false, "go on with what happens from now on")
	return cmd
}

// events reads what happened after an event's number.
func (c *client) events(ctx context.Context, since uint64) ([]bus.Event, error) {
	var all []bus.Event
	err := c.call(ctx, bus.ManagerInterface+".Events", []any{since}, &all)
	return all, err
}

// counter counts what passes.
type counter struct {
	io.Writer
	bytes int
}

func (c *counter) Write(text []byte) (int, error) {
	n, err := c.Writer.Write(text)
	c.bytes += n
	return n, err
}

type eventOptions struct {
	format, output, domain string
	leases, follow         bool
}

func (o eventOptions) check() error {
	switch o.format {
	case formatText, formatJSON:
		return nil
	case formatTrace:
		if o.follow {
			return errors.New("--follow does not go with --format trace, which is drawn at the end: draw it later again")
		}
		return nil
	}
	return fmt.Errorf("--format is %q: allowed are text, json and trace", o.format)
}

// nothing is for a person who sees no line; a name may be mistyped.
func (o eventOptions) nothing() string {
	if o.domain != "" {
		return fmt.Sprintf("vgpuctl: nothing of domain %s since mediatord's start: vgpuctl events shows that of all", plain(o.domain))
	}
	return "vgpuctl: nothing has happened since mediatord's start"
}

func (o eventOptions) show(ctx context.Context, out io.Writer, read func(context.Context, uint64) ([]bus.Event, error)) error {
	var drawn []events.Event
	begun := time.Now().UnixNano()
	for last, enough := uint64(0), false; ; {
		page, err := read(ctx, last)
		if err != nil {
			return err
		}
		for _, e := range page {
			last, enough = e.Sequence, e.Time > begun // decisions may come faster than they are read
			if o.domain != "" && o.domain != e.Domain && o.domain != e.DomainUUID {
				continue
			}
			if o.format == formatTrace {
				drawn = append(drawn, fromBus(e))
			} else if err := o.line(out, e); err != nil {
				return fmt.Errorf("writing events: %w", err)
			}
		}
		switch {
		case len(page) > 0 && (o.follow || !enough):
		case o.format == formatTrace:
			return trace.Write(out, drawn)
		case !o.follow:
			return nil
		default:
			select {
			case <-ctx.Done():
				return nil
			case <-time.After(followEvery):
			}
		}
	}
}

// eventLine is an event for programs.
type eventLine struct {
	Number     uint64    `json:"number"`
	Time       time.Time `json:"time"`
	Kind       string    `json:"kind"`
	Domain     string    `json:"domain,omitempty"`
	DomainUUID string    `json:"domain_uuid,omitempty"`
	Pool       string    `json:"pool,omitempty"`
	GPU        string    `json:"gpu,omitempty"`
	Channel    *int32    `json:"channel,omitempty"`
	Executor   uint32    `json:"executor_pid,omitempty"`
	Process    uint32    `json:"pid,omitempty"`
	Command    string    `json:"command,omitempty"`
	Result     uint32    `json:"result,omitempty"`
	Text       string    `json:"text,omitempty"`
	Nanos      uint64    `json:"nanoseconds,omitempty"` // that it lasted; of a lease, within which its work must be done
}

func (o eventOptions) line(out io.Writer, e bus.Event) error {
	at := time.Unix(0, e.Time)
	if o.format == formatJSON {
		line := eventLine{
			Number: e.Sequence, Time: at.UTC(), Kind: e.Kind, Domain: e.Domain, DomainUUID: e.DomainUUID, Pool: e.Pool, GPU: e.GPU,
			Executor: e.Executor, Process: e.Process, Command: e.Command, Result: e.Result, Text: e.Text, Nanos: e.Span,
		}
		if e.Channel != events.NoChannel {
			line.Channel = &e.Channel
		}
		return json.NewEncoder(out).Encode(line)
	}
	kind := events.Kind(e.Kind)
	if !o.leases && (kind == events.LeaseGranted || kind == events.LeaseEnded || kind == events.GPUUsed) {
		return nil
	}
	text := fmt.Sprintf("%s  %-16s  %s", at.Local().Format("2006-01-02 15:04:05.000"), e.Kind, plain(e.Domain))
	if e.Channel != events.NoChannel {
		text += fmt.Sprintf("  channel %d  %s [%d]", e.Channel, plain(e.Command), e.Process)
	} else if e.Pool != "" {
		text += "  pool " + plain(e.Pool)
	}
	if e.Result != 0 {
		text += fmt.Sprintf("  error %d", e.Result)
	}
	if e.Span != 0 {
		text += fmt.Sprintf("  for %v", time.Duration(e.Span))
	}
	if e.Text != "" {
		text += "  " + plain(e.Text)
	}
	_, err := fmt.Fprintln(out, text)
	return err
}

func fromBus(e bus.Event) events.Event {
	return events.Event{
		Sequence: e.Sequence, Time: time.Unix(0, e.Time), Kind: events.Kind(e.Kind), Domain: e.Domain, DomainUUID: e.DomainUUID,
		Pool: e.Pool, GPU: e.GPU, Channel: int(e.Channel), Executor: int(e.Executor), Process: e.Process, Command: e.Command,
		Result: e.Result, Text: e.Text, Span: time.Duration(min(e.Span, math.MaxInt64)),
	}
}
