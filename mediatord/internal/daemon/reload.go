package daemon

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/sirupsen/logrus"
	"github.com/spf13/pflag"

	"libvirt-vgpu/mediatord/internal/config"
	"libvirt-vgpu/mediatord/internal/mediator"
	"libvirt-vgpu/mediatord/internal/refusal"
)

// optionsVariable is what the service's unit puts behind the options of its own.
const optionsVariable = "MEDIATORD_OPTIONS"

// reloader reads the configuration again; it is a bus.Reloader.
type reloader struct {
	options  options
	started  string // value of optionsVariable, of which this mediatord was made
	mediator *mediator.Mediator
	log      *logrus.Logger

	mu      sync.Mutex // one reload at a time
	warming sync.WaitGroup
	ctx     context.Context // ends the warming
	problem atomic.Pointer[string]
}

// Problem implements bus.Reloader.
func (r *reloader) Problem() string {
	if text := r.problem.Load(); text != nil {
		return *text
	}
	return ""
}

func (r *reloader) setProblem(err error) {
	text := ""
	if err != nil {
		text = err.Error()
	}
	r.problem.Store(&text)
}

// Reload implements bus.Reloader. What happens is logged too.
func (r *reloader) Reload() (mediator.Configured, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.ctx.Err() != nil {
		return mediator.Configured{}, errEnding
	}
	pools, err := config.Load(r.options.pools)
	var changed []changedOption
	if err == nil {
		changed, err = r.changedOptions()
	}
	r.setProblem(err)
	if err != nil {
		r.log.WithError(err).Error("the configuration is not valid; the earlier one stays in force")
		return mediator.Configured{}, refusal.Because(refusal.ErrInvalidConfiguration, "%v; the earlier configuration stays in force until this is mended", err)
	}
	done := r.mediator.Configure(pools)
	for _, o := range changed {
		done = o.take(r.log, done)
	}
	for _, sentence := range done.Later {
		r.log.Warn("reload: " + sentence)
	}
	r.log.WithFields(logrus.Fields{"changed": len(done.Applied), "waits": len(done.Later)}).Info("configuration read again")
	r.warming.Go(func() { r.mediator.Warm(r.ctx) })
	return done, nil
}

// errEnding: a reload came too late.
var errEnding = errors.New("mediatord is ending; the next one reads the configuration")

// end waits for what reloads began; ctx must have ended.
func (r *reloader) end() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.warming.Wait()
}

// onSignal reloads at every signal until the mediator's end; errors are logged.
func (r *reloader) onSignal(signals <-chan os.Signal) {
	for {
		select {
		case <-r.ctx.Done():
			return
		case <-signals:
			_, _ = r.Reload()
		}
	}
}

// Summary is the mediator's, for the service manager.
func (r *reloader) Summary() string {
	if problem := r.Problem(); problem != "" {
		return r.mediator.Summary() + "; the configuration is not valid: " + problem
	}
	return r.mediator.Summary()
}

// Ping is the mediator's.
func (r *reloader) Ping(ctx context.Context) error { return r.mediator.Ping(ctx) }

// changedOption is one that this mediatord was started with in another way.
type changedOption struct {
	name  string // without dashes
	level logrus.Level
}

// take puts an option in force, if that goes without a start.
func (o changedOption) take(log *logrus.Logger, done mediator.Configured) mediator.Configured {
	switch {
	case o.name != "log-level":
		done.Later = append(done.Later, fmt.Sprintf("option --%s is read at the start only: systemctl restart mediatord", o.name))
	case log.GetLevel() != o.level:
		log.SetLevel(o.level)
		done.Applied = append(done.Applied, "option --log-level: "+o.level.String())
	}
	return done
}

// changedOptions compares the file of options with what mediatord was started
// with.
func (r *reloader) changedOptions() ([]changedOption, error) {
	file := r.options.environmentFile
	if file == "" {
		return nil, nil
	}
	text, err := os.ReadFile(file)
	if err != nil && !os.IsNotExist(err) {
		return nil, fmt.Errorf("reading options: %w", err)
	}
	value := variable(string(text), optionsVariable)
	if strings.ContainsAny(value+r.started, `"'\`) { // words that only systemd can tell apart
		if value == r.started {
			return nil, nil
		}
		return []changedOption{{name: "... of " + file}}, nil
	}
	var before, after options
	earlier, err := before.parse(r.started)
	if err != nil {
		return nil, fmt.Errorf("reading the options of the start: %w", err)
	}
	flags, err := after.parse(value)
	if err != nil {
		return nil, fmt.Errorf("%s in %s: %w", optionsVariable, file, err)
	}
	if !flags.Changed("log-level") && !earlier.Changed("log-level") {
		after.logLevel = r.options.logLevel // the unit's
	}
	level, err := after.level()
	if err != nil {
		return nil, fmt.Errorf("%s in %s: %w", optionsVariable, file, err)
	}
	var changed []changedOption
	flags.VisitAll(func(f *pflag.Flag) {
		// log-level may have been changed since the start
		if f.Name == "log-level" || f.Value.String() != earlier.Lookup(f.Name).Value.String() {
			changed = append(changed, changedOption{name: f.Name, level: level})
		}
	})
	return changed, nil
}

// parse reads options as the unit passes them.
func (o *options) parse(words string) (*pflag.FlagSet, error) {
	flags := pflag.NewFlagSet("mediatord", pflag.ContinueOnError)
	flags.SetOutput(io.Discard)
	o.declare(flags)
	if err := flags.Parse(strings.Fields(words)); err != nil {
		return nil, err
	}
	if flags.NArg() > 0 {
		return nil, fmt.Errorf("%q is no option", flags.Arg(0))
	}
	return flags, nil
}

// variable is the value of a variable in a file such as systemd reads.
func variable(text, name string) string {
	value := ""
	for line := range strings.Lines(text) {
		left, right, found := strings.Cut(strings.TrimSpace(line), "=")
		if !found || strings.TrimSpace(left) != name {
			continue
		}
		value = strings.TrimSpace(right)
		if n := len(value); n >= 2 && (value[0] == '"' || value[0] == '\'') && value[n-1] == value[0] {
			value = value[1 : n-1]
		}
	}
	return value
}
