package main

import (
	"errors"
	"maps"
	"os"
	"os/exec"
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

func TestEnvironmentOfACommand(t *testing.T) {
	const session = "/run/vgpu/session-5f0c2f43-8a5e-4bd0-9d8b-3cf1a6d8f0aa/gpu.sock"
	for _, c := range []struct {
		inherited []string
		want      map[string]string
	}{
		{nil, map[string]string{"VGPU_SOCKET": session, "LD_LIBRARY_PATH": "/usr/lib/vgpu", "NCCL_HOSTID": "5f0c2f43-8a5e-4bd0-9d8b-3cf1a6d8f0aa"}},
		{
			[]string{"NCCL_HOSTID=mine", "LD_LIBRARY_PATH=/opt/lib", "VGPU_SOCKET=/of/another", "A=b"},
			map[string]string{"VGPU_SOCKET": session, "LD_LIBRARY_PATH": "/usr/lib/vgpu:/opt/lib", "NCCL_HOSTID": "mine", "A": "b"},
		},
	} {
		cmd := exec.Cmd{Env: environment(c.inherited, session, "/usr/lib/vgpu")}
		got := map[string]string{}
		for _, variable := range cmd.Environ() {
			name, value, _ := strings.Cut(variable, "=")
			got[name] = value
		}
		if !maps.Equal(got, c.want) {
			t.Errorf("%v: %v, want %v", c.inherited, got, c.want)
		}
	}
}
