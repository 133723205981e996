package system

import (
	"path/filepath"

	"libvirt-vgpu/tests/vm"
)

// built is the path of something that make makes.
func built(name string) string { return filepath.Join(vm.Root(), "build", name) }
