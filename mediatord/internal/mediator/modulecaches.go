package mediator

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/sirupsen/logrus"

	"libvirt-vgpu/mediatord/internal/slot"
)

// Each domain has a module cache of its own. Whether an image is there already
// would tell a domain what others run, and its hash would be as good as the image;
// and the GPU's driver believes the compiled code that it finds in its cache.

// cacheUnused is when a domain's cache is given up.
const cacheUnused = 30 * 24 * time.Hour

// cacheName is the directory of a slot's cache; sessions of one user share it.
func cacheName(cfg *slot.Config) string {
	if cfg.Kind == slot.Session {
		return fmt.Sprintf("user-%d", cfg.Socket.UID)
	}
	return "domain-" + cfg.UUID.String()
}

// makeCache makes the directory of a slot's module cache and notes its use. An
// executor does without it, so a failure is only told.
func (m *Mediator) makeCache(cfg *slot.Config) string {
	dir := filepath.Join(m.settings.ModuleCache, cacheName(cfg))
	err := os.Mkdir(dir, 0o700)
	if errors.Is(err, os.ErrExist) {
		err = nil
	}
	if user := m.settings.Credential; err == nil && user != nil {
		// It stays mediatord's, which looks after it, and is the executors' as a group.
		if err = os.Chown(dir, os.Geteuid(), int(user.Gid)); err == nil {
			err = os.Chmod(dir, 0o770)
		}
	}
	if err == nil {
		now := time.Now()
		err = os.Chtimes(dir, now, now)
	}
	if err != nil {
		cfg.Log.WithError(err).Warn("no module cache")
	}
	return dir
}

// SweepCaches removes module caches that nobody has used for long. Call it before
// there are slots.
func SweepCaches(base string, now time.Time, log logrus.FieldLogger) {
	entries, err := os.ReadDir(base)
	if err != nil {
		log.WithError(err).Warn("sweeping module caches failed")
		return
	}
	for _, e := range entries {
		info, err := e.Info()
		if err != nil || !e.IsDir() || now.Sub(info.ModTime()) < cacheUnused {
			continue
		}
		if err := os.RemoveAll(filepath.Join(base, e.Name())); err != nil {
			log.WithError(err).Warn("removing a module cache failed")
		}
	}
}
