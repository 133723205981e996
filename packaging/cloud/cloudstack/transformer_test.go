package cloudstack

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

const examples = "../../../xml/testdata/complete/"

// vgpuctl is built for the test.
func vgpuctl(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "vgpuctl")
	if out, err := exec.Command("go", "build", "-tags", "libvirt_dlopen", "-o", path, "libvirt-vgpu/mediatord/cmd/vgpuctl").CombinedOutput(); err != nil {
		t.Fatalf("building vgpuctl: %v\n%s", err, out)
	}
	return path
}

func read(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(examples + name)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// transformer calls a hook as the agent does.
type transformer func(xml string) (out string, log string, err error)

func check(t *testing.T, transform transformer) {
	t.Helper()
	for _, name := range []string{"cloudstack", "cloudstack-metadata", "ordinary"} {
		out, log, err := transform(read(t, name+".xml"))
		if err != nil || strings.TrimSpace(out) != strings.TrimSpace(read(t, name+".golden.xml")) {
			t.Errorf("%s: %v, %s\n%s", name, err, log, out)
		}
	}
}

func TestShellTransformer(t *testing.T) {
	t.Setenv("VGPUCTL", vgpuctl(t))
	transform := func(xml string) (string, string, error) {
		cmd := exec.Command("./libvirt-vm-xml-transformer.sh", "transform", xml)
		var errors strings.Builder
		cmd.Stderr = &errors
		out, err := cmd.Output()
		return string(out), errors.String(), err
	}
	check(t, transform)
	if out, log, err := transform(`<domain><gpu xmlns="urn:libvirt-vgpu:1" colour="red"/></domain>`); err == nil || !strings.Contains(log, "colour") {
		t.Errorf("a bad element: %v, %s, %s", err, out, log)
	}
	if err := exec.Command("./libvirt-vm-xml-transformer.sh", "dance", "").Run(); err == nil {
		t.Error("another method was known")
	}
}
