// Package scope puts executors into cgroups of their own: one transient scope
// of systemd each, in its domain's slice, in its pool's slice, in vgpu.slice.
// They are no part of mediatord's service, so its restart leaves them alone.
package scope

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/coreos/go-systemd/v22/dbus"
	"github.com/coreos/go-systemd/v22/unit"
	"github.com/coreos/go-systemd/v22/util"
	godbus "github.com/godbus/dbus/v5"
)

// slack is what an executor may have beside its window and its quota: the driver,
// modules, and what Go needs.
const slack = 4 << 30

// maxTasks bounds an executor's threads.
const maxTasks = 1024

// patience is how long systemd may take.
const patience = 10 * time.Second

// maxName is how long an escaped name may be in a slice's, so that three fit
// into 255 bytes.
const maxName = 100

// Domain is what shares a slice.
type Domain struct {
	Pool, Name, UUID string
	Weight           int // CPUWeight: both are 1..10000, 100 by default
}

// Executor is a process to be placed.
type Executor struct {
	Domain
	PID     int
	Channel int
	Memory  uint64   // bytes of window and quota
	Devices []string // nodes, or "char-NAME" as in DeviceAllow=
}

// manager is systemd: dbus.Conn.
type manager interface {
	StartTransientUnitContext(ctx context.Context, name, mode string, properties []dbus.Property, done chan<- string) (int, error)
	StopUnitContext(ctx context.Context, name, mode string, done chan<- string) (int, error)
	SetUnitPropertiesContext(ctx context.Context, name string, runtime bool, properties ...dbus.Property) error
	Close()
}

// Scopes speaks to systemd. Its methods may be used by several goroutines.
type Scopes struct {
	connect func() (manager, error)

	mu   sync.Mutex // guards conn; held over calls
	conn manager
}

// New returns nil unless this process is a service of the systemd that runs the
// host: only then may it move processes about.
func New() *Scopes {
	if !util.IsRunningSystemd() || os.Getenv("INVOCATION_ID") == "" {
		return nil
	}
	// The connection lasts as long as its context.
	return &Scopes{connect: func() (manager, error) { return dbus.NewWithContext(context.Background()) }}
}

// Place moves an executor into a new scope. Without systemd it does nothing.
func (s *Scopes) Place(e Executor) error {
	if s == nil {
		return nil
	}
	slice := sliceName(e.Domain)
	err := s.use(func(ctx context.Context, m manager) error {
		about := dbus.PropDescription("vGPU executors of " + e.Name)
		if err := start(ctx, m, slice, []dbus.Property{about, property("CPUWeight", uint64(e.Weight))}); err != nil {
			return err
		}
		return start(ctx, m, fmt.Sprintf("vgpu-executor-%d.scope", e.PID), properties(e, slice))
	})
	if err != nil {
		return fmt.Errorf("placing executor %d into %s: %w", e.PID, slice, err)
	}
	return nil
}

// Weigh gives a domain's executors together another share of the CPUs. Without
// systemd it does nothing.
func (s *Scopes) Weigh(d Domain) error {
	if s == nil {
		return nil
	}
	name := sliceName(d)
	err := s.use(func(ctx context.Context, m manager) error {
		return m.SetUnitPropertiesContext(ctx, name, true, property("CPUWeight", uint64(d.Weight)))
	})
	if err != nil {
		return fmt.Errorf("weighing %s: %w", name, err)
	}
	return nil
}

// Clear removes a domain's slice, in which no executor may be any more. Without
// systemd, or without a slice, it does nothing.
func (s *Scopes) Clear(d Domain) error {
	if s == nil {
		return nil
	}
	name := sliceName(d)
	err := s.use(func(ctx context.Context, m manager) error {
		done := make(chan string, 1)
		_, err := m.StopUnitContext(ctx, name, "fail", done)
		if named(err, "NoSuchUnit") {
			return nil
		}
		if err != nil {
			return err
		}
		return await(ctx, name, done)
	})
	if err != nil {
		return fmt.Errorf("stopping %s: %w", name, err)
	}
	return nil
}

// use makes a call; one that fails on a connection from before is made again on a
// new one, because systemd or the bus may have been started again.
func (s *Scopes) use(call func(context.Context, manager) error) error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	s.mu.Lock()
	defer s.mu.Unlock()
	for {
		fresh := s.conn == nil
		if fresh {
			conn, err := s.connect()
			if err != nil {
				return fmt.Errorf("connecting to systemd: %w", err)
			}
			s.conn = conn
		}
		err := call(ctx, s.conn)
		if err == nil {
			return nil
		}
		s.conn.Close()
		s.conn = nil
		if fresh || ctx.Err() != nil {
			return err
		}
	}
}

// start starts a unit and waits until it is active.
func start(ctx context.Context, m manager, name string, properties []dbus.Property) error {
	done := make(chan string, 1)
	_, err := m.StartTransientUnitContext(ctx, name, "fail", properties, done)
	if named(err, "UnitExists") {
		return nil // an earlier executor's slice, or an earlier mediatord has placed this one
	}
	if err != nil {
		return fmt.Errorf("starting %s: %w", name, err)
	}
	return await(ctx, name, done)
}

// await waits for the end of a unit's job.
func await(ctx context.Context, name string, done <-chan string) error {
	select {
	case result := <-done:
		if result != "done" {
			return fmt.Errorf("the job of %s ended as %q", name, result)
		}
		return nil
	case <-ctx.Done():
		return fmt.Errorf("the job of %s: %w", name, ctx.Err())
	}
}

// named says that systemd's error has that name.
func named(err error, name string) bool {
	var failure godbus.Error
	return errors.As(err, &failure) && failure.Name == "org.freedesktop.systemd1."+name
}

func properties(e Executor, slice string) []dbus.Property {
	type allowed struct{ Node, Access string }
	devices := []allowed{}
	for _, node := range e.Devices {
		devices = append(devices, allowed{node, "rw"})
	}
	return []dbus.Property{
		dbus.PropDescription(fmt.Sprintf("vGPU executor of %s, channel %d", e.Name, e.Channel)),
		dbus.PropSlice(slice),
		dbus.PropPids(uint32(e.PID)),
		property("CollectMode", "inactive-or-failed"),
		property("MemoryMax", e.Memory+slack),
		property("TasksMax", uint64(maxTasks)),
		property("DevicePolicy", "closed"),
		property("DeviceAllow", devices),
	}
}

func property(name string, value any) dbus.Property {
	return dbus.Property{Name: name, Value: godbus.MakeVariant(value)}
}

// sliceName is vgpu-POOL-DOMAIN.slice; a domain whose name is too long goes by
// its UUID.
func sliceName(d Domain) string {
	pool, name := escape(d.Pool), escape(d.Name)
	if len(name) > maxName {
		name = strings.ReplaceAll(d.UUID, "-", "")
	}
	return "vgpu-" + pool + "-" + name + ".slice"
}

// escape leaves no hyphen, which would be another level of slices.
func escape(name string) string { return unit.UnitNameEscape(name) }
