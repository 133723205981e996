package main

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"libvirt-vgpu/mediatord/internal/daemontest"
	"libvirt-vgpu/mediatord/internal/doctor"
)

func TestDoctorNamesEveryMissingPiece(t *testing.T) {
	address := daemontest.Bus(t)
	code, out, errs := vgpuctl("doctor", "--json", "--root", t.TempDir(), "--bus", address, "--connect", "nonsense:///x")
	var findings []doctor.Finding
	if err := json.Unmarshal([]byte(out), &findings); err != nil || code != 1 || errs != "" {
		t.Fatalf("status %d, %v, %q\n%s", code, err, errs, out)
	}
	for _, name := range doctor.Names() {
		i := slices.IndexFunc(findings, func(f doctor.Finding) bool { return f.Check == name })
		if i < 0 {
			t.Errorf("nothing is said of %s", name)
		} else if name != "apparmor" && name != "selinux" && findings[i].Level == doctor.OK {
			t.Errorf("on an empty host all is well: %+v", findings[i])
		}
	}
	daemontest.Start(t, address, map[string]string{"default": `gpus = ["soft"]`})
	code, out, _ = vgpuctl("doctor", "--root", t.TempDir(), "--bus", address, "--connect", "test:///default")
	if code != 1 || !strings.Contains(out, "mediatord test answers") && !strings.Contains(out, "mediatord is of version test") || !strings.Contains(out, "  -> ") {
		t.Errorf("status %d\n%s", code, out)
	}
}
