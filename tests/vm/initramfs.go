package vm

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path"
	"path/filepath"

	"libvirt-vgpu/tests/vm/manifest"
)

// File is put into the guest; the shared libraries that it needs follow by
// themselves, unless the guest's files have one of that name.
type File struct {
	Guest string // absolute path in the guest
	Host  string // copied with its permissions; a link is followed
	Link  string // instead of Host: a symbolic link to this
}

// Initramfs is everything a guest holds.
type Initramfs struct {
	Init     string // host path of guestinit, see BuildGuestInit
	Files    []File
	Manifest manifest.Manifest // modules are guest paths
}

// Write makes the initramfs at the host path.
func (i *Initramfs) Write(name string) (err error) {
	out, err := os.Create(name)
	if err != nil {
		return fmt.Errorf("writing initramfs: %w", err)
	}
	defer func() {
		if cerr := out.Close(); err == nil && cerr != nil {
			err = fmt.Errorf("writing initramfs: %w", cerr)
		}
	}()
	a := newArchive(out)
	for _, dir := range []string{"bin", "sbin", "lib", "lib64"} {
		a.dir("usr/" + dir)
		a.symlink(dir, "usr/"+dir)
	}
	for _, dir := range []string{"etc", "proc", "sys", "dev", "tmp", "run", "root"} {
		a.dir(dir)
	}
	// without it PID 1 has no standard output
	a.charDevice("dev/console", 0o600, 5, 1)
	addText(a, "etc/passwd", "root:x:0:0::/root:/bin/sh\nuser:x:1000:1000::/tmp:/bin/sh\n")
	addText(a, "etc/group", "root:x:0:\nuser:x:1000:\n")

	data, err := json.MarshalIndent(&i.Manifest, "", "  ")
	if err != nil {
		return fmt.Errorf("writing initramfs: %w", err)
	}
	addText(a, manifest.Path, string(data))
	if err := addHost(a, "init", i.Init); err != nil {
		return err
	}
	if err := i.addFiles(a); err != nil {
		return err
	}
	return a.close()
}

func (i *Initramfs) addFiles(a *archive) error {
	given := make(map[string]bool)
	var hosts []string
	for _, f := range i.Files {
		given[path.Base(f.Guest)] = true
		if f.Link != "" {
			a.symlink(f.Guest, f.Link)
			continue
		}
		if err := addHost(a, f.Guest, f.Host); err != nil {
			return err
		}
		hosts = append(hosts, f.Host)
	}
	libraries, err := closure(hosts, given)
	if err != nil {
		return err
	}
	for name, host := range libraries {
		dir := "usr/lib/x86_64-linux-gnu"
		if name == "ld-linux-x86-64.so.2" {
			dir = "usr/lib64"
		}
		if err := addHost(a, path.Join(dir, name), host); err != nil {
			return err
		}
	}
	return nil
}

func addText(a *archive, name, text string) {
	a.file(name, 0o644, bytes.NewBufferString(text), int64(len(text)))
}

func addHost(a *archive, name, host string) error {
	if a.has(name) {
		return fmt.Errorf("writing initramfs: %s is there twice", name)
	}
	real, err := filepath.EvalSymlinks(host)
	if err != nil {
		return fmt.Errorf("writing initramfs: %w", err)
	}
	file, err := os.Open(real)
	if err != nil {
		return fmt.Errorf("writing initramfs: %w", err)
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return fmt.Errorf("writing initramfs: %w", err)
	}
	if !info.Mode().IsRegular() {
		return fmt.Errorf("writing initramfs: %s is no regular file", host)
	}
	a.file(name, uint32(info.Mode().Perm()), file, info.Size())
	return a.err
}
