package main

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the golden files")

const vmi = `{"apiVersion":"kubevirt.io/v1","kind":"VirtualMachineInstance","metadata":{"name":"web","annotations":{
 "kubevirt.io/latest-observed-api-version":"v1","libvirt-vgpu/pool":"gold","libvirt-vgpu/memory":"16GiB"}},"spec":{}}`

func read(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestAnnotationsBecomeAVGPU(t *testing.T) {
	var out bytes.Buffer
	if err := run([]string{"--vmi", vmi, "--domain", read(t, "domain.xml")}, &out); err != nil {
		t.Fatal(err)
	}
	if *update {
		if err := os.WriteFile(filepath.Join("testdata", "domain.golden.xml"), out.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if want := read(t, "domain.golden.xml"); out.String() != want {
		t.Errorf("got\n%s", out.String())
	}
}

func TestOtherDomainsStayAsTheyAre(t *testing.T) {
	domain := read(t, "domain.xml")
	for _, plain := range []string{`{}`, `{"metadata":{"annotations":{"other/pool":"gold"}}}`} {
		var out bytes.Buffer
		if err := run([]string{"--vmi", plain, "--domain", domain}, &out); err != nil || out.String() != domain {
			t.Errorf("%s: %v\n%s", plain, err, out.String())
		}
	}
}

func TestRefusals(t *testing.T) {
	annotated := func(name, value string) string {
		return `{"metadata":{"annotations":{"libvirt-vgpu/` + name + `":"` + value + `"}}}`
	}
	domain := read(t, "domain.xml")
	for _, tc := range []struct{ vmi, domain, mentions string }{
		{"not JSON", domain, "reading the VMI"},
		{annotated("memory", "lots"), domain, "libvirt-vgpu/memory"},
		{annotated("colour", "red"), domain, "libvirt-vgpu/colour"},
		{annotated("pool", "gold"), "<domain><devices/></domain>", "UUID"},
		{annotated("pool", "gold"), "nonsense", "malformed"},
		{annotated("pool", "gold"), read(t, "domain.golden.xml"), "already"},
	} {
		var out bytes.Buffer
		if err := run([]string{"--vmi", tc.vmi, "--domain", tc.domain}, &out); err == nil || !strings.Contains(err.Error(), tc.mentions) || out.Len() > 0 {
			t.Errorf("%s: %v, %q", tc.vmi, err, out.String())
		}
	}
}
