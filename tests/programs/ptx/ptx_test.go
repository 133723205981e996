// Package ptx checks that kernels.ptx is what the compiler makes of kernels.cu.
package ptx

import (
	"errors"
	"os/exec"
	"strings"
	"testing"
)

const compilerAbsent = 77

func TestPTXIsCurrent(t *testing.T) {
	output, err := check().CombinedOutput()
	var exit *exec.ExitError
	switch {
	case errors.As(err, &exit) && exit.ExitCode() == compilerAbsent:
		t.Skip(strings.TrimSpace(string(output)))
	case err != nil:
		t.Fatalf("%v: %s", err, output)
	}
}

func check() *exec.Cmd {
	cmd := exec.Command("python3", "compile_ptx.py", "--check", "kernels.cu", "kernels.ptx")
	cmd.Dir = ".."
	return cmd
}
