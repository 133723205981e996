package gen

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
)

func TestGeneratedSourcesAreCurrent(t *testing.T) {
	files, err := Files()
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range files {
		have, err := os.ReadFile(filepath.Join("../../..", name))
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(have, want) {
			t.Errorf("%s differs from the table; run: go run ./plugin/cmd/vgpu-apigen", name)
		}
	}
}
