// Package modcache keeps device code images by their sums on disk, shared by
// the executors of a domain, so that a guest process sends an image's bytes only
// if no process sent them before. What is read is summed up again: a file changed
// by anybody is as good as none. Beside an image lies what an executor found out
// about it (a note), which is worth as much as that executor's word.
package modcache

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sort"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// DefaultLimit bounds the cache in bytes.
const DefaultLimit = 4 << 30

const (
	temporaryPrefix = "incoming-"
	// temporaryAge is when a file that nobody finished is abandoned.
	temporaryAge = time.Hour
)

// Cache is a directory of images. Several processes may use one directory.
type Cache struct {
	dir   string
	limit int64
}

// Open uses dir, which must exist; limit is in bytes.
func Open(dir string, limit int64) (*Cache, error) {
	info, err := os.Stat(dir)
	if err != nil {
		return nil, fmt.Errorf("opening module cache: %w", err)
	}
	if !info.IsDir() {
		return nil, fmt.Errorf("opening module cache: %s is no directory", dir)
	}
	return &Cache{dir: dir, limit: limit}, nil
}

// Get returns the image of that hash and size, false if it is not there.
func (c *Cache) Get(sum [sha256.Size]byte, size uint64) ([]byte, bool) {
	path := c.path(sum)
	f, err := os.OpenFile(path, os.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, false
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil || !info.Mode().IsRegular() || uint64(info.Size()) != size {
		return nil, false
	}
	image := make([]byte, size)
	if found, err := readSummed(f, image); err != nil || found != sum {
		_ = os.Remove(path)
		return nil, false
	}
	now := time.Now()
	_ = os.Chtimes(path, now, now) // eviction takes the longest unused
	return image, true
}

// Put stores an image under its hash, which the caller has verified, and evicts
// what has not been used for longest beyond the limit.
func (c *Cache) Put(sum [sha256.Size]byte, image []byte) error {
	if int64(len(image)) > c.limit {
		return nil
	}
	if err := c.write(c.path(sum), image); err != nil {
		return fmt.Errorf("storing module %x: %w", sum[:4], err)
	}
	if err := c.evict(time.Now()); err != nil {
		return fmt.Errorf("evicting from module cache: %w", err)
	}
	return nil
}

// MaxNote bounds a note in bytes.
const MaxNote = 16 << 20

// Note returns what was noted of an image under a name, false if nothing was. A note
// whose bytes are not what was written is removed.
func (c *Cache) Note(sum [sha256.Size]byte, name string) ([]byte, bool) {
	path := c.path(sum) + "." + name
	f, err := os.OpenFile(path, os.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, false
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil || !info.Mode().IsRegular() || info.Size() > sha256.Size+MaxNote {
		return nil, false
	}
	b, err := io.ReadAll(io.LimitReader(f, info.Size()))
	if err != nil || len(b) < sha256.Size || sha256.Sum256(b[sha256.Size:]) != [sha256.Size]byte(b[:sha256.Size]) {
		_ = os.Remove(path)
		return nil, false
	}
	now := time.Now()
	_ = os.Chtimes(path, now, now)
	return b[sha256.Size:], true
}

// PutNote notes something of an image under a name of letters and digits. Notes count
// against the limit like images; a longer one than MaxNote is not kept.
func (c *Cache) PutNote(sum [sha256.Size]byte, name string, note []byte) error {
	if len(note) > MaxNote || int64(len(note)) > c.limit {
		return nil
	}
	hash := sha256.Sum256(note)
	if err := c.write(c.path(sum)+"."+name, append(hash[:], note...)); err != nil {
		return fmt.Errorf("storing note %s of module %x: %w", name, sum[:4], err)
	}
	return nil
}

func (c *Cache) write(path string, image []byte) error {
	f, err := os.CreateTemp(c.dir, temporaryPrefix)
	if err != nil {
		return err
	}
	defer os.Remove(f.Name()) // fails once renamed
	if _, err := f.Write(image); err != nil {
		return errors.Join(err, f.Close())
	}
	if err := f.Close(); err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}

func (c *Cache) evict(now time.Time) error {
	entries, err := os.ReadDir(c.dir)
	if err != nil {
		return err
	}
	var files []os.FileInfo
	var total int64
	for _, e := range entries {
		info, err := e.Info()
		if err != nil || !info.Mode().IsRegular() {
			continue
		}
		if strings.HasPrefix(e.Name(), temporaryPrefix) {
			if now.Sub(info.ModTime()) > temporaryAge {
				_ = os.Remove(filepath.Join(c.dir, e.Name()))
			}
			continue
		}
		files = append(files, info)
		total += info.Size()
	}
	sort.Slice(files, func(i, j int) bool { return files[i].ModTime().Before(files[j].ModTime()) })
	for _, f := range files {
		if total <= c.limit {
			break
		}
		if err := os.Remove(filepath.Join(c.dir, f.Name())); err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
		total -= f.Size()
	}
	return nil
}

func (c *Cache) path(sum [sha256.Size]byte) string {
	return filepath.Join(c.dir, hex.EncodeToString(sum[:]))
}
