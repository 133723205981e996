package main

import (
	"bytes"
	"context"
	"strings"
	"testing"
)

func TestDomainXMLIsAFilter(t *testing.T) {
	filter := func(document string) (code int, stdout, stderr string) {
		var out, errs bytes.Buffer
		code = execute(context.Background(), []string{"domain-xml"}, strings.NewReader(document), &out, &errs)
		return code, out.String(), errs.String()
	}
	const plain = "<domain><name>a</name><devices/></domain>\n"
	if code, out, errs := filter(plain); code != 0 || out != plain {
		t.Errorf("status %d, %q, %q", code, out, errs)
	}
	code, out, errs := filter(`<domain><uuid>6ba7b810-9dad-11d1-80b4-00c04fd430c8</uuid><devices/><gpu xmlns="urn:libvirt-vgpu:1" pool="gold"/></domain>`)
	if code != 0 || !strings.Contains(out, "<metadata>") || !strings.Contains(out, `<shmem name="vgpu0">`) {
		t.Errorf("status %d, %q, %q", code, out, errs)
	}
	if code, out, errs := filter(`<domain><devices/><gpu xmlns="urn:libvirt-vgpu:1" colour="red"/></domain>`); code != 1 || out != "" || !strings.Contains(errs, "colour") {
		t.Errorf("status %d, %q, %q", code, out, errs)
	}
}
