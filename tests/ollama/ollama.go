// Package ollama runs the discovery of GPUs of Ollama's own Go program, from its
// Go module, with a stand-in for its CUDA backend (testdata/backend.c).
package ollama

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"

	"libvirt-vgpu/tests/vm"
)

// Version of Ollama's Go module.
const Version = "v0.17.4"

// Modules that hold headers which Ollama's module archive lacks: the go command
// leaves folders called vendor out.
const miniaudio = "github.com/gen2brain/malgo@v0.11.23"

// ErrFetch marks a module proxy that did not give a module.
var ErrFetch = errors.New("the module proxy did not give the module")

// Program is a built Ollama.
type Program struct {
	Path    string // of the executable
	sources string // of the module
}

// Build compiles Ollama into a directory below cache and keeps it there. It needs g++
// and the headers of the Debian packages nlohmann-json3-dev and libstb-dev. Nothing of
// Ollama's C++ computes here, so it is not optimised: that is most of what building costs.
// The go command's cache keeps what was compiled, whatever cache is.
func Build(ctx context.Context, cache string) (Program, error) {
	sources, err := download(ctx, "github.com/ollama/ollama@"+Version)
	if err != nil {
		return Program{}, err
	}
	directory := filepath.Join(cache, "ollama-"+Version)
	p := Program{Path: filepath.Join(directory, "ollama"), sources: sources}
	if _, err := os.Stat(p.Path); err == nil {
		return p, nil
	}
	audio, err := download(ctx, miniaudio)
	if err != nil {
		return Program{}, err
	}
	include := filepath.Join(directory, "include", "miniaudio")
	if err := os.MkdirAll(include, 0o755); err != nil {
		return Program{}, err
	}
	header := filepath.Join(include, "miniaudio.h")
	_ = os.Remove(header)
	if err := os.Symlink(filepath.Join(audio, "miniaudio.h"), header); err != nil {
		return Program{}, err
	}
	build := exec.CommandContext(ctx, "go", "install", "-trimpath", "-ldflags=-s -w", "github.com/ollama/ollama@"+Version)
	build.Env = append(os.Environ(), "GOFLAGS=", "GOBIN="+directory, "CGO_ENABLED=1",
		"CGO_CFLAGS=-O0", "CGO_CXXFLAGS=-O0",
		// a flag would make what the go command keeps depend on where cache is
		"CPATH="+filepath.Join(directory, "include"))
	if text, err := build.CombinedOutput(); err != nil {
		return Program{}, fmt.Errorf("building Ollama: %w\n%s", err, text)
	}
	return p, nil
}

func download(ctx context.Context, module string) (directory string, err error) {
	cmd := exec.CommandContext(ctx, "go", "mod", "download", "-json", module)
	cmd.Env = append(os.Environ(), "GOFLAGS=-mod=mod")
	cmd.Dir = os.TempDir() // our own module is not concerned
	var errs bytes.Buffer
	cmd.Stderr = &errs
	text, err := cmd.Output()
	var answer struct{ Dir, Error string }
	if jsonErr := json.Unmarshal(text, &answer); jsonErr != nil || answer.Dir == "" {
		return "", fmt.Errorf("%w: %s: %s%s", ErrFetch, module, answer.Error, errs.String())
	}
	return answer.Dir, err
}

// Install puts the program and the stand-in backend into a directory as Ollama's
// own package has them: bin/ollama, lib/ollama/cuda_v13/libggml-cuda.so.
func (p Program) Install(ctx context.Context, directory string) error {
	libraries := filepath.Join(directory, "lib", "ollama", "cuda_v13")
	for _, d := range []string{libraries, filepath.Join(directory, "bin")} {
		if err := os.MkdirAll(d, 0o755); err != nil {
			return err
		}
	}
	data, err := os.ReadFile(p.Path)
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(directory, "bin", "ollama"), data, 0o755); err != nil {
		return err
	}
	ggml := filepath.Join(p.sources, "ml", "backend", "ggml", "ggml")
	cc := exec.CommandContext(ctx, "gcc", "-std=gnu11", "-O1", "-Wall", "-Wextra", "-Werror", "-fPIC", "-shared",
		"-I"+filepath.Join(ggml, "include"), "-I"+filepath.Join(ggml, "src"), "-o", filepath.Join(libraries, "libggml-cuda.so"),
		filepath.Join(vm.Root(), "tests", "ollama", "testdata", "backend.c"), "-ldl")
	if text, err := cc.CombinedOutput(); err != nil {
		return fmt.Errorf("building the backend: %w\n%s", err, text)
	}
	return nil
}

// Environment of `ollama serve`, with files below a directory.
func Environment(directory string) []string {
	return []string{"OLLAMA_HOST=127.0.0.1:0", "OLLAMA_DEBUG=2", "VGPU_LOG=1", "OLLAMA_MODELS=" + directory, "HOME=" + directory}
}

// Compute is what Ollama says about a device it will use.
type Compute map[string]string

var (
	pair = regexp.MustCompile(`(\w+)=("(?:[^"\\]|\\.)*"|\S*)`)

	// ErrNoCompute: the lines hold no answer of a discovery.
	ErrNoCompute = errors.New("no line tells what ollama computes on")
)

// ReadCompute finds the line in which the discovery ends.
func ReadCompute(lines []string) (Compute, error) {
	for _, line := range lines {
		if !strings.Contains(line, `msg="inference compute"`) {
			continue
		}
		compute := Compute{}
		for _, m := range pair.FindAllStringSubmatch(line, -1) {
			compute[m[1]] = strings.Trim(m[2], `"`)
		}
		return compute, nil
	}
	return nil, ErrNoCompute
}
