package main

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"libvirt-vgpu/mediatord/internal/daemontest"
	"libvirt-vgpu/mediatord/internal/executortest"
)

func TestMain(m *testing.M) {
	executortest.MaybeRun()
	os.Exit(m.Run())
}

// vgpuctl runs a command line and returns its exit status and output.
func vgpuctl(args ...string) (code int, stdout, stderr string) {
	var out, errs bytes.Buffer
	code = execute(context.Background(), args, nil, &out, &errs)
	return code, out.String(), errs.String()
}

func libDir(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "libcuda.so.1"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestRunGivesTheCommandASessionAndItsStatus(t *testing.T) {
	d := daemontest.Start(t, daemontest.Bus(t), map[string]string{"default": `gpus = ["soft"]`})
	lib := libDir(t)
	t.Setenv("LD_LIBRARY_PATH", "/opt/lib")
	t.Setenv(socketVariable, "/stale")
	code, out, errs := vgpuctl("run", "--bus", d.Address, "--lib-dir", lib, "--memory", "512MiB", "--priority", "high", "--",
		"sh", "-c", `echo "$VGPU_SOCKET|$LD_LIBRARY_PATH|$1"; test -S "$VGPU_SOCKET" || exit 9; exit 7`, "sh", "--memory")
	if code != 7 || errs != "" {
		t.Fatalf("status %d, %q\n%s", code, errs, d.Log())
	}
	parts := strings.Split(strings.TrimSpace(out), "|")
	if len(parts) != 3 || !strings.HasPrefix(parts[0], d.RunDir+"/session-") || parts[1] != lib+":/opt/lib" || parts[2] != "--memory" {
		t.Errorf("the command saw %q", out)
	}
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(5 * time.Millisecond) {
		if _, err := os.Stat(filepath.Dir(parts[0])); os.IsNotExist(err) {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("the session outlived the command")
		}
	}
	if code, _, _ := vgpuctl("run", "--bus", d.Address, "--lib-dir", lib, "--", "sh", "-c", "kill -TERM $$"); code != 128+15 {
		t.Errorf("a command ended by SIGTERM gave status %d", code)
	}
	if code, _, _ := vgpuctl("run", "--bus", d.Address, "--lib-dir", lib, "true"); code != 0 {
		t.Errorf("true gave status %d", code)
	}
}

func TestRunWithAWeight(t *testing.T) {
	d := daemontest.Start(t, daemontest.Bus(t), map[string]string{"default": `gpus = ["soft"]`})
	lib, held := libDir(t), filepath.Join(t.TempDir(), "held")
	ended := make(chan string, 1)
	go func() {
		_, _, errs := vgpuctl("run", "--bus", d.Address, "--lib-dir", lib, "--memory", "512MiB", "--weight", "300", "--",
			"sh", "-c", `until test -e "$0"; do sleep 0.01; done`, held)
		ended <- errs
	}()
	var status string
	for deadline := time.Now().Add(time.Minute); !strings.Contains(status, `"weight": 300`); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("no session has the weight:\n%s", status)
		}
		_, status, _ = vgpuctl("status", "--json", "--bus", d.Address)
	}
	if !strings.Contains(status, `"memory_quota": 536870912`) {
		t.Errorf("the weight changed the memory:\n%s", status)
	}
	if err := os.WriteFile(held, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if errs := <-ended; errs != "" {
		t.Error(errs)
	}
	if code, _, errs := vgpuctl("run", "--bus", d.Address, "--lib-dir", lib, "--weight", "0", "true"); code == 0 || !strings.Contains(errs, "--weight \"0\" is not valid") {
		t.Errorf("weight 0: status %d, %q", code, errs)
	}
}

func TestRunRefusals(t *testing.T) {
	d := daemontest.Start(t, daemontest.Bus(t), map[string]string{"default": `gpus = ["soft"]`})
	lib, plain := libDir(t), filepath.Join(t.TempDir(), "not-executable")
	if err := os.WriteFile(plain, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		args     []string
		code     int
		mentions string
	}{
		{[]string{"--pool", "gold", "--", "true"}, 1, `no pool "gold"`},
		{[]string{"--memory", "lots", "--", "true"}, 1, "--memory"},
		{[]string{"--memory", "1TiB", "--", "true"}, 1, "at most"},
		{[]string{"--priority", "urgent", "--", "true"}, 1, "high, normal or low"},
		{[]string{"--lib-dir", t.TempDir(), "--", "true"}, 1, "VGPU_LIB_DIR"},
		{[]string{"--", "no-such-command"}, exitNotFound, "no-such-command"},
		{[]string{"--", plain}, exitNotExecutable, "permission denied"},
		{nil, 1, "command is missing: see vgpuctl run --help"},
	} {
		code, _, errs := vgpuctl(append([]string{"run", "--bus", d.Address, "--lib-dir", lib}, tc.args...)...)
		if code != tc.code || !strings.Contains(errs, tc.mentions) {
			t.Errorf("%v: status %d, %q; want %d and %q", tc.args, code, errs, tc.code, tc.mentions)
		}
	}
}

func TestStatus(t *testing.T) {
	d := daemontest.Start(t, daemontest.Bus(t), map[string]string{
		"default": `gpus = ["soft"]`, "gold-2": "gpus = [\"0000:01:00.0\"]\nslots = 3\nisolation = \"none\"",
	})
	_, hold, err := openSession(context.Background(), d.Address, "gold-2", "low", 1<<30, "training")
	if err != nil {
		t.Fatal(err)
	}
	defer hold.Close()
	var s status
	for deadline := time.Now().Add(time.Minute); len(s.Slots) != 1 || s.Slots[0].State != "running"; time.Sleep(5 * time.Millisecond) {
		code, out, errs := vgpuctl("status", "--bus", d.Address, "--json")
		if code != 0 {
			t.Fatalf("status %d, %s", code, errs)
		}
		if err := json.Unmarshal([]byte(out), &s); err != nil {
			t.Fatal(err)
		}
		if time.Now().After(deadline) {
			t.Fatalf("got %s", out)
		}
	}
	slot := s.Slots[0]
	if slot.DomainName != "training" || slot.Pool != "gold-2" || slot.Priority != "low" || slot.MemoryQuota != 1<<30 || !slot.Connected || slot.GPU != "0000:01:00.0" {
		t.Errorf("slot is %+v", slot)
	}
	if len(s.Pools) != 2 || s.Pools[1].Name != "gold-2" || s.Pools[1].Used != 1 || s.Pools[1].Slots != 3 || s.Pools[1].MemoryPromised != 1<<30 {
		t.Errorf("pools are %+v", s.Pools)
	}
	if len(s.GPUs) != 2 || !s.GPUs[1].Available || s.GPUs[1].PCI != "0000:01:00.0" || s.GPUs[1].Memory != executortest.Memory {
		t.Errorf("gpus are %+v", s.GPUs)
	}
	code, out, _ := vgpuctl("status", "--bus", d.Address)
	for _, part := range []string{"Test GPU", "580.159.04", "gold-2   cuda     1/3    1GiB", "training", "0B/1GiB", "8GiB"} {
		if code != 0 || !strings.Contains(out, part) {
			t.Errorf("%q is not in\n%s", part, out)
		}
	}
}

func TestMessagesWithoutMediatord(t *testing.T) {
	address := daemontest.Bus(t)
	if code, _, errs := vgpuctl("status", "--bus", address); code != 1 || !strings.Contains(errs, "mediatord is not running") {
		t.Errorf("status %d, %q", code, errs)
	}
	if code, _, errs := vgpuctl("run", "--bus", address, "--lib-dir", libDir(t), "true"); code != 1 || !strings.Contains(errs, "mediatord is not running") {
		t.Errorf("status %d, %q", code, errs)
	}
	if code, _, errs := vgpuctl("status", "--bus", "unix:path=/nonexistent"); code != 1 || !strings.Contains(errs, "cannot reach the message bus") {
		t.Errorf("status %d, %q", code, errs)
	}
	if code, _, errs := vgpuctl("dance"); code != 1 || !strings.Contains(errs, "dance") {
		t.Errorf("status %d, %q", code, errs)
	}
}

func TestSizeAndPlain(t *testing.T) {
	for bytes, want := range map[uint64]string{
		0: "0B", 1023: "1023B", 1 << 10: "1KiB", 1536: "1.5KiB", 1 << 30: "1GiB", 3<<29 + 1: "1.5GiB", 150754820096: "140.4GiB", 1<<64 - 1: "16777215.9TiB",
	} {
		if got := size(bytes); got != want {
			t.Errorf("size(%d) is %s, want %s", bytes, got, want)
		}
	}
	if got := plain("a\x1b[2J\tb\u009bü"); got != "a?[2J?b?ü" {
		t.Errorf("plain gave %q", got)
	}
}
