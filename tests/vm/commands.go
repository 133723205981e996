package vm

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"libvirt-vgpu/tests/vm/manifest"
)

// CommandsPort is where a guest finds its Commands; it goes into the manifest.
const CommandsPort = "/dev/ttyS1"

// Commands sends steps to a guest that has done those of its manifest.
type Commands struct {
	Path string // of the pipe, for Domain.Commands
	in   *os.File
}

// Commands makes the pipe of one start of the domain of this name. A step may be
// sent once the console says "@@ listening".
func (l *Libvirt) Commands(name string) (*Commands, error) {
	path := filepath.Join(l.Path("/var/log/libvirt"), "commands-"+name)
	for _, end := range []string{path + ".in", path + ".out"} {
		_ = os.Remove(end)
		// for QEMU's user too, whatever the umask
		if err := errors.Join(unix.Mkfifo(end, 0o666), os.Chmod(end, 0o666)); err != nil {
			return nil, fmt.Errorf("making pipe of commands: %w", err)
		}
	}
	in, err := os.OpenFile(path+".in", os.O_RDWR, 0)
	if err != nil {
		return nil, fmt.Errorf("making pipe of commands: %w", err)
	}
	return &Commands{Path: path, in: in}, nil
}

// Send asks the guest to do a step after those sent before.
func (c *Commands) Send(step manifest.Step) error {
	line, err := json.Marshal(step)
	if err == nil {
		_, err = c.in.Write(append(line, '\n'))
	}
	if err != nil {
		return fmt.Errorf("sending step %s: %w", step.Name, err)
	}
	return nil
}

// Close gives the pipe up.
func (c *Commands) Close() { _ = c.in.Close() }
