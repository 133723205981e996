// Package cudatest makes a driver library without a GPU, on which the executor's
// own cost is measured.
package cudatest

import (
	_ "embed"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"

	"libvirt-vgpu/plugin/api"
)

// What the library does on request: LogVariable in the environment names a file
// for launches, fences and copies of pinned memory, one line each; a launch with RefusedGrid as the grid's
// width is refused, ends the context if the grid's height is 2, and finds memory
// every third time if it is 3. A copy of RefusedGrid bytes is refused, one of a byte more ends the context.
const (
	LogVariable = "VGPU_EMPTY_DRIVER_LOG"
	RefusedGrid = 1313
)

// ClockVariable names the address of a Simulation: then work takes time, that
// which the simulation shows. A launch takes the caller 200 ns, and the GPU 7 us for
// each block in the grid's width, one after the other whatever its stream; a write to
// memory takes the caller 100 ns and is done behind the work that is there. What is
// done is seen at the next call.
const ClockVariable = "VGPU_EMPTY_DRIVER_CLOCK"

// Simulation is memory outside Go's heap.
type Simulation struct {
	Now      atomic.Uint64 // nanoseconds
	Launches atomic.Uint64
	// WithdrawAt is the number of the launch in which the budget of a lease becomes
	// 0; Sequence and Budget are the addresses of the lease's words.
	WithdrawAt, Sequence, Budget uint64
}

//go:embed empty/libcuda.c
var source string

var defined = regexp.MustCompile(`(?m)^int (cu\w+)\(`)

// BuildEmptyDriver compiles the library and returns its path. Files in C beside it may define more of
// the driver's functions; they may include what is in this package's parent directory.
func BuildEmptyDriver(t testing.TB, beside ...string) string {
	t.Helper()
	functions, err := api.Functions()
	if err != nil {
		t.Fatal(err)
	}
	written := map[string]bool{}
	texts := []string{source}
	for _, file := range beside {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		texts = append(texts, string(text))
	}
	for _, found := range defined.FindAllStringSubmatch(strings.Join(texts, "\n"), -1) {
		written[found[1]] = true
	}
	all := strings.Builder{}
	all.WriteString(source)
	for _, function := range functions {
		if !written[function.Symbol] {
			fmt.Fprintf(&all, "int %s(void) { return 0; }\n", function.Symbol)
		}
	}
	directory := t.TempDir()
	file, library := filepath.Join(directory, "empty.c"), filepath.Join(directory, "libcuda.so.1")
	if err := os.WriteFile(file, []byte(all.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	line := append([]string{"-std=gnu11", "-Wall", "-O2", "-fPIC", "-shared", "-o", library, file}, beside...)
	if len(beside) > 0 {
		line = append(line, "-I", headers(t))
	}
	if out, err := exec.Command("gcc", line...).CombinedOutput(); err != nil {
		t.Fatalf("compiling a driver without a GPU: %v\n%s", err, out)
	}
	return library
}

// headers is the directory of the package that is tested.
func headers(t testing.TB) string {
	t.Helper()
	out, err := exec.Command("go", "list", "-f", "{{.Dir}}", "libvirt-vgpu/mediatord/executor/cuda").Output()
	if err != nil {
		t.Fatalf("looking for headers: %v", err)
	}
	return strings.TrimSpace(string(out))
}
