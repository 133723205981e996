package main

import (
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"libvirt-vgpu/mediatord/executor/guesttest"
)

// openToAll makes the path to a file passable for other users.
func openToAll(t *testing.T, path string) {
	t.Helper()
	for dir := filepath.Dir(path); dir != "/" && dir != "/tmp"; dir = filepath.Dir(dir) {
		if info, err := os.Stat(dir); err == nil {
			_ = os.Chmod(dir, info.Mode()|0o055)
		}
	}
}

// An executor of another user, with every wall demanded, does what executors do.
func TestRequiredWallsStand(t *testing.T) {
	if os.Getuid() != 0 {
		t.Fatal("needs root, to run an executor as another user")
	}
	nobody, err := user.Lookup("nobody")
	if err != nil {
		t.Fatal(err)
	}
	uid, _ := strconv.ParseUint(nobody.Uid, 10, 32)
	gid, _ := strconv.ParseUint(nobody.Gid, 10, 32)
	cache := t.TempDir()
	if err := os.Chown(cache, int(uid), int(gid)); err != nil {
		t.Fatal(err)
	}
	openToAll(t, filepath.Join(cache, "x"))
	openToAll(t, executorBinary)
	g := guesttest.New(t, 16*mib, quota)
	g.Credential = &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
	e := g.Start(executorBinary, "--backend", testBackend(), "--walls", "required", "--module-cache", cache)
	if ready := e.Expect("ready"); ready.Walls != "user,capabilities,files,system-calls,memory" {
		t.Errorf("these stand: %q", ready.Walls)
	}
	g.Must("primary_retain", 0)
	g.Context = 1
	upload(g, 1, vectorAdd)
	g.Must("library_load", library, 1, 0, "")
	g.Own(0, 2)
	g.Must("map_pinned", hostVA, 0, 2, 0)
	g.Must("mem_block", device, 2*mib)
	g.Post("copy_htod", device, hostVA, 4096, 0)
	if sticky := g.Fence(0, 5, 1); sticky != 0 {
		t.Errorf("sticky %d", sticky)
	}
	entries, err := os.ReadDir(cache)
	if err != nil || len(entries) == 0 {
		t.Errorf("nothing reached the module cache: %v", err)
	}
}

func TestRequiredWallsMissing(t *testing.T) {
	if os.Getuid() != 0 {
		t.Fatal("needs root, whose executor lacks a wall")
	}
	g := guesttest.New(t, 16*mib, quota)
	e := g.Start(executorBinary, "--backend", "soft", "--walls", "required")
	if m := e.Expect("fault"); m.Result != 802 || !strings.Contains(m.Message, "user (it runs as root") {
		t.Errorf("fault %d: %s", m.Result, m.Message)
	}
	if code := e.ExitCode(); code != exitStart {
		t.Errorf("exit code %d", code)
	}
}
