package scope

import (
	"context"
	"fmt"
	"os"
	"strings"

	"github.com/coreos/go-systemd/v22/dbus"
)

// heldUnit is the scope of the process that has a stopped mediatord's files.
const heldUnit = "vgpu-held.scope"

// service is systemd as a service that ends asks it: dbus.Conn.
type service interface {
	manager
	GetUnitNameByPID(ctx context.Context, pid uint32) (string, error)
	ListJobsContext(ctx context.Context) ([]dbus.JobStatus, error)
	SystemStateContext(ctx context.Context) (*dbus.Property, error)
}

// Stopped says whether systemd ends this service for good: not to start it again at
// once, and not because the host shuts down.
func (s *Scopes) Stopped(ctx context.Context) (bool, error) {
	if s == nil {
		return false, nil
	}
	conn, err := s.service()
	if err != nil {
		return false, err
	}
	defer conn.Close()
	name, err := conn.GetUnitNameByPID(ctx, uint32(os.Getpid()))
	if err != nil {
		return false, fmt.Errorf("asking systemd for this service: %w", err)
	}
	jobs, err := conn.ListJobsContext(ctx)
	if err != nil {
		return false, fmt.Errorf("asking systemd for its jobs: %w", err)
	}
	for _, job := range jobs {
		if job.Unit == name && job.JobType != "stop" {
			return false, nil
		}
	}
	state, err := conn.SystemStateContext(ctx)
	if err != nil {
		return false, fmt.Errorf("asking systemd for its state: %w", err)
	}
	return !strings.Contains(state.Value.String(), "stopping"), nil
}

// Hold moves the process that holds files of a stopped mediatord out of its service.
func (s *Scopes) Hold(ctx context.Context, pid int) error {
	if s == nil {
		return nil
	}
	conn, err := s.service()
	if err != nil {
		return err
	}
	defer conn.Close()
	done := make(chan string, 1)
	properties := []dbus.Property{dbus.PropPids(uint32(pid)), dbus.PropSlice("vgpu.slice"), dbus.PropDescription("what a stopped mediatord keeps for running domains")}
	if _, err := conn.StartTransientUnitContext(ctx, heldUnit, "replace", properties, done); err != nil {
		return fmt.Errorf("making %s: %w", heldUnit, err)
	}
	select {
	case result := <-done:
		if result != "done" {
			return fmt.Errorf("making %s: %s", heldUnit, result)
		}
		return nil
	case <-ctx.Done():
		return fmt.Errorf("making %s: %w", heldUnit, ctx.Err())
	}
}

// service is a connection of its own: it is needed once.
func (s *Scopes) service() (service, error) {
	conn, err := s.connect()
	if err != nil {
		return nil, fmt.Errorf("connecting to systemd: %w", err)
	}
	asked, ok := conn.(service)
	if !ok {
		conn.Close()
		return nil, fmt.Errorf("connecting to systemd: %T cannot be asked for jobs", conn)
	}
	return asked, nil
}
