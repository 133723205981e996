package scope

import (
	"context"
	"errors"
	"testing"

	"github.com/coreos/go-systemd/v22/dbus"
	godbus "github.com/godbus/dbus/v5"
)

// fakeService is a systemd in which this process is mediatord.service.
type fakeService struct {
	*fakeManager
	jobs  []dbus.JobStatus
	state string
	err   error
}

func (f *fakeService) GetUnitNameByPID(context.Context, uint32) (string, error) {
	return "mediatord.service", f.err
}
func (f *fakeService) ListJobsContext(context.Context) ([]dbus.JobStatus, error) { return f.jobs, nil }
func (f *fakeService) SystemStateContext(context.Context) (*dbus.Property, error) {
	return &dbus.Property{Name: "SystemState", Value: godbus.MakeVariant(f.state)}, nil
}

func TestStopped(t *testing.T) {
	other := dbus.JobStatus{Unit: "other.service", JobType: "start"}
	for _, tc := range []struct {
		name    string
		jobs    []dbus.JobStatus
		state   string
		err     error
		stopped bool
	}{
		{name: "systemctl stop", jobs: []dbus.JobStatus{other, {Unit: "mediatord.service", JobType: "stop"}}, state: "running", stopped: true},
		{name: "systemctl kill", jobs: []dbus.JobStatus{other}, state: "degraded", stopped: true},
		{name: "systemctl restart", jobs: []dbus.JobStatus{other, {Unit: "mediatord.service", JobType: "restart"}}, state: "running"},
		{name: "shutdown", jobs: []dbus.JobStatus{{Unit: "mediatord.service", JobType: "stop"}}, state: "stopping"},
		{name: "no answer", err: errors.New("timed out")},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, manages := newScopes()
			f := &fakeService{fakeManager: manages, jobs: tc.jobs, state: tc.state, err: tc.err}
			s := &Scopes{connect: func() (manager, error) { return f, nil }}
			stopped, err := s.Stopped(t.Context())
			if stopped != tc.stopped || !errors.Is(err, tc.err) {
				t.Errorf("stopped is %v, %v", stopped, err)
			}
			if f.closed != 1 {
				t.Errorf("%d connections were closed", f.closed)
			}
		})
	}
	if stopped, err := (*Scopes)(nil).Stopped(t.Context()); stopped || err != nil {
		t.Errorf("without systemd it is %v, %v", stopped, err)
	}
}

func TestHoldMovesTheHolderOut(t *testing.T) {
	_, manages := newScopes()
	f := &fakeService{fakeManager: manages}
	s := &Scopes{connect: func() (manager, error) { return f, nil }}
	if err := s.Hold(t.Context(), 42); err != nil {
		t.Fatal(err)
	}
	if pids, ok := f.started[heldUnit]["PIDs"].([]uint32); !ok || len(pids) != 1 || pids[0] != 42 {
		t.Errorf("the scope is %v", f.started)
	}
	f.result = "failed"
	if err := s.Hold(t.Context(), 42); err == nil {
		t.Error("a scope that failed is there")
	}
}
