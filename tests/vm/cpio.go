package vm

import (
	"fmt"
	"io"
	"path"
	"strings"
)

// File types of a cpio entry's mode.
const (
	cpioFile    = 0o100000
	cpioDir     = 0o040000
	cpioSymlink = 0o120000
	cpioChar    = 0o020000
)

// archive writes the kernel's initramfs format, cpio "newc". The first error
// sticks and is returned by close.
type archive struct {
	out   io.Writer
	inode uint32
	names map[string]bool
	at    int64
	err   error
}

func newArchive(out io.Writer) *archive {
	return &archive{out: out, names: make(map[string]bool)}
}

// dir adds a directory and its parents; one that is there already is left as is.
func (a *archive) dir(name string) {
	name = strings.Trim(name, "/")
	if name == "" || name == "." || a.names[name] {
		return
	}
	a.dir(path.Dir(name))
	a.entry(name, cpioDir|0o755, 0, nil, 0)
}

// file adds size bytes from content.
func (a *archive) file(name string, mode uint32, content io.Reader, size int64) {
	a.dir(path.Dir(name))
	a.entry(name, cpioFile|mode, 0, content, size)
}

func (a *archive) symlink(name, target string) {
	a.dir(path.Dir(name))
	a.entry(name, cpioSymlink|0o777, 0, strings.NewReader(target), int64(len(target)))
}

func (a *archive) charDevice(name string, mode, major, minor uint32) {
	a.dir(path.Dir(name))
	a.entry(name, cpioChar|mode, major<<16|minor, nil, 0)
}

func (a *archive) has(name string) bool { return a.names[strings.Trim(name, "/")] }

func (a *archive) close() error {
	a.entry("TRAILER!!!", 0, 0, nil, 0)
	return a.err
}

// entry writes one entry; rdev is major << 16 | minor.
func (a *archive) entry(name string, mode, rdev uint32, content io.Reader, size int64) {
	name = strings.Trim(name, "/")
	if a.err != nil {
		return
	}
	if size > 0xffffffff {
		a.err = fmt.Errorf("adding %s to initramfs: %d bytes do not fit into cpio", name, size)
		return
	}
	a.names[name] = true
	a.inode++
	fields := []uint32{a.inode, mode, 0, 0, 1, 0, uint32(size), 0, 0, rdev >> 16, rdev & 0xffff, uint32(len(name) + 1), 0}
	var header strings.Builder
	header.WriteString("070701")
	for _, f := range fields {
		fmt.Fprintf(&header, "%08x", f)
	}
	a.copy(name, strings.NewReader(header.String()+name+"\x00"), int64(header.Len()+len(name)+1))
	if content != nil {
		a.copy(name, content, size)
	}
}

// copy writes exactly size bytes and pads to four.
func (a *archive) copy(name string, content io.Reader, size int64) {
	if a.err != nil {
		return
	}
	if _, err := io.CopyN(a.out, content, size); err != nil {
		a.err = fmt.Errorf("adding %s to initramfs: %w", name, err)
		return
	}
	a.at += size
	pad := (4 - a.at%4) % 4
	a.at += pad
	if _, err := a.out.Write(make([]byte, pad)); err != nil {
		a.err = fmt.Errorf("adding %s to initramfs: %w", name, err)
	}
}
