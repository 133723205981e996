package mediator

import (
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

func TestOnlyItsOwnQEMUConnects(t *testing.T) {
	const qemu = 64055
	running := t.TempDir()
	for name, text := range map[string]string{"one": "101\n", "two": "102", "empty": ""} {
		if err := os.WriteFile(filepath.Join(running, name+".pid"), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for _, tc := range []struct {
		name, directory, domain string
		peer                    unix.Ucred
		allowed                 bool
	}{
		{"its own", running, "one", unix.Ucred{Pid: 101, Uid: qemu}, true},
		{"its own, root's", running, "one", unix.Ucred{Pid: 101}, true},
		{"another domain's", running, "one", unix.Ucred{Pid: 102, Uid: qemu}, false},
		{"another domain's, root's", running, "one", unix.Ucred{Pid: 102}, false},
		{"another user's", running, "one", unix.Ucred{Pid: 101, Uid: 1000}, false},
		{"of a domain that has none yet", running, "three", unix.Ucred{Pid: 102, Uid: qemu}, false},
		{"unreadable", running, "empty", unix.Ucred{Pid: 102, Uid: qemu}, false},
		{"outside", running, "../" + filepath.Base(running) + "/one", unix.Ucred{Pid: 101, Uid: qemu}, false},
		{"no libvirt there", filepath.Join(running, "none"), "one", unix.Ucred{Pid: 102, Uid: qemu}, true},
		{"no libvirt there, another user's", filepath.Join(running, "none"), "one", unix.Ucred{Pid: 102, Uid: 1000}, false},
		{"no libvirt", "", "one", unix.Ucred{Pid: 102, Uid: qemu}, true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			m := &Mediator{settings: Settings{QEMUUsers: []uint32{qemu}, PIDFiles: tc.directory}}
			if err := m.allow(tc.domain)(tc.peer); (err == nil) != tc.allowed {
				t.Errorf("allowed is %v: want %v", err, tc.allowed)
			}
		})
	}
}
