package mediator

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/sirupsen/logrus"

	"libvirt-vgpu/mediatord/internal/slot"
)

// Each domain has a module cache of its own. Whether an image is there already
// would tell a domain what others run, and its hash would be as good as the image;
// and the GPU's driver believes the compiled code that it finds in its cache.

// cacheUnused is when a domain's cache is given up.
const cacheUnused = 30 * 24 * time.Hour

// What the names of caches begin with.
const (
	userCache   = "user-"
	domainCache = "domain-"
)

// cacheName is the directory of a slot's cache; sessions of one user share it.
func cacheName(cfg *slot.Config) string {
	if cfg.Kind == slot.Session {
		return fmt.Sprintf("%s%d", userCache, cfg.Socket.UID)
	}
	return domainCache + cfg.UUID.String()
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

// PrepareCaches makes base the directory of the module caches, whoever of this host's
// mediatords had it before, and removes the caches that nobody has used for long; what
// else is in it stays. A directory that holds other things and no cache is somebody
// else's and left as it is: ErrNotOurs. Call it before there are slots. It does without
// the privilege to overrule permissions, which the service does not have.
func PrepareCaches(base string, now time.Time, log logrus.FieldLogger) error {
	if err := os.MkdirAll(base, 0o711); err != nil {
		return fmt.Errorf("making module cache: %w", err)
	}
	entries, err := os.ReadDir(base)
	if err != nil && !errors.Is(err, os.ErrPermission) { // that of another user is made ours first
		return fmt.Errorf("making module cache: %w", err)
	}
	if stranger := someoneElses(entries); stranger != "" {
		return fmt.Errorf("making module cache: %s %w, such as %s; name a directory of its own with --module-cache", base, ErrNotOurs, stranger)
	}
	if err := os.Chown(base, os.Geteuid(), os.Getegid()); err != nil {
		return fmt.Errorf("making module cache: %w", err)
	}
	if err := os.Chmod(base, 0o711); err != nil { // whatever the umask; executors reach what is theirs below it
		return fmt.Errorf("making module cache: %w", err)
	}
	sweepCaches(base, now, log)
	return nil
}

// ErrNotOurs says that a directory is not one of module caches.
var ErrNotOurs = errors.New("holds other things")

// someoneElses is the name of an entry that shows that a directory is not one of module caches, "" if there is none.
func someoneElses(entries []os.DirEntry) string {
	stranger := ""
	for _, e := range entries {
		switch {
		case isCache(e.Name()):
			return ""
		case e.Name() != "lost+found": // of a file system of its own
			stranger = e.Name()
		}
	}
	return stranger
}

// isCache says whether cacheName gives such names.
func isCache(name string) bool {
	return strings.HasPrefix(name, userCache) || strings.HasPrefix(name, domainCache)
}

func sweepCaches(base string, now time.Time, log logrus.FieldLogger) {
	entries, err := os.ReadDir(base)
	if err != nil {
		log.WithError(err).Warn("sweeping module caches failed")
		return
	}
	for _, e := range entries {
		info, err := e.Info()
		if err != nil || !e.IsDir() || !isCache(e.Name()) || now.Sub(info.ModTime()) < cacheUnused {
			continue
		}
		if err := os.RemoveAll(filepath.Join(base, e.Name())); err != nil {
			log.WithError(err).Warn("removing a module cache failed")
		}
	}
}
