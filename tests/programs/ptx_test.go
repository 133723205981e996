// Package programs holds the test programs, which are C; see Makefile.
package programs

import (
	"errors"
	"os/exec"
	"strings"
	"testing"
)

const compilerAbsent = 77

func TestPTXIsCurrent(t *testing.T) {
	output, err := exec.Command("python3", "compile_ptx.py", "--check", "kernels.cu", "kernels.ptx").CombinedOutput()
	var exit *exec.ExitError
	switch {
	case errors.As(err, &exit) && exit.ExitCode() == compilerAbsent:
		t.Skip(strings.TrimSpace(string(output)))
	case err != nil:
		t.Fatalf("%v: %s", err, output)
	}
}
