package vgpuxml

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestSchemaAgreesWithParser gives every example, and values at every limit, to xmllint and to the parser.
func TestSchemaAgreesWithParser(t *testing.T) {
	xmllint, err := exec.LookPath("xmllint")
	if err != nil {
		t.Fatal("xmllint is not installed; install it with: apt-get install libxml2-utils")
	}
	folder := t.TempDir()
	accepted := map[string]bool{}
	add := func(name string, document []byte) {
		path := filepath.Join(folder, name+".xml")
		if err := os.WriteFile(path, document, 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := ParseElement(document)
		accepted[path] = err == nil
	}
	for _, kind := range []string{"good", "bad"} {
		for name, document := range examples(t, "element/"+kind, ".xml") {
			add(kind+"-"+name, document)
		}
	}
	for attribute, values := range limits() {
		for i, value := range values {
			add(fmt.Sprintf("%s-%d", attribute, i), fmt.Appendf(nil, `<g:gpu xmlns:g="urn:libvirt-vgpu:1" %s="%s"/>`, attribute, value))
		}
	}

	args := []string{"--noout", "--relaxng", "schema/vgpu-gpu.rng"}
	for path := range accepted {
		args = append(args, path)
	}
	var output bytes.Buffer
	command := exec.Command(xmllint, args...)
	command.Stderr = &output
	_ = command.Run() // its exit status is that of one file; the lines below say it of each
	good := 0
	for path, parsed := range accepted {
		valid := strings.Contains(output.String(), path+" validates\n")
		if valid != parsed {
			document, _ := os.ReadFile(path)
			t.Errorf("schema says %v, parser says %v of %s", valid, parsed, document)
		}
		if valid {
			good++
		}
	}
	if good < 40 || len(accepted)-good < 60 {
		t.Errorf("%d valid and %d invalid examples, expected more of both; xmllint said:\n%s", good, len(accepted)-good, output.String())
	}
}

// limits lists values just inside and outside of what each attribute allows.
func limits() map[string][]string {
	values := map[string][]string{
		"pool":     {"", "a", "0", "default", "a.b_c-d", "-a", ".a", "_a", "A", "a b", "a/b", "ä", strings.Repeat("p", 63), strings.Repeat("p", 64), "a&#10;", " a"},
		"priority": {"", "high", "normal", "low", "High", "high ", "highlow"},
		"weight":   {"", "0", "1", "9999", "10000", "10001", "99999", "-1", "+1", "1.0", "1e3", "0100", " 1", "1&#9;"},
		"memory":   {"", "0", "00", "0MiB", "+64MiB", "64mib", "64M", "64MB", "64 MiB", "064MiB", "1.5GiB", "18446744073709551616", "100000000000TiB"},
		"window":   {"", "0", "1TiB", "64 MiB", "+1GiB", "3GiB", "96MiB", "1073741825", "01GiB"},
		"size":     {"1GiB"},
		"xml:lang": {"en"},
	}
	around := func(attribute string, limit uint64) {
		for _, unit := range append(units(), struct {
			name  string
			shift uint
		}{}) {
			n := limit >> unit.shift
			for _, number := range []uint64{n / 2, n - 1, n, n + 1, n * 2, n * 10} {
				values[attribute] = append(values[attribute], fmt.Sprintf("%d%s", number, unit.name))
			}
		}
	}
	around("memory", MinMemory)
	around("memory", 999<<30)
	around("memory", MaxMemory)
	for window := MinWindow / 2; window <= 2*MaxWindow; window *= 2 {
		around("window", window)
	}
	return values
}
