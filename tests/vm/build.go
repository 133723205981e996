package vm

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

// Root is the top of the source tree that the working directory lies in, which is where
// `go test` and the Makefile run things. It panics outside of one.
func Root() string {
	directory, err := os.Getwd()
	if err != nil {
		panic(fmt.Errorf("finding the source tree: %w", err))
	}
	for top := directory; ; top = filepath.Dir(top) {
		if _, err := os.Stat(filepath.Join(top, "go.mod")); err == nil {
			return top
		}
		if top == filepath.Dir(top) {
			panic(fmt.Errorf("finding the source tree: no go.mod at or above %s", directory))
		}
	}
}

// BuildGuestInit compiles guestinit, static, into dir and returns its path.
func BuildGuestInit(ctx context.Context, dir string) (string, error) {
	if err := watch("tests/vm/guestinit", "tests/vm/manifest"); err != nil {
		return "", err
	}
	out := filepath.Join(dir, "guestinit")
	cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-o", out, "./tests/vm/guestinit")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	return out, runIn(cmd, "building guestinit")
}

// BuildModule compiles vgpu.ko for the kernel that FindKernel returns and
// returns its path, which is where `make build` puts it too.
func BuildModule(ctx context.Context) (string, error) {
	kernel, err := FindKernel()
	if err != nil {
		return "", err
	}
	if err := watch("guest/kernel", "guest/include"); err != nil {
		return "", err
	}
	out := filepath.Join(Root(), "build", "guest")
	cmd := exec.CommandContext(ctx, "make", "-C", "guest/kernel", "OUT="+out, "KERNEL="+kernel.Headers)
	return filepath.Join(out, "vgpu.ko"), runIn(cmd, "building vgpu.ko")
}

// BuildC compiles the C sources of a folder below tests/ into one static program,
// which has the folder's name, in dir.
func BuildC(ctx context.Context, folder, dir string) (string, error) {
	folder = filepath.Join("tests", folder)
	if err := watch(folder, "guest/include"); err != nil {
		return "", err
	}
	sources, err := filepath.Glob(filepath.Join(Root(), folder, "*.c"))
	if err != nil {
		return "", fmt.Errorf("looking at sources: %w", err)
	}
	out := filepath.Join(dir, filepath.Base(folder))
	cmd := exec.CommandContext(ctx, "gcc", "-std=gnu11", "-D_GNU_SOURCE", "-Wall", "-Wextra", "-Werror", "-O1", "-static", "-pthread", "-Iguest/include", "-o", out)
	cmd.Args = append(cmd.Args, sources...)
	return out, runIn(cmd, "building "+folder)
}

func runIn(cmd *exec.Cmd, what string) error {
	cmd.Dir = Root()
	if output, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w\n%s", what, err, output)
	}
	return nil
}

// watch looks at the files of directories below the root, so that go test does
// not answer from its cache when one of them has changed.
func watch(dirs ...string) error {
	for _, dir := range dirs {
		entries, err := os.ReadDir(filepath.Join(Root(), dir))
		if err != nil {
			return fmt.Errorf("looking at sources: %w", err)
		}
		for _, e := range entries {
			if _, err := os.Stat(filepath.Join(Root(), dir, e.Name())); err != nil {
				return fmt.Errorf("looking at sources: %w", err)
			}
		}
	}
	return nil
}
