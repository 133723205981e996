package mediator

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sirupsen/logrus"

	"libvirt-vgpu/mediatord/internal/slot"
	"libvirt-vgpu/plugin/window"
)

func TestEveryDomainHasItsOwnModuleCache(t *testing.T) {
	m := &Mediator{settings: Settings{ModuleCache: t.TempDir()}}
	one := slot.Config{Kind: slot.Domain, UUID: window.UUID{1}, Log: logrus.StandardLogger()}
	other := slot.Config{Kind: slot.Domain, UUID: window.UUID{2}, Log: logrus.StandardLogger()}
	host := slot.Config{Kind: slot.Session, UUID: window.UUID{3}, Socket: slot.Socket{UID: 1000}, Log: logrus.StandardLogger()}
	next := slot.Config{Kind: slot.Session, UUID: window.UUID{4}, Socket: slot.Socket{UID: 1000}, Log: logrus.StandardLogger()}
	dirs := map[string]bool{m.makeCache(&one): true, m.makeCache(&other): true, m.makeCache(&host): true}
	if len(dirs) != 3 || !dirs[m.makeCache(&next)] || !dirs[m.makeCache(&one)] {
		t.Errorf("caches are %v", dirs)
	}
	for dir := range dirs {
		if info, err := os.Stat(dir); err != nil || info.Mode().Perm() != 0o700 {
			t.Errorf("%s: %v, %v", dir, info, err)
		}
	}
}

func TestUnusedModuleCachesGo(t *testing.T) {
	base, now := t.TempDir(), time.Now()
	const long = cacheUnused + time.Hour
	for name, age := range map[string]time.Duration{"domain-old": long, "user-7": long, "domain-new": cacheUnused - time.Hour, "backups": long} {
		dir := filepath.Join(base, name)
		if err := os.MkdirAll(filepath.Join(dir, "jit"), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(dir, now.Add(-age), now.Add(-age)); err != nil {
			t.Fatal(err)
		}
	}
	if err := PrepareCaches(base, now, logrus.StandardLogger()); err != nil {
		t.Fatal(err)
	}
	entries, err := os.ReadDir(base)
	if err != nil || len(entries) != 2 || entries[0].Name() != "backups" || entries[1].Name() != "domain-new" {
		t.Errorf("left are %v, %v", entries, err)
	}
}

// A directory that a person has named by mistake is neither swept nor given another mode.
func TestOnlyItsOwnDirectoryIsMadeTheModuleCache(t *testing.T) {
	const mode = 0o755
	for name, c := range map[string]struct {
		entries []string
		ours    bool
	}{
		"absent":                    {nil, true},
		"a file system of its own":  {[]string{"lost+found"}, true},
		"caches beside other files": {[]string{"domain-1", "notes"}, true},
		"somebody's home":           {[]string{"documents"}, false},
	} {
		base := filepath.Join(t.TempDir(), "modules")
		for _, entry := range c.entries {
			if err := os.MkdirAll(filepath.Join(base, entry), mode); err != nil {
				t.Fatal(err)
			}
		}
		err := PrepareCaches(base, time.Now().Add(2*cacheUnused), logrus.StandardLogger())
		info, statErr := os.Stat(base)
		if statErr != nil {
			t.Fatal(statErr)
		}
		switch {
		case c.ours && (err != nil || info.Mode().Perm() != 0o711):
			t.Errorf("%s: %v, mode %v", name, err, info.Mode())
		case !c.ours && (!errors.Is(err, ErrNotOurs) || !strings.Contains(err.Error(), "documents") || info.Mode().Perm() != mode):
			t.Errorf("%s: %v, mode %v", name, err, info.Mode())
		}
	}
}
