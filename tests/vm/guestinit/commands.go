package main

import (
	"encoding/json"
	"fmt"
	"os"

	"golang.org/x/sys/unix"

	"libvirt-vgpu/tests/vm/manifest"
)

// follow does the steps that the host sends on a serial port. It returns only
// with an error.
func follow(r *runner, port string) error {
	tty, err := os.OpenFile(port, os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		return fmt.Errorf("opening commands: %w", err)
	}
	defer tty.Close()
	if err := makeRaw(int(tty.Fd())); err != nil {
		return fmt.Errorf("opening commands: %w", err)
	}
	r.out.print("@@ listening")
	steps := json.NewDecoder(tty)
	for {
		var step manifest.Step
		if err := steps.Decode(&step); err != nil {
			return fmt.Errorf("reading commands: %w", err)
		}
		if err := r.run([]manifest.Step{step}); err != nil {
			return err
		}
	}
}

// makeRaw ends echo and the terminal's line length limit.
func makeRaw(fd int) error {
	t, err := unix.IoctlGetTermios(fd, unix.TCGETS)
	if err != nil {
		return err
	}
	t.Iflag, t.Oflag, t.Lflag = 0, 0, 0
	t.Cc[unix.VMIN], t.Cc[unix.VTIME] = 1, 0
	return unix.IoctlSetTermios(fd, unix.TCSETS, t)
}
