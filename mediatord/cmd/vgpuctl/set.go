package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"libvirt-vgpu/mediatord/internal/domain"
	vgpuxml "libvirt-vgpu/xml"
)

func newSetCommand(address, uri *string) *cobra.Command {
	var config, live, asJSON bool
	cmd := &cobra.Command{
		Use:   "set DOMAIN",
		Short: "Change pool, priority, memory, weight or window of a domain's vGPU",
		Long: `Changes the vgpu:gpu element in a domain's metadata, after its pool has admitted
what it asks for. Of a running domain priority, memory and weight change at once;
pool and window change with its next start, and vgpuctl says so. Without --config
and --live both configurations change, as far as the domain has them and they have a
vGPU.`,
		Args: takes("DOMAIN"),
	}
	wanted := addSettings(cmd.Flags())
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if len(wanted.given()) == 0 {
			return errors.New("nothing to change: give --pool, --priority, --memory, --weight or --window")
		}
		r := newReport(args[0], cmd.OutOrStdout(), cmd.ErrOrStderr(), asJSON)
		return r.end(withDomain(*uri, args[0], func(target domain.Target) error {
			s := setter{name: args[0], target: target, wanted: wanted, report: r}
			if c, err := dial(*address); err == nil {
				defer c.close()
				s.mediatord = c
			}
			return s.set(cmd.Context(), config || !live, live || !config, config || live)
		}))
	}
	cmd.Flags().BoolVar(&config, "config", false, "change the persistent configuration only")
	cmd.Flags().BoolVar(&live, "live", false, "change the running domain only")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

// setter changes one domain's element.
type setter struct {
	name      string // as the user typed it
	target    domain.Target
	mediatord mediatorCalls // nil if there is no bus
	wanted    *settings
	report    *report
}

// set changes the configurations that are asked for. If the user named them, one
// that the domain does not have, or that has no vGPU, is an error; else it is one if
// neither has.
func (s setter) set(ctx context.Context, config, live, named bool) error {
	active, err := s.target.IsActive()
	if err != nil {
		return domainFailed(s.name, "asking for its state", err)
	}
	persistent, err := s.target.IsPersistent()
	if err != nil {
		return domainFailed(s.name, "asking for its kind", err)
	}
	switch {
	case named && live && !active:
		return fmt.Errorf("domain %s does not run: leave --live out", s.name)
	case named && config && !persistent:
		return fmt.Errorf("domain %s is transient and has no persistent configuration: leave --config out", s.name)
	}
	// Each configuration is checked before any of them changes.
	var changes []pending
	var lacking error
	for _, part := range []struct {
		which domain.Which
		on    bool
	}{{domain.Live, live && active}, {domain.Persistent, config && persistent}} {
		if !part.on {
			continue
		}
		p, err := s.plan(ctx, part.which)
		switch without := noVGPU(""); {
		case !named && errors.As(err, &without):
			lacking = err
		case err != nil:
			return err
		default:
			changes = append(changes, p)
		}
	}
	if len(changes) == 0 {
		return lacking
	}
	for _, p := range changes {
		if err := s.apply(ctx, p); err != nil {
			return err
		}
	}
	return nil
}

// pending is a change of one configuration.
type pending struct {
	which domain.Which
	from  domain.Configuration
	to    vgpuxml.GPU
}

// noVGPU is the error of a configuration without the element.
type noVGPU string

func (text noVGPU) Error() string { return string(text) }

func (s setter) plan(ctx context.Context, which domain.Which) (pending, error) {
	c, err := domain.Read(s.target, which)
	if err != nil {
		return pending{}, domainFailed(s.name, "looking at it", err)
	}
	if errors.Is(c.ElementErr, vgpuxml.ErrNoGPU) {
		command := "vgpuctl attach " + shellQuote(s.name) + " --pool POOL"
		if which == domain.Live {
			command += " --live"
		}
		return pending{}, noVGPU(fmt.Sprintf("the %s of %s has no vGPU: give it one with %s", which, s.name, command))
	}
	if err := elementProblem(s.name, c, which); err != nil {
		return pending{}, err
	}
	p := pending{which: which, from: c, to: c.GPU}
	if err := s.wanted.apply(&p.to); err != nil {
		return p, err
	}
	if which == domain.Persistent {
		err = checkPool(ctx, s.mediatord, p.to, s.report)
	}
	return p, err
}

func (s setter) apply(ctx context.Context, p pending) error {
	if p.which == domain.Live {
		if err := s.change(ctx, p); err != nil {
			return err
		}
	}
	if p.to == p.from.GPU {
		s.report.did("set-metadata", p.which, false, "the metadata of the %s says that already", p.which)
		return nil
	}
	if err := domain.SetElement(s.target, p.to, p.which); err != nil {
		return domainFailed(s.name, "changing it", err)
	}
	s.report.did("set-metadata", p.which, true, "set the metadata of the %s to %s", p.which, p.to.Snippet())
	return nil
}

// change has mediatord give the running domain what it can have at once.
func (s setter) change(ctx context.Context, p pending) error {
	if p.from.Device.State == vgpuxml.DeviceMissing {
		s.report.note("the running domain has no device yet: it gets its vGPU with its next start, or with vgpuctl attach --live %s", shellQuote(s.name))
		return nil
	}
	err := errNoMediatord
	var applied, restart []string
	if s.mediatord != nil {
		applied, restart, err = s.mediatord.change(ctx, p.from.UUID, p.to)
	}
	if err != nil {
		return err
	}
	if len(applied) > 0 {
		s.report.did("change-slot", domain.Live, true, "%s in force now", are(applied))
	}
	s.report.NeedsRestart = append(s.report.NeedsRestart, restart...)
	if len(restart) > 0 {
		s.report.note("%s in force with the next start: virsh shutdown %s, then virsh start %s", are(restart), shellQuote(s.name), shellQuote(s.name))
	}
	return nil
}

// are is "memory is" or "memory and weight are".
func are(names []string) string {
	if len(names) == 1 {
		return names[0] + " is"
	}
	return strings.Join(names[:len(names)-1], ", ") + " and " + names[len(names)-1] + " are"
}
