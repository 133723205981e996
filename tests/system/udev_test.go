package system

import (
	"strings"
	"testing"
)

// fakeDevices shows a udev three devices that this machine has not: a vGPU, another
// PCI device, and the node that the module makes.
const fakeDevices = `set -e
sys=$(mktemp -d)
pci() { mkdir -p "$sys/devices/pci0000:00/$1" && cd "$sys/devices/pci0000:00/$1" && echo "$2" >vendor && echo "$3" >device && : >uevent && ln -s ../../../bus/pci subsystem; }
mkdir -p "$sys/bus/pci" "$sys/class/vgpu" "$sys/devices/virtual/vgpu/vgpu0"
pci 0000:05:00.0 0x1af4 0x1110
pci 0000:06:00.0 0x1af4 0x1000
cd "$sys/devices/virtual/vgpu/vgpu0"
printf 'MAJOR=240\nMINOR=0\nDEVNAME=vgpu0\n' >uevent
ln -s ../../../../class/vgpu subsystem
mount --bind "$sys" /sys
export SYSTEMD_DEVICE_VERIFY_SYSFS=0
udevadm test --action=add "$1" 2>&1
`

// udevRules wants udev, with all rules of a Debian and ours, to give the vGPU its
// node's permissions, and room when it is plugged in. A container has no udevd that
// hears of devices, so udev is asked what it would do.
func (h *host) udevRules(t *testing.T, m *Machine) {
	for _, tc := range []struct {
		device string
		does   []string
		not    string
	}{
		{"/sys/devices/pci0000:00/0000:05:00.0", []string{"run: '/usr/lib/vgpu/vgpu-make-room 0000:05:00.0'"}, "MODE"},
		{"/sys/devices/pci0000:00/0000:06:00.0", nil, "vgpu-make-room"},
		{"/sys/devices/virtual/vgpu/vgpu0", []string{"60-vgpu.rules:3 GROUP", "60-vgpu.rules:3 MODE 0666"}, "vgpu-make-room"},
	} {
		out, err := m.Run(h.ctx, "unshare", "--mount", "/bin/sh", "-c", fakeDevices, "udev", tc.device)
		if err != nil {
			t.Errorf("%s: %v", tc.device, err)
			continue
		}
		for _, does := range tc.does {
			if !strings.Contains(out, does) {
				t.Errorf("%s: udev does not say %q:\n%s", tc.device, does, out)
			}
		}
		if strings.Contains(out, tc.not) {
			t.Errorf("%s: udev says %q:\n%s", tc.device, tc.not, out)
		}
	}
	if _, err := m.Run(h.ctx, "test", "-x", "/usr/lib/vgpu/vgpu-make-room"); err != nil {
		t.Error(err)
	}
}
