package enforced

import (
	"bufio"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"time"
)

// errDone marks an agent whose VM has gone.
var errDone = errors.New("the VM is gone")

// agent is agent.sh in a VM, as seen through the VM's serial port. One command runs
// at a time.
type agent struct {
	port    net.Conn
	answers chan string // lines; closed when the VM is gone
	last    int         // number of the last command
}

// reach connects to the port of a VM that boots, and waits until the agent answers.
func reach(ctx context.Context, socket string) (*agent, error) {
	a := &agent{answers: make(chan string, 16)}
	for {
		var err error
		if a.port, err = net.Dial("unix", socket); err == nil {
			break
		}
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("reaching the VM's serial port: %w", err)
		case <-time.After(100 * time.Millisecond):
		}
	}
	go func() {
		defer close(a.answers)
		lines := bufio.NewReader(a.port)
		for {
			line, err := lines.ReadString('\n')
			if err != nil {
				return
			}
			a.answers <- strings.TrimSpace(line)
		}
	}()
	// what is sent before it listens is lost
	for {
		attempt, cancel := context.WithTimeout(ctx, 3*time.Second)
		_, _, err := a.run(attempt, "true")
		cancel()
		switch {
		case err == nil:
			return a, nil
		case ctx.Err() != nil, errors.Is(err, errDone):
			_ = a.port.Close()
			return nil, fmt.Errorf("waiting for the VM's agent: %w", err)
		}
	}
}

// run runs a command of the shell; output is what it wrote on stdout and stderr.
func (a *agent) run(ctx context.Context, command string) (output string, status int, err error) {
	a.last++
	id := "c" + strconv.Itoa(a.last)
	if _, err := fmt.Fprintf(a.port, "%s %s\n", id, base64.StdEncoding.EncodeToString([]byte(command))); err != nil {
		return "", 0, fmt.Errorf("sending command: %w", err)
	}
	for {
		select {
		case <-ctx.Done():
			return "", 0, ctx.Err()
		case line, more := <-a.answers:
			if !more {
				return "", 0, errDone
			}
			// the port's echo of early commands has no status
			words := strings.Fields(line)
			if len(words) < 2 || words[0] != id {
				continue
			}
			status, err := strconv.Atoi(words[1])
			if err != nil {
				continue
			}
			if len(words) > 2 {
				text, err := base64.StdEncoding.DecodeString(words[2])
				if err != nil {
					return "", 0, fmt.Errorf("reading answer: %w", err)
				}
				output = strings.TrimRight(string(text), "\n")
			}
			return output, status, nil
		}
	}
}
