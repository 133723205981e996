package main

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A command that cannot be run ends vgpuctl as it ends a shell.
func TestCommandsThatDoNotRun(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "libcuda.so.1"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	text := filepath.Join(dir, "text")
	if err := os.WriteFile(text, []byte("no program"), 0o600); err != nil {
		t.Fatal(err)
	}
	for command, want := range map[string]int{"there-is-no-such-command": exitNotFound, dir + "/absent": exitNotFound, dir: exitNotExecutable, text: exitNotExecutable} {
		status, _, errs := vgpuctl("run", "--lib-dir", dir, command)
		if status != want || !strings.Contains(errs, command) {
			t.Errorf("%s: status %d, wanted %d: %s", command, status, want, errs)
		}
	}
	var errs strings.Builder
	var status exitCode
	if err := notRun(&errs, os.ErrPermission); !errors.As(err, &status) || status != exitNotExecutable || !strings.Contains(errs.String(), "permission denied") {
		t.Errorf("%v: %s", err, errs.String())
	}
}
