package wheel

import (
	"archive/zip"
	"os"
	"path/filepath"
	"testing"
)

func writeWheel(t *testing.T, files map[string]string) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "x.whl")
	file, err := os.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	archive := zip.NewWriter(file)
	for path, content := range files {
		entry, err := archive.Create(path)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := entry.Write([]byte(content)); err != nil {
			t.Fatal(err)
		}
	}
	if err := archive.Close(); err != nil {
		t.Fatal(err)
	}
	return name
}

func TestExtract(t *testing.T) {
	directory := filepath.Join(t.TempDir(), "cache")
	wheel := writeWheel(t, map[string]string{"nvidia/cu13/lib/libcudart.so.13": "library", "nvidia/cu13/include/cuda.h": "header"})
	library, err := extract(wheel, "libcudart.so.", directory)
	if err != nil || library != filepath.Join(directory, "libcudart.so.13") {
		t.Fatalf("extracted %q, %v", library, err)
	}
	if content, err := os.ReadFile(library); err != nil || string(content) != "library" {
		t.Errorf("it holds %q, %v", content, err)
	}
	if entries, err := os.ReadDir(directory); err != nil || len(entries) != 1 {
		t.Errorf("the cache holds %v, %v", entries, err)
	}
	if _, err := extract(writeWheel(t, map[string]string{"a": ""}), "libcudart.so.", directory); err == nil {
		t.Error("a wheel without a runtime gave one")
	}
}

// What is in the cache is not fetched again: there is no such distribution.
func TestCudartFromCache(t *testing.T) {
	cache := t.TempDir()
	library := filepath.Join(cache, "no-such-distribution-1.2", "libcudart.so.12")
	if err := os.MkdirAll(filepath.Dir(library), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(library, nil, 0o755); err != nil {
		t.Fatal(err)
	}
	if got, err := Cudart(t.Context(), cache, "no-such-distribution", "1.2"); err != nil || got != library {
		t.Errorf("got %q, %v", got, err)
	}
}
