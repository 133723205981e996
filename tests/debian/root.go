// Package debian makes roots of Debian machines for tests, from Debian's archive.
package debian

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"libvirt-vgpu/tests/vm"
)

// Suites of Debian's archive.
const (
	Bookworm = "bookworm" // 12
	Trixie   = "trixie"   // 13
)

const mirror = "http://deb.debian.org/debian"

// Hypervisor is what a machine has before our packages come: a hypervisor's and a
// guest's dependencies in one root.
func Hypervisor() []string {
	return []string{
		"systemd", "systemd-sysv", "dbus", "udev", "polkitd", "apparmor", "rpm",
		"libvirt-daemon-system", "libvirt-clients", "qemu-system-x86",
		"dkms", "linux-image-cloud-amd64", "linux-headers-cloud-amd64",
	}
}

// Root is the folder of a Debian with these packages, without those that they only
// recommend. It is made once and kept in build/cache; nobody may write there.
func Root(ctx context.Context, suite string, packages []string) (string, error) {
	list := strings.Join(packages, ",")
	sum := sha256.Sum256([]byte(suite + list))
	root := filepath.Join(vm.Root(), "build", "cache", "debian-"+suite+"-"+hex.EncodeToString(sum[:6]))
	if _, err := os.Stat(root); err == nil {
		return root, nil
	}
	if err := os.MkdirAll(filepath.Dir(root), 0o755); err != nil {
		return "", fmt.Errorf("making root: %w", err)
	}
	unfinished, err := os.MkdirTemp(filepath.Dir(root), "unfinished-root-")
	if err != nil {
		return "", fmt.Errorf("making root: %w", err)
	}
	defer os.RemoveAll(unfinished)
	if err := os.Chmod(unfinished, 0o755); err != nil {
		return "", fmt.Errorf("making root: %w", err)
	}
	cmd := exec.CommandContext(ctx, "mmdebstrap", "--mode=root", "--variant=minbase", "--skip=check/empty",
		"--aptopt=Apt::Install-Recommends false", "--include="+list, suite, unfinished, mirror)
	if output, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("making root: %w\n%s", err, output)
	}
	if err := os.Rename(unfinished, root); err != nil {
		return "", fmt.Errorf("making root: %w", err)
	}
	return root, nil
}
