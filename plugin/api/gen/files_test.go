package gen

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"libvirt-vgpu/plugin/api"
)

func TestPageOfRefusedFunctionsIsCurrent(t *testing.T) {
	list, err := api.Refusals()
	if err != nil {
		t.Fatal(err)
	}
	have, err := os.ReadFile(filepath.Join("../../..", Document))
	if err != nil {
		t.Fatal(err)
	}
	want, err := Compatibility(have, list)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(have, want) {
		t.Errorf("%s differs from the table; run: go run ./plugin/cmd/vgpu-apigen", Document)
	}
	if _, err := Compatibility([]byte("# page\n"), list); err == nil {
		t.Error("a page without the list's place was accepted")
	}
}

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
