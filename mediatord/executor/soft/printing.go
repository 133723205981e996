package soft

import (
	"os"

	"libvirt-vgpu/mediatord/executor/driver"
)

// Kernels write as they run, so there is nothing to flush.

func printOutput(text string) { _, _ = os.Stdout.WriteString(text) }

func printError(text string) { _, _ = os.Stderr.WriteString(text) }

// FlushText implements driver.Texts.
func (d *Driver) FlushText(s driver.Stream) driver.Result { return d.StreamSynchronize(s) }

// FlushTextOfEvent implements driver.Texts.
func (d *Driver) FlushTextOfEvent(e driver.Event) driver.Result { return d.EventQuery(e) }
