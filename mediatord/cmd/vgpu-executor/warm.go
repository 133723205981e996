package main

import (
	"fmt"
	"os"

	"github.com/sirupsen/logrus"
	"golang.org/x/sys/unix"

	"libvirt-vgpu/mediatord/executor/control"
)

// warmName is what a process that serves nobody yet calls itself.
const warmName = "vgpu-warm"

const ownName = "/proc/self/comm"

// prepareEarly loads the driver and then waits, for days perhaps, until mediatord
// says for whom. It has no context then, nothing of any guest, and is used once.
func prepareEarly(o *options, w *walls, conn *control.Conn) (*prepared, error) {
	// The name is for people: nothing depends on it.
	name, _ := os.ReadFile(ownName)
	_ = os.WriteFile(ownName, []byte(warmName), 0)
	p, err := prepare(*o, w, conn.Logger(logrus.Fields{}))
	if err != nil {
		return nil, fmt.Errorf("warming up: %w", err)
	}
	m, err := conn.Receive()
	if err != nil || m.Type != control.Serve {
		os.Exit(0) // nobody came
	}
	assigned := *o
	if err := assigned.flags().Parse(m.Serve.Arguments); err != nil {
		return nil, fmt.Errorf("reading assignment: %w", err)
	}
	for i, file := range m.Serve.Files {
		if err := unix.Dup3(int(file.Fd()), fdWindow+i, unix.O_CLOEXEC); err != nil {
			return nil, fmt.Errorf("taking file descriptors: %w", err)
		}
		_ = file.Close()
	}
	if err := nameJITCache(assigned.moduleCache); err != nil {
		return nil, err
	}
	*o = assigned
	_ = os.WriteFile(ownName, name, 0)
	return p, nil
}
