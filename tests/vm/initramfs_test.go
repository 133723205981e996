package vm

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"libvirt-vgpu/tests/vm/manifest"
)

func TestInitramfs(t *testing.T) {
	dir := t.TempDir()
	script := filepath.Join(dir, "script")
	if err := os.WriteFile(script, []byte("odd"), 0o750); err != nil {
		t.Fatal(err)
	}
	initramfs := Initramfs{
		Init: script,
		Files: []File{
			{Guest: "/usr/bin/dynamic", Host: "/bin/ls"},
			{Guest: "/opt/deep/down/script", Host: script},
			{Guest: "/opt/link", Link: "deep/down/script"},
		},
		Manifest: manifest.Manifest{Steps: []manifest.Step{{Name: "one", Argv: []string{"true"}}}},
	}
	image := filepath.Join(dir, "image")
	if err := initramfs.Write(image); err != nil {
		t.Fatal(err)
	}
	file, err := os.Open(image)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	cpio := exec.Command("cpio", "-t", "-v", "--quiet")
	cpio.Stdin = file
	out, err := cpio.Output()
	if err != nil {
		t.Fatalf("cpio does not take the archive: %v", err)
	}
	var names []string
	for line := range strings.Lines(string(out)) {
		fields := strings.Fields(line)
		names = append(names, fields[0]+" "+strings.Join(fields[8:], " "))
	}
	for _, want := range []string{
		"-rwxr-x--- init", "-rwxr-x--- opt/deep/down/script", "lrwxrwxrwx opt/link -> deep/down/script", "drwxr-xr-x opt/deep",
		"lrwxrwxrwx lib64 -> usr/lib64", "-rwxr-xr-x usr/lib64/ld-linux-x86-64.so.2", "-rwxr-xr-x usr/lib/x86_64-linux-gnu/libc.so.6",
		"-rw-r--r-- etc/vgpu-test/manifest.json",
	} {
		if !slices.Contains(names, want) {
			t.Errorf("the archive lacks %q:\n%s", want, strings.Join(names, "\n"))
		}
	}
}

func TestInitramfsErrors(t *testing.T) {
	for name, files := range map[string][]File{
		"no such file": {{Guest: "/a", Host: "/nonexistent"}},
		"directory":    {{Guest: "/a", Host: "/etc"}},
		"twice":        {{Guest: "/a", Host: "/bin/ls"}, {Guest: "a", Host: "/bin/ls"}},
	} {
		initramfs := Initramfs{Init: "/bin/ls", Files: files}
		if err := initramfs.Write(filepath.Join(t.TempDir(), "image")); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

// A library that the guest brings along is not taken from the host, and one
// that nobody has is an error.
func TestClosure(t *testing.T) {
	dir := t.TempDir()
	source := filepath.Join(dir, "a.c")
	if err := os.WriteFile(source, []byte("int f(void); int main(void) { return f(); }\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	library := filepath.Join(dir, "libours.so")
	program := filepath.Join(dir, "program")
	for _, args := range [][]string{
		{"-shared", "-Wl,-soname,libours.so.1", "-x", "c", "-o", library, "-"},
		{"-o", program, source, library},
	} {
		cmd := exec.Command("gcc", args...)
		cmd.Stdin = strings.NewReader("int f(void) { return 0; }\n")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("gcc: %v\n%s", err, out)
		}
	}
	if _, err := closure([]string{program}, nil); err == nil || !strings.Contains(err.Error(), "libours.so.1") {
		t.Errorf("a library that nobody has: %v", err)
	}
	found, err := closure([]string{program, source}, map[string]bool{"libours.so.1": true})
	if err != nil || found["libc.so.6"] == "" || found["ld-linux-x86-64.so.2"] == "" || len(found) != 2 {
		t.Errorf("closure is %v, %v", found, err)
	}
}

func TestNewer(t *testing.T) {
	for _, c := range []struct {
		a, b string
		want bool
	}{
		{"6.1.0-56-cloud-amd64", "6.1.0-9-cloud-amd64", true},
		{"6.1.0-9-cloud-amd64", "6.1.0-56-cloud-amd64", false},
		{"6.12.95+deb12-cloud-amd64", "6.1.0-56-cloud-amd64", true},
		{"6.1.0-56-cloud-amd64", "6.1.0-56-cloud-amd64", false},
	} {
		if newer(c.a, c.b) != c.want {
			t.Errorf("newer(%s, %s) is %v", c.a, c.b, !c.want)
		}
	}
}

func TestConsole(t *testing.T) {
	text := "boot\r\nkernel| vgpu0: up\r\na| one\r\nb| other\r\na| two| three\r\n@@ a exit=0 ms=12\r\n@@ b exit=137 ms=3400\r\n@@ c exit="
	console := &Console{Path: filepath.Join(t.TempDir(), "console"), Ended: func() bool { return true }}
	if err := os.WriteFile(console.Path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	results, err := console.Results()
	if err != nil || len(results) != 2 || results["b"].Exit != 137 || results["b"].Time.Milliseconds() != 3400 ||
		!slices.Equal(results["a"].Output, []string{"one", "two| three"}) {
		t.Errorf("results are %+v, %v", results, err)
	}
	if log, err := console.KernelLog(); err != nil || !slices.Equal(log, []string{"vgpu0: up"}) {
		t.Errorf("kernel log is %q, %v", log, err)
	}
	if line, err := console.WaitLine(t.Context(), "other"); err != nil || line != "b| other" {
		t.Errorf("line is %q, %v", line, err)
	}
	if _, err := console.WaitEnd(t.Context()); !errors.Is(err, ErrVMEnded) {
		t.Errorf("waiting for a VM that is gone: %v", err)
	}
	if err := os.WriteFile(console.Path, []byte(text+"\n@@ broken: no manifest\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := console.WaitEnd(t.Context()); !errors.Is(err, ErrGuest) || !strings.Contains(err.Error(), "no manifest") {
		t.Errorf("waiting for a guest that broke down: %v", err)
	}
}

func TestDomainXML(t *testing.T) {
	text, err := Domain{Name: "a<b", Metadata: "<x xmlns='urn:x'/>", Devices: "<d/>"}.XML()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("xmllint", "--noout", "-")
	cmd.Stdin = bytes.NewBufferString(text)
	if out, err := cmd.CombinedOutput(); err != nil || !strings.Contains(text, "<name>a&lt;b</name>") {
		t.Errorf("%v: %s\n%s", err, out, text)
	}
}
