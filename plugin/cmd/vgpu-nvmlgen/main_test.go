package main

import (
	"os"
	"strings"
	"testing"
)

func TestGeneratedSourceIsCurrent(t *testing.T) {
	table, err := os.ReadFile("../../../guest/libnvml/nvml.table")
	if err != nil {
		t.Fatal(err)
	}
	want, err := refused(string(table))
	if err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile("../../../guest/libnvml/gen/refused.c")
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != string(want) {
		t.Error("guest/libnvml/gen/refused.c is older than nvml.table: run go run ./plugin/cmd/vgpu-nvmlgen")
	}
}

func TestRefused(t *testing.T) {
	source, err := refused("# comment\nnvmlA carried\n\nnvmlB refused\n")
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(source), "nvmlA") || !strings.Contains(string(source), "nvmlReturn_t nvmlB(void)") {
		t.Errorf("generated %s", source)
	}
	for _, bad := range []string{"nvmlA", "nvmlA perhaps", "nvmlA refused\nnvmlA carried"} {
		if _, err := refused(bad); err == nil {
			t.Errorf("table %q accepted", bad)
		}
	}
}
