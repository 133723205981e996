package system

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

// installed is what the machines have before our packages come: a hypervisor's
// and a guest's dependencies in one root.
var installed = [...]string{
	"systemd", "systemd-sysv", "dbus", "udev", "polkitd", "apparmor", "rpm",
	"libvirt-daemon-system", "libvirt-clients", "qemu-system-x86",
	"dkms", "linux-image-cloud-amd64", "linux-headers-cloud-amd64",
}

const (
	suite  = "bookworm"
	mirror = "http://deb.debian.org/debian"
)

// built is the path of something that make makes.
func built(name string) string { return filepath.Join(vm.Root(), "build", name) }

// baseRoot is the folder of a Debian with what is installed; it is made when it
// is not there yet.
func baseRoot(ctx context.Context) (string, error) {
	packages := strings.Join(installed[:], ",")
	sum := sha256.Sum256([]byte(suite + packages))
	root := built("cache/debian-" + suite + "-" + hex.EncodeToString(sum[:6]))
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
		"--aptopt=Apt::Install-Recommends false", "--include="+packages, suite, unfinished, mirror)
	if output, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("making root: %w\n%s", err, output)
	}
	if err := os.Rename(unfinished, root); err != nil {
		return "", fmt.Errorf("making root: %w", err)
	}
	return root, nil
}
