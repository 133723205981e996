// Package guest tests the guest's two libraries from outside: what they export,
// how they answer C programs and NVIDIA's unmodified runtimes. It builds them
// with guest/Makefile, so it needs gcc and make.
package guest

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

var libraries = sync.OnceValues(func() (string, error) {
	root, err := filepath.Abs("../..")
	if err != nil {
		return "", err
	}
	out := filepath.Join(root, "build", "guest")
	if text, err := exec.Command("make", "-s", "-C", filepath.Join(root, "guest"), "OUT="+out).CombinedOutput(); err != nil {
		return "", fmt.Errorf("building the guest's libraries: %w\n%s", err, text)
	}
	return out, nil
})

// libraryFolder builds both libraries once and returns where they are.
func libraryFolder(t *testing.T) string {
	t.Helper()
	folder, err := libraries()
	if err != nil {
		t.Fatal(err)
	}
	return folder
}

// compile builds a test program from testdata/NAME.c and other sources.
func compile(t *testing.T, name string, more ...string) string {
	t.Helper()
	program := filepath.Join(t.TempDir(), name)
	args := append([]string{"-std=gnu11", "-D_GNU_SOURCE=", "-O1", "-g", "-Wall", "-Wextra", "-Werror", "-pthread", "-rdynamic",
		"-I../../guest/libcuda", "-o", program, filepath.Join("testdata", name+".c")}, more...)
	if text, err := exec.Command("gcc", append(args, "-ldl")...).CombinedOutput(); err != nil {
		t.Fatalf("compiling %s: %v\n%s", name, err, text)
	}
	return program
}

// run starts the program with our libraries on its path and returns its
// NAME=VALUE lines. environment entries come on top.
func run(t *testing.T, environment []string, program string, args ...string) map[string]string {
	t.Helper()
	cmd := exec.Command(program, args...)
	cmd.Env = append([]string{"PATH=" + os.Getenv("PATH"), "LD_LIBRARY_PATH=" + libraryFolder(t), "VGPU_LOG=1"}, environment...)
	var stderr strings.Builder
	cmd.Stderr = &stderr
	stdout, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s %v: %v\n%s%s", filepath.Base(program), args, err, stdout, stderr.String())
	}
	values := map[string]string{}
	for _, line := range strings.Split(strings.TrimSpace(string(stdout)), "\n") {
		if name, value, ok := strings.Cut(line, "="); ok {
			values[name] = value
		}
	}
	if t.Failed() || testing.Verbose() {
		t.Logf("%s%s", stdout, stderr.String())
	}
	return values
}

// expect compares a program's answers.
func expect(t *testing.T, got, want map[string]string) {
	t.Helper()
	for name, value := range want {
		if got[name] != value {
			t.Errorf("%s is %q, want %q", name, got[name], value)
		}
	}
}
