package mediator

import (
	"os"
	"path/filepath"
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
	for name, age := range map[string]time.Duration{"domain-old": cacheUnused + time.Hour, "domain-new": cacheUnused - time.Hour} {
		dir := filepath.Join(base, name)
		if err := os.MkdirAll(filepath.Join(dir, "jit"), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(dir, now.Add(-age), now.Add(-age)); err != nil {
			t.Fatal(err)
		}
	}
	SweepCaches(base, now, logrus.StandardLogger())
	entries, err := os.ReadDir(base)
	if err != nil || len(entries) != 1 || entries[0].Name() != "domain-new" {
		t.Errorf("left are %v, %v", entries, err)
	}
}
