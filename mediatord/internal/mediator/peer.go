package mediator

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// allow decides who may connect to a domain's socket: of the users that QEMU runs
// as only the process that libvirt has started for this very domain.
func (m *Mediator) allow(domain string) func(unix.Ucred) error {
	return func(peer unix.Ucred) error {
		if peer.Uid != 0 && !slices.Contains(m.settings.QEMUUsers, peer.Uid) {
			return fmt.Errorf("uid %d of pid %d is no user that QEMU runs as", peer.Uid, peer.Pid)
		}
		return checkQEMU(m.settings.PIDFiles, domain, int(peer.Pid))
	}
}

// checkQEMU wants a process to be a domain's QEMU. libvirt writes DOMAIN.pid into a
// directory of root's before it lets QEMU run, and removes it after QEMU's end.
// Without the directory, or its name, libvirt says nothing and everybody passes.
func checkQEMU(directory, domain string, pid int) error {
	if directory == "" {
		return nil
	}
	if strings.ContainsRune(domain, '/') {
		return fmt.Errorf("domain %q has a name that libvirt's domains cannot have", domain)
	}
	path := filepath.Join(directory, domain+".pid")
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		if _, missing := os.Stat(directory); errors.Is(missing, fs.ErrNotExist) {
			return nil
		}
		return fmt.Errorf("pid %d is not the QEMU of domain %q, which libvirt has not started: there is no %s; if its files are elsewhere, tell mediatord with --qemu-pid-files",
			pid, domain, path)
	}
	if err != nil {
		return fmt.Errorf("looking for the QEMU of domain %q: %w", domain, err)
	}
	owner, err := strconv.Atoi(strings.TrimSpace(string(data)))
	if err != nil {
		return fmt.Errorf("looking for the QEMU of domain %q: %s: %w", domain, path, err)
	}
	if owner != pid {
		return fmt.Errorf("pid %d is not the QEMU of domain %q, which is pid %d", pid, domain, owner)
	}
	return nil
}
