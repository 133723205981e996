package guest

import (
	"archive/zip"
	"io"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"strings"
	"testing"
)

// runtimeFrom returns NVIDIA's unmodified libcudart out of a wheel of PyPI,
// from build/cache when it was fetched before. A machine without the network
// skips.
func runtimeFrom(t *testing.T, distribution, version string) string {
	t.Helper()
	cache, err := filepath.Abs(filepath.Join("../../build/cache", distribution+"-"+version))
	if err != nil {
		t.Fatal(err)
	}
	if found, _ := filepath.Glob(filepath.Join(cache, "libcudart.so.*")); len(found) == 1 {
		return found[0]
	}
	wheels := t.TempDir()
	pip := exec.Command("python3", "-m", "pip", "download", "-q", "--no-deps", "--only-binary=:all:",
		"--platform", "manylinux2014_x86_64", "-d", wheels, distribution+"=="+version)
	if text, err := pip.CombinedOutput(); err != nil {
		t.Skipf("fetching %s %s: %v\n%s", distribution, version, err, text)
	}
	found, err := filepath.Glob(filepath.Join(wheels, "*.whl"))
	if err != nil || len(found) != 1 {
		t.Fatalf("wheels %v, %v", found, err)
	}
	wheel, err := zip.OpenReader(found[0])
	if err != nil {
		t.Fatal(err)
	}
	defer wheel.Close()
	for _, file := range wheel.File {
		if !strings.HasPrefix(path.Base(file.Name), "libcudart.so.") {
			continue
		}
		if err := os.MkdirAll(cache, 0o755); err != nil {
			t.Fatal(err)
		}
		source, err := file.Open()
		if err != nil {
			t.Fatal(err)
		}
		defer source.Close()
		content, err := io.ReadAll(source)
		if err != nil {
			t.Fatal(err)
		}
		library := filepath.Join(cache, path.Base(file.Name))
		if err := os.WriteFile(library+".part", content, 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(library+".part", library); err != nil {
			t.Fatal(err)
		}
		return library
	}
	t.Fatalf("%s holds no libcudart", found[0])
	return ""
}
