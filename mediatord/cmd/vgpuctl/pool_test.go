package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"libvirt-vgpu/mediatord/internal/daemontest"
	"libvirt-vgpu/mediatord/internal/isolation"
	"libvirt-vgpu/mediatord/internal/isolationtest"
)

// poolFiles writes pool files into a directory.
func poolFiles(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name+".toml"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestPoolCheckExplains(t *testing.T) {
	sysfs := isolationtest.Sysfs(t, []isolationtest.Group{
		{Type: "DMA", Devices: isolationtest.Addresses(isolationtest.GPU3D, "nvidia", "0000:01:00.0")},
		{Type: "DMA-FQ", Devices: append(isolationtest.Addresses(isolationtest.GPU3D, "nvidia", "0000:02:00.0"),
			isolationtest.Device{Address: "0000:03:00.0", Class: isolationtest.NVMe, Driver: "nvme"})},
		{Type: "identity", Devices: isolationtest.Addresses(isolationtest.GPU3D, "nvidia", "0000:04:00.0")},
	})
	pools := poolFiles(t, map[string]string{
		"gold": `gpus = ["01:00.0"]`, "shared": `gpus = ["02:00.0"]`, "open": "gpus = [\"04:00.0\"]\nisolation = \"none\"", "default": `gpus = ["soft"]`,
	})
	code, out, errs := vgpuctl("pool", "check", "--pools", pools, "--sysfs", sysfs)
	if code != 1 || errs != "" {
		t.Errorf("status %d, %q", code, errs)
	}
	golden(t, "pool-check.golden", strings.ReplaceAll(out, pools, "POOLS"))
	if code, out, errs := vgpuctl("pool", "check", "gold", "open", "--pools", pools, "--sysfs", sysfs); code != 0 {
		t.Errorf("status %d, %q, %q", code, out, errs)
	}
	var reports []isolation.Report
	code, out, _ = vgpuctl("pool", "check", "shared", "--json", "--pools", pools, "--sysfs", sysfs)
	if err := json.Unmarshal([]byte(out), &reports); err != nil || code != 1 || len(reports) != 1 || !reports[0].Refused() || reports[0].Level != isolation.None {
		t.Errorf("status %d, %v, %s", code, err, out)
	}
}

func TestPoolCheckRefusals(t *testing.T) {
	empty, wrong := t.TempDir(), poolFiles(t, map[string]string{"gold": `gpu = "x"`})
	for _, tc := range []struct {
		args     []string
		mentions string
	}{
		{[]string{"--pools", empty}, "there is no pool in " + empty},
		{[]string{"--pools", wrong}, "gold.toml: gpu: is not a key"},
		{[]string{"silver", "--pools", poolFiles(t, map[string]string{"gold": `gpus = ["soft"]`})}, `there is no pool "silver"`},
	} {
		if code, _, errs := vgpuctl(append([]string{"pool", "check"}, tc.args...)...); code != 1 || !strings.Contains(errs, tc.mentions) {
			t.Errorf("%v: status %d, %q", tc.args, code, errs)
		}
	}
}

func TestPoolListAndShow(t *testing.T) {
	d := daemontest.Start(t, daemontest.Bus(t), map[string]string{"default": `gpus = ["soft"]`, "small": "gpus = [\"soft\"]\nslots = 2\nmemory = \"1GiB\"\nmax_memory = \"2GiB\""})
	_, hold, err := openSession(t.Context(), d.Address, "small", "low", 0, "training")
	if err != nil {
		t.Fatal(err)
	}
	defer hold.Close()
	code, out, errs := vgpuctl("pool", "list", "--bus", d.Address)
	if code != 0 || !strings.Contains(out, "small    1 of 2      7GiB of 8GiB  1     high,normal,low  none") {
		t.Errorf("status %d, %q\n%s", code, errs, out)
	}
	code, out, errs = vgpuctl("pool", "show", "small", "--bus", d.Address)
	for _, part := range []string{"2, 1 in use", "1GiB, at most 2GiB", "7GiB of 8GiB", "training, low, weight 100, 0B of 1GiB in use", "demands none, has none",
		"\n  slots = 2\n", "\n  max_memory = \"2GiB\"\n", "\n  sharing.predict = true\n", "\n  parking.context_after = \"never\"\n"} {
		if code != 0 || !strings.Contains(out, part) {
			t.Errorf("status %d, %q: %q is not in\n%s", code, errs, part, out)
		}
	}
	var s status
	code, out, _ = vgpuctl("pool", "show", "small", "--json", "--bus", d.Address)
	if err := json.Unmarshal([]byte(out), &s); err != nil || code != 0 || len(s.Pools) != 1 || len(s.Slots) != 1 || len(s.GPUs) != 1 {
		t.Errorf("status %d, %v, %s", code, err, out)
	}
	if code, _, errs := vgpuctl("pool", "show", "gold", "--bus", d.Address); code != 1 || !strings.Contains(errs, "vgpuctl pool list") {
		t.Errorf("status %d, %q", code, errs)
	}
}
