package vgpuxml

import (
	"errors"
	"fmt"
	"strings"
	"testing"
)

func TestParseElementGood(t *testing.T) {
	for name, document := range examples(t, "element/good", ".xml") {
		t.Run(name, func(t *testing.T) {
			gpu, err := ParseElement(document)
			if err != nil {
				t.Fatal(err)
			}
			golden(t, "element/good/"+name+".golden", fmt.Sprintf("%+v\n%s\n", gpu, gpu.Element()))
			again, err := ParseElement([]byte(gpu.Element()))
			if err != nil || again != gpu {
				t.Errorf("Element() gives %+v, %v back, want %+v", again, err, gpu)
			}
		})
	}
}

func TestParseElementBad(t *testing.T) {
	for name, document := range examples(t, "element/bad", ".xml") {
		t.Run(name, func(t *testing.T) {
			gpu, err := ParseElement(document)
			if err == nil {
				t.Fatalf("accepted as %+v", gpu)
			}
			if !errors.Is(err, ErrBadElement) && !errors.Is(err, ErrMalformed) {
				t.Errorf("error %v has no kind", err)
			}
			golden(t, "element/bad/"+name+".golden", err.Error()+"\n")
		})
	}
}

func TestParseDomain(t *testing.T) {
	gold := GPU{Pool: "gold", Priority: PriorityHigh, Memory: 16 << 30, Weight: 200, Window: 1 << 30}
	cases := []struct {
		file string
		want Domain
		err  error
	}{
		{"web1", Domain{Name: "web1", UUID: "4dea22b3-1d52-d8f3-2516-782e98ab3fa0", Type: "kvm", GPU: gold}, nil},
		{"plain", Domain{Name: "plain", UUID: "11111111-2222-3333-4444-555555555555", Type: "qemu"}, ErrNoGPU},
		{"bad-element", Domain{Name: "web2", UUID: "4dea22b3-1d52-d8f3-2516-782e98ab3fa1", Type: "kvm"}, ErrBadElement},
	}
	for _, c := range cases {
		t.Run(c.file, func(t *testing.T) {
			domain, err := ParseDomain(read(t, "domain/"+c.file+".xml"))
			if !errors.Is(err, c.err) {
				t.Errorf("error is %v, want %v", err, c.err)
			}
			if domain != c.want {
				t.Errorf("got  %+v\nwant %+v", domain, c.want)
			}
		})
	}
}

func TestParseDomainErrors(t *testing.T) {
	const gpu = `<vgpu:gpu xmlns:vgpu="urn:libvirt-vgpu:1"/>`
	cases := []struct {
		name, document string
		kind           error
		mentions       string
	}{
		{"empty", "", ErrMalformed, "no root element"},
		{"not XML", "domain", ErrMalformed, "text outside"},
		{"cut off", "<domain><name>x", ErrMalformed, "EOF"},
		{"other root", "<network/>", ErrMalformed, "<network>, expected <domain>"},
		{"after the root", "<domain/>x", ErrMalformed, "text outside"},
		{"two elements", "<domain><metadata>" + gpu + gpu + "</metadata></domain>", ErrBadElement, "there are two"},
		{"two in two metadata", "<domain><metadata>" + gpu + "</metadata><metadata>" + gpu + "</metadata></domain>", ErrBadElement, "there are two"},
		{"future version, its kind", `<domain><metadata><g:gpu xmlns:g="urn:libvirt-vgpu:9"/></metadata></domain>`, ErrOtherNamespace, ""},
		{"future version", `<domain><metadata><g:gpu xmlns:g="urn:libvirt-vgpu:9"/></metadata></domain>`, ErrBadElement, `"urn:libvirt-vgpu:9" is not known: allowed is "urn:libvirt-vgpu:1"`},
		{"no namespace", `<domain><metadata><gpu pool="x"/></metadata></domain>`, ErrBadElement, "declares no namespace"},
		{"foreign gpu", `<domain><metadata><gpu xmlns="urn:other" pool="x"/></metadata></domain>`, ErrNoGPU, ""},
		{"outside metadata", `<domain>` + gpu + `<devices>` + gpu + `</devices></domain>`, ErrNoGPU, ""},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			_, err := ParseDomain([]byte(c.document))
			if !errors.Is(err, c.kind) || !strings.Contains(err.Error(), c.mentions) {
				t.Errorf("error is %v, want %v mentioning %q", err, c.kind, c.mentions)
			}
		})
	}
}

func TestAttributeErrorNamesEverything(t *testing.T) {
	_, err := ParseElement([]byte(`<vgpu:gpu xmlns:vgpu="urn:libvirt-vgpu:1" priority="urgent"/>`))
	var attribute *AttributeError
	if !errors.As(err, &attribute) {
		t.Fatalf("error is %v", err)
	}
	if attribute.Attribute != "priority" || attribute.Value != "urgent" || attribute.Allowed != "high, normal or low" {
		t.Errorf("got %+v", attribute)
	}
}

func TestValidate(t *testing.T) {
	change := func(f func(*GPU)) GPU {
		gpu := DefaultGPU()
		f(&gpu)
		return gpu
	}
	cases := map[string]struct {
		gpu       GPU
		attribute string
	}{
		"defaults": {DefaultGPU(), ""},
		"pool":     {change(func(g *GPU) { g.Pool = "" }), "pool"},
		"priority": {change(func(g *GPU) { g.Priority = "" }), "priority"},
		"memory":   {change(func(g *GPU) { g.Memory = 1 }), "memory"},
		"weight":   {change(func(g *GPU) { g.Weight = 10001 }), "weight"},
		"window":   {change(func(g *GPU) { g.Window = 0 }), "window"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			err := c.gpu.Validate()
			var attribute *AttributeError
			if (c.attribute != "") != errors.As(err, &attribute) || attribute != nil && attribute.Attribute != c.attribute {
				t.Errorf("error is %v, want one of %q", err, c.attribute)
			}
		})
	}
}

func TestSize(t *testing.T) {
	for text, want := range map[string]uint64{"1": 1, "1KiB": 1 << 10, "3MiB": 3 << 20, "16GiB": 16 << 30, "16777215TiB": 16777215 << 40, "18446744073709551615": 1<<64 - 1} {
		size, err := ParseSize(text)
		if err != nil || size != want {
			t.Errorf("ParseSize(%q) = %d, %v; want %d", text, size, err, want)
		}
		if got := FormatSize(want); got != text {
			t.Errorf("FormatSize(%d) = %q, want %q", want, got, text)
		}
	}
	for _, text := range []string{"", "0", "-1", "+1", "1.5GiB", "1 GiB", " 1", "01", "1gib", "1GB", "GiB", "16777216TiB", "18446744073709551616", "0x10"} {
		if size, err := ParseSize(text); err == nil {
			t.Errorf("ParseSize(%q) = %d, want an error", text, size)
		}
	}
}

func TestNormalizeUUID(t *testing.T) {
	const want = "4dea22b3-1d52-d8f3-2516-782e98ab3fa0"
	for _, text := range []string{want, strings.ToUpper(want), "\n " + want + " \n", strings.ReplaceAll(want, "-", "")} {
		if got, ok := NormalizeUUID(text); !ok || got != want {
			t.Errorf("NormalizeUUID(%q) = %q, %v", text, got, ok)
		}
	}
	for _, text := range []string{"", want[1:], want + "0", "../../../etc/passwd/aaaaaaaaaaaaa", strings.Replace(want, "a", "g", 1)} {
		if got, ok := NormalizeUUID(text); ok {
			t.Errorf("NormalizeUUID(%q) = %q, want a refusal", text, got)
		}
	}
}

func FuzzParseDomain(f *testing.F) {
	for _, folder := range []string{"domain", "insert", "element/good", "element/bad"} {
		for _, document := range examples(f, folder, ".xml") {
			f.Add(document)
		}
	}
	f.Fuzz(func(t *testing.T, document []byte) {
		domain, err := ParseDomain(document)
		if err == nil {
			if invalid := domain.GPU.Validate(); invalid != nil {
				t.Errorf("accepted %+v: %v", domain.GPU, invalid)
			}
			again, err := ParseElement([]byte(domain.GPU.Element()))
			if err != nil || again != domain.GPU {
				t.Errorf("element of %+v reads back as %+v, %v", domain.GPU, again, err)
			}
		} else if !errors.Is(err, ErrNoGPU) && !errors.Is(err, ErrBadElement) && !errors.Is(err, ErrMalformed) {
			t.Errorf("error %v has no kind", err)
		}
		inserted, err := InsertDevice(document, DefaultChannels)
		if err != nil {
			return
		}
		report, err := FindDevice(inserted, DefaultChannels)
		if err != nil || report.State != DevicePresent {
			t.Errorf("after insertion: %+v, %v in\n%s", report, err, inserted)
		}
	})
}

func FuzzParseElement(f *testing.F) {
	for _, folder := range []string{"element/good", "element/bad"} {
		for _, document := range examples(f, folder, ".xml") {
			f.Add(document)
		}
	}
	f.Fuzz(func(t *testing.T, document []byte) {
		gpu, err := ParseElement(document)
		if err != nil {
			return
		}
		again, err := ParseElement([]byte(gpu.Element()))
		if err != nil || again != gpu {
			t.Errorf("element of %+v reads back as %+v, %v", gpu, again, err)
		}
	})
}
