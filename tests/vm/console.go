package vm

import (
	"context"
	"errors"
	"fmt"
	"os"
	"regexp"
	"strconv"
	"strings"
	"time"
)

const consolePoll = 20 * time.Millisecond

// Errors of waiting for a guest.
var (
	// ErrGuest: the guest said that it cannot go on, or its kernel crashed.
	ErrGuest = errors.New("guest broke down")
	// ErrVMEnded: the VM is gone and the line never came.
	ErrVMEnded = errors.New("VM ended")
)

// Console is a guest's serial console, captured into a file.
type Console struct {
	Path string
	// Ended says whether the VM is gone, so that nothing more will come; nil
	// means never.
	Ended func() bool
}

// Result is how one step of the manifest ended.
type Result struct {
	Exit   int
	Time   time.Duration
	Output []string // lines, without the step's prefix
}

// Lines is everything so far, without carriage returns; a last line that is not
// complete is left out.
func (c *Console) Lines() ([]string, error) {
	data, err := os.ReadFile(c.Path)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading console: %w", err)
	}
	lines := strings.Split(strings.ReplaceAll(string(data), "\r", ""), "\n")
	return lines[:len(lines)-1], nil
}

// WaitLine waits for a line that contains text and returns it. It fails when
// ctx is done, with ErrGuest and with ErrVMEnded, and then quotes the console's end.
func (c *Console) WaitLine(ctx context.Context, text string) (string, error) {
	for {
		ended := c.Ended != nil && c.Ended()
		lines, err := c.Lines()
		if err != nil {
			return "", err
		}
		for _, line := range lines {
			if strings.Contains(line, text) {
				return line, nil
			}
		}
		switch {
		case broken(lines):
			err = ErrGuest
		case ended:
			err = ErrVMEnded
		}
		if err != nil {
			return "", fmt.Errorf("waiting for %q on the console: %w\n%s", text, err, tail(lines))
		}
		select {
		case <-ctx.Done():
			return "", fmt.Errorf("waiting for %q on the console: %w\n%s", text, ctx.Err(), tail(lines))
		case <-time.After(consolePoll):
		}
	}
}

// WaitEnd waits until every step is done and returns their results by name.
func (c *Console) WaitEnd(ctx context.Context) (map[string]Result, error) {
	if _, err := c.WaitLine(ctx, "@@ end"); err != nil {
		return nil, err
	}
	return c.Results()
}

var resultLine = regexp.MustCompile(`^@@ (\S+) exit=(\d+) ms=(\d+)$`)

// Results are the steps that have ended so far; a step that still runs has none.
func (c *Console) Results() (map[string]Result, error) {
	lines, err := c.Lines()
	if err != nil {
		return nil, err
	}
	output := make(map[string][]string)
	results := make(map[string]Result)
	for _, line := range lines {
		if m := resultLine.FindStringSubmatch(line); m != nil {
			exit, _ := strconv.Atoi(m[2])
			ms, _ := strconv.Atoi(m[3])
			results[m[1]] = Result{Exit: exit, Time: time.Duration(ms) * time.Millisecond, Output: output[m[1]]}
		} else if name, text, found := strings.Cut(line, "| "); found {
			output[name] = append(output[name], text)
		}
	}
	return results, nil
}

// KernelLog is what the guest's kernel logged since guestinit started.
func (c *Console) KernelLog() ([]string, error) {
	lines, err := c.Lines()
	if err != nil {
		return nil, err
	}
	var log []string
	for _, line := range lines {
		if text, found := strings.CutPrefix(line, "kernel| "); found {
			log = append(log, text)
		}
	}
	return log, nil
}

func broken(lines []string) bool {
	for _, line := range lines {
		if strings.HasPrefix(line, "@@ broken") || strings.Contains(line, "Kernel panic") {
			return true
		}
	}
	return false
}

func tail(lines []string) string {
	return strings.Join(lines[max(0, len(lines)-30):], "\n")
}
