package describe

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"libvirt-vgpu/plugin/window"
)

// executor writes a shell script in the place of vgpu-executor that counts its
// runs in the file runs beside it.
func executor(t *testing.T, body string) (path, runs string) {
	t.Helper()
	dir := t.TempDir()
	path, runs = filepath.Join(dir, "vgpu-executor"), filepath.Join(dir, "runs")
	script := fmt.Sprintf("#!/bin/sh\necho \"$@\" >> %s\n%s\n", runs, body)
	if err := os.WriteFile(path, []byte(script), 0o700); err != nil {
		t.Fatal(err)
	}
	return path, runs
}

const answer = `echo '{"device_count":1,"name":"soft","total_memory":1024,"attributes":[{"value":0,"result":0},{"value":7,"result":0}]}'`

func TestDescribeRunsOncePerGPU(t *testing.T) {
	path, runs := executor(t, answer)
	d := New(path)
	for range 3 {
		got, err := d.Describe(context.Background(), "soft", "0")
		if err != nil {
			t.Fatal(err)
		}
		if got.Name != "soft" || got.Attributes[1].Value != 7 {
			t.Fatalf("described %+v", got)
		}
		got.Name, got.Attributes[1].Value = "changed", 9 // the next caller must not see it
	}
	text, err := os.ReadFile(runs)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := string(text), "--backend soft --gpu 0 --describe\n"; got != want {
		t.Errorf("runs were %q, want %q", got, want)
	}
}

func TestDescribeTriesAgainAfterAFailure(t *testing.T) {
	path, _ := executor(t, "echo no driver here >&2; exit 3")
	d := New(path)
	_, err := d.Describe(context.Background(), "cuda", "0000:01:00.0")
	if err == nil || !strings.Contains(err.Error(), "no driver here") || !strings.Contains(err.Error(), "0000:01:00.0") {
		t.Fatalf("error is %v", err)
	}
	if err := os.WriteFile(path, []byte("#!/bin/sh\n"+answer+"\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	if _, err := d.Describe(context.Background(), "cuda", "0000:01:00.0"); err != nil {
		t.Error(err)
	}
}

func TestDescribeRefusesNonsense(t *testing.T) {
	for name, body := range map[string]string{
		"not JSON":  "echo hello",
		"no device": `echo '{"device_count":0,"total_memory":5}'`,
		"no memory": `echo '{"device_count":1}'`,
		"too long":  fmt.Sprintf(`echo '{"device_count":1,"total_memory":5,"name":"%s"}'`, strings.Repeat("x", 200)),
		"empty":     "true",
	} {
		path, _ := executor(t, body)
		if _, err := New(path).Describe(context.Background(), "soft", "0"); err == nil {
			t.Errorf("%s was accepted", name)
		}
	}
	if _, err := New("/nonexistent/vgpu-executor").Describe(context.Background(), "soft", "0"); err == nil {
		t.Error("an absent executor described a GPU")
	}
}

func TestVirtualUUID(t *testing.T) {
	a, b := VirtualUUID(window.UUID{1}), VirtualUUID(window.UUID{2})
	if a == b || a != VirtualUUID(window.UUID{1}) {
		t.Errorf("not one per domain: %s, %s", a, b)
	}
	if text := a.String(); text[14] != '5' || !strings.ContainsRune("89ab", rune(text[19])) {
		t.Errorf("%s is no version 5 UUID", text)
	}
}
