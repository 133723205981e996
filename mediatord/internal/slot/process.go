package slot

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
)

// Process is a process of this host, told apart from a later one of its number.
type Process struct {
	PID     int    `json:"pid"`
	Started uint64 `json:"started"` // clock ticks after the host's start
}

// findProcess looks a process up.
func findProcess(pid int) (Process, error) {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return Process{}, fmt.Errorf("looking up process: %w", err)
	}
	// The name, in parentheses, may have any bytes; 22nd field: proc(5).
	fields := bytes.Fields(stat[bytes.LastIndexByte(stat, ')')+1:])
	if len(fields) < 20 {
		return Process{}, fmt.Errorf("looking up process %d: its stat has %d fields", pid, len(fields))
	}
	started, err := strconv.ParseUint(string(fields[19]), 10, 64)
	if err != nil {
		return Process{}, fmt.Errorf("looking up process %d: %w", pid, err)
	}
	if state := fields[0][0]; state == 'Z' || state == 'X' {
		return Process{}, fmt.Errorf("looking up process %d: %w", pid, os.ErrNotExist)
	}
	return Process{PID: pid, Started: started}, nil
}

// Alive says that the process has not ended.
func (p *Process) Alive() bool {
	if p == nil {
		return false
	}
	now, err := findProcess(p.PID)
	return err == nil && now == *p
}
