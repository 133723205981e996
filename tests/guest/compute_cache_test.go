package guest

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// A cache is the files that programs keep code in, below its folder.
type cache struct {
	t       *testing.T
	h       *host
	program string
	folder  string
	more    []string // environment
}

func newCache(t *testing.T, more ...string) *cache {
	t.Helper()
	c := &cache{t: t, h: startHost(t, testDescription(t)), program: compile(t, "compute_cache"), folder: filepath.Join(t.TempDir(), "a", "b"), more: more}
	return c
}

// do runs the program with a folder to keep code in.
func (c *cache) do(arguments ...string) map[string]string {
	c.t.Helper()
	return run(c.t, c.h.environment(append([]string{"CUDA_CACHE_PATH=" + c.folder}, c.more...)...), c.program, arguments...)
}

// files are the kept ones.
func (c *cache) files() []string {
	c.t.Helper()
	files, err := filepath.Glob(filepath.Join(c.folder, "vgpu", "*"))
	if err != nil {
		c.t.Fatal(err)
	}
	return files
}

var (
	kept    = map[string]string{"keep_ptx": "0", "keep_code": "0"}
	found   = map[string]string{"look_ptx": "0", "look_code": "0"}
	missing = map[string]string{"look_ptx": "500", "look_code": "500"}
)

func TestCompiledCodeIsKept(t *testing.T) {
	c := newCache(t)
	c.do("rules")
	expect(t, c.do("look", "sine", "-ftz=0", "70000"), missing)
	expect(t, c.do("keep", "sine", "-ftz=0", "70000"), kept)
	expect(t, c.do("look", "sine", "-ftz=0", "70000"), found)
	expect(t, c.do("keep", "sine", "-ftz=0", "70000"), kept)
	if n := len(c.files()); n != 2 {
		t.Errorf("%d files, want 2", n)
	}
	// machine code is told apart by the options of the PTX that it came from
	expect(t, c.do("look", "sine", "-ftz=1", "70000"), missing)
	expect(t, c.do("look", "cosine", "-ftz=0", "70000"), missing)
	expect(t, c.do("keep", "sine", "-ftz=1", "70000"), kept)
	expect(t, c.do("look", "sine", "-ftz=1", "70000"), found)
	expect(t, c.do("look", "sine", "-ftz=0", "70000"), found)
}

func TestCompiledCodeIsKeptAtHome(t *testing.T) {
	c := newCache(t)
	home := t.TempDir()
	c.folder, c.more = "", []string{"HOME=" + home}
	expect(t, c.do("keep", "sine", "-ftz=0", "100"), kept)
	c.folder = filepath.Join(home, ".nv", "ComputeCache")
	if n := len(c.files()); n != 2 {
		t.Errorf("%d files in %s, want 2", n, c.folder)
	}
}

func TestCodeThatIsNotWholeIsNotFound(t *testing.T) {
	for name, spoil := range map[string]func(path string, content []byte) error{
		"cut": func(path string, content []byte) error { return os.Truncate(path, int64(len(content)-1)) },
		"changed": func(path string, content []byte) error {
			content[len(content)-1] ^= 1
			return os.WriteFile(path, content, 0o600)
		},
		"empty":                 func(path string, _ []byte) error { return os.Truncate(path, 0) },
		"for others to write":   func(path string, _ []byte) error { return os.Chmod(path, 0o666) },
		"another program's":     func(path string, _ []byte) error { return os.WriteFile(path, make([]byte, 4096), 0o600) },
		"a name of another one": func(path string, _ []byte) error { return replaceByLink(path) },
	} {
		t.Run(name, func(t *testing.T) {
			c := newCache(t)
			expect(t, c.do("keep", "sine", "-ftz=0", "1000"), kept)
			for _, path := range c.files() {
				content, err := os.ReadFile(path)
				if err == nil {
					err = spoil(path, content)
				}
				if err != nil {
					t.Fatal(err)
				}
			}
			expect(t, c.do("look", "sine", "-ftz=0", "1000"), missing)
			expect(t, c.do("keep", "sine", "-ftz=0", "1000"), kept)
			expect(t, c.do("look", "sine", "-ftz=0", "1000"), found)
		})
	}
}

// A file that came under the name of another one is not taken for it.
func TestCodeOfAnotherKeyIsNotFound(t *testing.T) {
	c := newCache(t)
	expect(t, c.do("keep", "sine", "-ftz=0", "1000"), kept)
	files := c.files()
	for _, path := range files {
		if err := os.Rename(path, path+".old"); err != nil {
			t.Fatal(err)
		}
	}
	for i, path := range files {
		if err := os.Rename(path+".old", files[(i+1)%len(files)]); err != nil {
			t.Fatal(err)
		}
	}
	expect(t, c.do("look", "sine", "-ftz=0", "1000"), missing)
}

func replaceByLink(path string) error {
	elsewhere := filepath.Join(filepath.Dir(path), "elsewhere-"+filepath.Base(path))
	if err := os.Rename(path, elsewhere); err != nil {
		return err
	}
	return os.Symlink(elsewhere, path)
}

func TestOldestCodeGoesFirst(t *testing.T) {
	c := newCache(t, "CUDA_CACHE_MAXSIZE=90000") // four sources of 2 x 10080 bytes, not five
	now := time.Now()
	for i := range 5 {
		expect(t, c.do("keep", fmt.Sprint("source", i), "-a", "10000"), kept)
		for _, path := range c.files() { // an hour later
			info, err := os.Stat(path)
			if err == nil {
				err = os.Chtimes(path, now, info.ModTime().Add(-time.Hour))
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		expect(t, c.do("look", "source0", "-a", "10000"), found) // is used again and again
	}
	expect(t, c.do("look", "source1", "-a", "10000"), missing)
	expect(t, c.do("look", "source4", "-a", "10000"), found)
	// more than there may be in all
	expect(t, c.do("keep", "huge", "-a", "200000"), map[string]string{"keep_ptx": "800", "keep_code": "800"})
	expect(t, c.do("look", "source4", "-a", "10000"), found)
}

func TestWithoutACacheNothingIsKept(t *testing.T) {
	refused := map[string]string{"keep_ptx": "800", "keep_code": "800"}
	t.Run("switched off", func(t *testing.T) {
		c := newCache(t, "CUDA_CACHE_DISABLE=1")
		expect(t, c.do("keep", "sine", "-a", "100"), refused)
		expect(t, c.do("look", "sine", "-a", "100"), missing)
		if _, err := os.Stat(c.folder); !os.IsNotExist(err) {
			t.Errorf("%s was made: %v", c.folder, err)
		}
	})
	t.Run("no home", func(t *testing.T) {
		c := newCache(t)
		c.folder = ""
		expect(t, c.do("keep", "sine", "-a", "100"), refused)
		expect(t, c.do("look", "sine", "-a", "100"), missing)
	})
	t.Run("a file in its place", func(t *testing.T) {
		c := newCache(t)
		if err := os.WriteFile(filepath.Join(filepath.Dir(filepath.Dir(c.folder)), "a"), nil, 0o600); err != nil {
			t.Fatal(err)
		}
		expect(t, c.do("keep", "sine", "-a", "100"), refused)
		expect(t, c.do("look", "sine", "-a", "100"), missing)
	})
}
