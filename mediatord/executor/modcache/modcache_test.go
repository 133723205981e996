package modcache

import (
	"bytes"
	"crypto/sha256"
	"os"
	"path/filepath"
	"testing"
	"time"
)

func open(t *testing.T, limit int64) (*Cache, string) {
	t.Helper()
	dir := t.TempDir()
	c, err := Open(dir, limit)
	if err != nil {
		t.Fatal(err)
	}
	return c, dir
}

func put(t *testing.T, c *Cache, image string) [sha256.Size]byte {
	t.Helper()
	sum := Sum([]byte(image))
	if err := c.Put(sum, []byte(image)); err != nil {
		t.Fatal(err)
	}
	return sum
}

func TestGetReturnsWhatWasPut(t *testing.T) {
	c, dir := open(t, 1000)
	sum := put(t, c, "image")
	if got, ok := c.Get(sum, 5); !ok || !bytes.Equal(got, []byte("image")) {
		t.Errorf("got %q, %v", got, ok)
	}
	if _, ok := c.Get(sum, 6); ok {
		t.Error("got an image of another size")
	}
	if _, ok := c.Get(Sum([]byte("other")), 5); ok {
		t.Error("got an image that was never put")
	}
	if files, err := os.ReadDir(dir); err != nil || len(files) != 1 {
		t.Errorf("%d files, %v", len(files), err)
	}
}

func TestGetVerifies(t *testing.T) {
	c, _ := open(t, 1000)
	sum := put(t, c, "image")
	if err := os.WriteFile(c.path(sum), []byte("imagE"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, ok := c.Get(sum, 5); ok {
		t.Error("got a changed image")
	}
	if _, err := os.Stat(c.path(sum)); !os.IsNotExist(err) {
		t.Error("the changed file is still there")
	}
}

func TestGetFollowsNoLinks(t *testing.T) {
	c, dir := open(t, 1000)
	sum := Sum([]byte("image"))
	other := filepath.Join(dir, "other")
	if err := os.WriteFile(other, []byte("image"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(other, c.path(sum)); err != nil {
		t.Fatal(err)
	}
	if _, ok := c.Get(sum, 5); ok {
		t.Error("followed a link")
	}
}

func TestPutEvictsTheLongestUnused(t *testing.T) {
	c, dir := open(t, 10)
	first, second := put(t, c, "aaaa"), put(t, c, "bbbb")
	old := time.Now().Add(-2 * time.Hour)
	for _, sum := range [][sha256.Size]byte{first, second} {
		if err := os.Chtimes(c.path(sum), old, old); err != nil {
			t.Fatal(err)
		}
	}
	abandoned, young := filepath.Join(dir, temporaryPrefix+"1"), filepath.Join(dir, temporaryPrefix+"2")
	for _, name := range []string{abandoned, young} {
		if err := os.WriteFile(name, []byte("half"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chtimes(abandoned, old, old); err != nil {
		t.Fatal(err)
	}
	c.Get(first, 4) // in use
	third := put(t, c, "cccc")
	for sum, want := range map[[sha256.Size]byte]bool{first: true, second: false, third: true} {
		if _, ok := c.Get(sum, 4); ok != want {
			t.Errorf("image %x: there is %v, want %v", sum[:2], ok, want)
		}
	}
	if _, err := os.Stat(abandoned); err == nil {
		t.Error("an abandoned file was kept")
	}
	if _, err := os.Stat(young); err != nil {
		t.Error("a file that is being written was removed")
	}
	put(t, c, "too large for this")
	if _, ok := c.Get(first, 4); !ok {
		t.Error("an image larger than the cache emptied it")
	}
}

func TestOpenWantsADirectory(t *testing.T) {
	if _, err := Open(filepath.Join(t.TempDir(), "none"), 1); err == nil {
		t.Error("opened a missing directory")
	}
	if _, err := Open(os.DevNull, 1); err == nil {
		t.Error("opened a file")
	}
}

func TestNotes(t *testing.T) {
	c, _ := open(t, 1000)
	sum := put(t, c, "image")
	if _, ok := c.Note(sum, "sm90"); ok {
		t.Error("a note that was never put")
	}
	if err := c.PutNote(sum, "sm90", []byte("note")); err != nil {
		t.Fatal(err)
	}
	if got, ok := c.Note(sum, "sm90"); !ok || string(got) != "note" {
		t.Errorf("got %q, %v", got, ok)
	}
	if _, ok := c.Note(sum, "sm80"); ok {
		t.Error("a note of another name")
	}
	path := c.path(sum) + ".sm90"
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	b[len(b)-1]++
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, ok := c.Note(sum, "sm90"); ok {
		t.Error("a changed note")
	}
	if _, err := os.Stat(path); !os.IsNotExist(err) {
		t.Error("the changed note is still there")
	}
	if err := c.PutNote(sum, "sm90", make([]byte, 1001)); err != nil {
		t.Fatal(err)
	}
	if _, ok := c.Note(sum, "sm90"); ok {
		t.Error("a note beyond the limit was kept")
	}
}

// The guest's library computes the same (guest/libcuda/image_sum.c).
func TestSumIsOfThePiecesSums(t *testing.T) {
	for _, size := range []int{1, pieceSize - 1, pieceSize, pieceSize + 1, 3*pieceSize + 17} {
		image := make([]byte, size)
		for i := range image {
			image[i] = byte(i * 7 / 3)
		}
		var digests []byte
		for rest := image; len(rest) > 0; rest = rest[min(pieceSize, len(rest)):] {
			digest := sha256.Sum256(rest[:min(pieceSize, len(rest))])
			digests = append(digests, digest[:]...)
		}
		if Sum(image) != sha256.Sum256(digests) {
			t.Errorf("%d bytes", size)
		}
		c, _ := open(t, 10*pieceSize)
		if err := c.Put(Sum(image), image); err != nil {
			t.Fatal(err)
		}
		if got, ok := c.Get(Sum(image), uint64(size)); !ok || !bytes.Equal(got, image) {
			t.Errorf("%d bytes do not come back", size)
		}
	}
}
