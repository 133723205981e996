package daemon_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestProxmoxHookScript runs the sample of packaging/cloud/proxmox as Proxmox
// does, with the bus, and in the place of qm a script that knows one VM.
func TestProxmoxHookScript(t *testing.T) {
	s := start(t, onePool())
	dir := t.TempDir()
	write := func(name, text string, mode os.FileMode) {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), mode); err != nil {
			t.Fatal(err)
		}
	}
	write("qm", "#!/bin/sh\n[ \"$1 $2\" = \"config 101\" ] && echo 'smbios1: uuid="+strings.ToUpper(uuid)+"' || echo 'name: other'\n", 0o755)
	write("101", `window="64MiB" memory="1GiB"`, 0o644)
	write("102", `window="64MiB"`, 0o644)
	hook := func(vmid, phase string) (string, error) {
		cmd := exec.Command("../../../packaging/cloud/proxmox/vgpu-hookscript", vmid, phase)
		cmd.Env = append(os.Environ(), "PATH="+dir+":"+os.Getenv("PATH"), "VGPU_SETTINGS="+dir, "VGPU_BUS=--address="+s.Address, "VGPU_RUN="+s.RunDir)
		out, err := cmd.CombinedOutput()
		return string(out), err
	}
	must := func(vmid, phase string) {
		t.Helper()
		if out, err := hook(vmid, phase); err != nil {
			t.Fatalf("%s %s: %v\n%s", vmid, phase, err, out)
		}
	}
	must("100", "pre-start") // a VM without a vGPU
	if out, err := hook("102", "pre-start"); err == nil || !strings.Contains(out, "qm set 102 --smbios1") {
		t.Errorf("a VM without UUID: %v, %s", err, out)
	}
	must("101", "pre-start")
	g := s.boot(uuid)
	defer g.off()
	must("101", "post-start")
	if s.property(uuid, "State") != "running" || s.property(uuid, "DomainName") != "101" || s.property(uuid, "MemoryQuota") != uint64(1<<30) {
		t.Error("the slot is not as the settings say")
	}
	must("101", "pre-stop")
	must("101", "post-stop")
	if slots := s.poolProperty("Used"); slots != uint32(0) {
		t.Errorf("%v slots are in use after the end", slots)
	}
	write("101", `pool="platinum"`, 0o644)
	if out, err := hook("101", "pre-start"); err == nil || !strings.Contains(out, `there is no pool "platinum"`) {
		t.Errorf("a pool that does not exist: %v, %s", err, out)
	}
}
