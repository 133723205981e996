// Package wheel fetches NVIDIA's unmodified runtime libraries from the Python
// package registry for tests.
package wheel

import (
	"archive/zip"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"strings"
)

// Cudart returns the path of the libcudart.so in a version of a distribution,
// below the directory cache. It fetches the wheel, with pip, if it is not there yet.
func Cudart(ctx context.Context, cache, distribution, version string) (string, error) {
	const prefix = "libcudart.so."
	directory := filepath.Join(cache, distribution+"-"+version)
	if found, _ := filepath.Glob(filepath.Join(directory, prefix+"*")); len(found) == 1 {
		return found[0], nil
	}
	file, cleanup, err := download(ctx, distribution, version)
	if err != nil {
		return "", fmt.Errorf("fetching %s %s: %w", distribution, version, err)
	}
	defer cleanup()
	library, err := extract(file, prefix, directory)
	if err != nil {
		return "", fmt.Errorf("unpacking %s: %w", filepath.Base(file), err)
	}
	return library, nil
}

func download(ctx context.Context, distribution, version string) (file string, cleanup func(), err error) {
	directory, err := os.MkdirTemp("", "wheel")
	if err != nil {
		return "", nil, err
	}
	cleanup = func() { _ = os.RemoveAll(directory) }
	pip := exec.CommandContext(ctx, "python3", "-m", "pip", "download", "-q", "--no-deps", "--only-binary=:all:",
		"--platform", "manylinux2014_x86_64", "-d", directory, distribution+"=="+version)
	if text, err := pip.CombinedOutput(); err != nil {
		cleanup()
		return "", nil, fmt.Errorf("the package registry did not give the wheel: %w\n%s", err, text)
	}
	found, err := filepath.Glob(filepath.Join(directory, "*.whl"))
	if err != nil || len(found) != 1 {
		cleanup()
		return "", nil, fmt.Errorf("pip left the wheels %v", found)
	}
	return found[0], cleanup, nil
}

// extract writes the one file whose name begins with prefix into a directory.
func extract(wheel, prefix, directory string) (string, error) {
	archive, err := zip.OpenReader(wheel)
	if err != nil {
		return "", err
	}
	defer archive.Close()
	for _, file := range archive.File {
		if !strings.HasPrefix(path.Base(file.Name), prefix) {
			continue
		}
		if err := os.MkdirAll(directory, 0o755); err != nil {
			return "", err
		}
		// another name until it is whole, one that Cudart does not take for the library
		part, err := os.CreateTemp(directory, "part-")
		if err != nil {
			return "", err
		}
		defer os.Remove(part.Name())
		source, err := file.Open()
		if err != nil {
			return "", err
		}
		defer source.Close()
		_, err = io.Copy(part, source)
		if err = errors.Join(err, part.Chmod(0o755), part.Close()); err != nil {
			return "", err
		}
		library := filepath.Join(directory, path.Base(file.Name))
		return library, os.Rename(part.Name(), library)
	}
	return "", fmt.Errorf("no %s* in it", prefix)
}

// Package unpacks a version of a distribution into a directory, from which
// PYTHONPATH can take it. It fetches the wheel if the directory is not there yet.
func Package(ctx context.Context, directory, distribution, version string) error {
	if _, err := os.Stat(directory); err == nil {
		return nil
	}
	file, cleanup, err := download(ctx, distribution, version)
	if err != nil {
		return fmt.Errorf("fetching %s %s: %w", distribution, version, err)
	}
	defer cleanup()
	if err := os.MkdirAll(filepath.Dir(directory), 0o755); err != nil {
		return err
	}
	part, err := os.MkdirTemp(filepath.Dir(directory), "part-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(part)
	if text, err := exec.CommandContext(ctx, "python3", "-m", "zipfile", "-e", file, part).CombinedOutput(); err != nil {
		return fmt.Errorf("unpacking %s: %w\n%s", filepath.Base(file), err, text)
	}
	if err := os.Chmod(part, 0o755); err != nil {
		return err
	}
	return os.Rename(part, directory)
}
