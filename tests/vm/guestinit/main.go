// Command guestinit is PID 1 of the test VMs: it loads the kernel modules, does
// the manifest's steps and reports on the serial console.
package main

import (
	"encoding/json"
	"fmt"
	"os"

	"golang.org/x/sys/unix"

	"libvirt-vgpu/tests/vm/manifest"
)

func main() {
	out := &console{file: os.Stdout}
	hold, err := run(out)
	if err != nil {
		out.print(fmt.Sprintf("@@ broken: %v", err))
	}
	if hold {
		select {}
	}
	unix.Sync()
	_ = unix.Reboot(unix.LINUX_REBOOT_CMD_POWER_OFF)
	select {}
}

func run(out *console) (hold bool, err error) {
	if err := mountAll(); err != nil {
		return false, err
	}
	if err := loopbackUp(); err != nil {
		return false, err
	}
	if err := followKernelLog(out); err != nil {
		return false, err
	}
	m, err := readManifest()
	if err != nil {
		return false, err
	}
	for _, path := range m.Modules {
		if err := loadModule(path); err != nil {
			return m.Hold, err
		}
	}
	r := newRunner(out)
	if err := r.run(m.Steps); err != nil {
		return m.Hold, err
	}
	out.print("@@ end")
	if m.Commands == "" {
		return m.Hold, nil
	}
	return m.Hold, follow(r, m.Commands)
}

func readManifest() (*manifest.Manifest, error) {
	data, err := os.ReadFile(manifest.Path)
	if err != nil {
		return nil, fmt.Errorf("reading manifest: %w", err)
	}
	m := new(manifest.Manifest)
	if err := json.Unmarshal(data, m); err != nil {
		return nil, fmt.Errorf("reading manifest: %w", err)
	}
	return m, nil
}
