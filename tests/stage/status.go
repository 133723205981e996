package stage

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

// ErrNever marks a condition that did not come true in time.
var ErrNever = errors.New("it never came to that")

// Status is the part of `vgpuctl status --json` that is looked at.
type Status struct {
	Pools []Pool `json:"pools"`
	Slots []Slot `json:"slots"`
}

// Pool is a pool of Status.
type Pool struct {
	Name string `json:"name"`
	Used int    `json:"used"` // slots
}

// Slot is a slot of Status; sizes are in bytes.
type Slot struct {
	UUID        string    `json:"uuid"`
	DomainName  string    `json:"domain_name"`
	Kind        string    `json:"kind"`
	Pool        string    `json:"pool"`
	Priority    string    `json:"priority"`
	Weight      int       `json:"weight"`
	State       string    `json:"state"`
	Connected   bool      `json:"connected"`
	SocketPath  string    `json:"socket_path"`
	MemoryQuota uint64    `json:"memory_quota"`
	MemoryUsed  uint64    `json:"memory_used"`
	Channels    []Channel `json:"channels"`
}

// Channel is a guest process of a Slot.
type Channel struct {
	Channel     int    `json:"channel"`
	PID         int    `json:"pid"` // in the guest
	Comm        string `json:"comm"`
	State       string `json:"state"`
	ExecutorPID int    `json:"executor_pid"` // 0 is none
	MemoryUsed  uint64 `json:"memory_used"`
	Message     string `json:"message"`
}

// Slot finds a slot by the domain's name; the zero Slot if it has none.
func (s Status) Slot(domain string) Slot {
	for _, slot := range s.Slots {
		if slot.DomainName == domain {
			return slot
		}
	}
	return Slot{}
}

// Process finds a guest process with an executor by its command; the zero
// Channel if there is none.
func (s Slot) Process(comm string) Channel {
	for _, c := range s.Channels {
		if c.Comm == comm && c.ExecutorPID != 0 {
			return c
		}
	}
	return Channel{}
}

// Status asks vgpuctl.
func (s *Stage) Status(ctx context.Context) (Status, error) {
	var status Status
	out, err := s.Vgpuctl(ctx, "status", "--json")
	if err != nil {
		return status, err
	}
	if err := json.Unmarshal([]byte(out), &status); err != nil {
		return status, fmt.Errorf("reading vgpuctl status: %w", err)
	}
	return status, nil
}

// Until asks for the status until it is as wanted. The error, of a status that
// never was within the time, has ErrNever and the last status.
func (s *Stage) Until(ctx context.Context, within time.Duration, wanted func(Status) bool) (Status, error) {
	for deadline := time.Now().Add(within); ; time.Sleep(poll) {
		status, err := s.Status(ctx)
		if err != nil || wanted(status) {
			return status, err
		}
		if time.Now().After(deadline) {
			text, _ := json.MarshalIndent(status, "", "  ")
			return status, fmt.Errorf("waiting for vgpuctl status: %w within %v\n%s", ErrNever, within, text)
		}
	}
}
