package vgpuxml

import (
	"errors"
	"strings"
	"testing"
)

func TestComplete(t *testing.T) {
	for name, document := range examples(t, "complete", ".xml") {
		if strings.HasSuffix(name, ".golden") {
			continue
		}
		t.Run(name, func(t *testing.T) {
			complete, err := Complete(document, DefaultChannels)
			if err != nil {
				t.Fatal(err)
			}
			golden(t, "complete/"+name+".golden.xml", string(complete))
			again, err := Complete(complete, DefaultChannels)
			if err != nil || string(again) != string(complete) {
				t.Errorf("a second time it changes: %v\n%s", err, again)
			}
			domain, err := ParseDomain(complete)
			if name == "ordinary" {
				if !errors.Is(err, ErrNoGPU) || string(complete) != string(document) {
					t.Errorf("an ordinary domain became %+v, %v", domain, err)
				}
				return
			}
			if err != nil || domain.GPU.Pool != "gold" || domain.GPU.Memory != 16<<30 {
				t.Errorf("got %+v, %v", domain, err)
			}
			if report, err := FindDevice(complete, DefaultChannels); err != nil || report.State != DevicePresent {
				t.Errorf("device: %+v, %v", report, err)
			}
		})
	}
}

func TestCompleteRefuses(t *testing.T) {
	const gpu = `<vgpu:gpu xmlns:vgpu="urn:libvirt-vgpu:1"/>`
	const uuid = "<uuid>6ba7b810-9dad-11d1-80b4-00c04fd430c8</uuid>"
	for name, tc := range map[string]struct {
		document string
		err      error
	}{
		"two":                {"<domain>" + uuid + "<metadata>" + gpu + "</metadata>" + gpu + "<devices/></domain>", ErrBadElement},
		"a bad attribute":    {"<domain>" + uuid + `<vgpu:gpu xmlns:vgpu="urn:libvirt-vgpu:1" colour="red"/><devices/></domain>`, ErrBadElement},
		"no namespace":       {"<domain>" + uuid + "<vgpu:gpu pool='a'/><devices/></domain>", ErrBadElement},
		"another device":     {"<domain>" + uuid + gpu + "<devices><shmem name='vgpu0'/></devices></domain>", ErrDeviceDiffers},
		"no devices":         {"<domain>" + uuid + gpu + "</domain>", ErrMalformed},
		"no domain":          {"<network/>", ErrMalformed},
		"no XML":             {"", ErrMalformed},
		"bad in metadata":    {"<domain>" + uuid + "<metadata><gpu/></metadata><devices/></domain>", ErrBadElement},
		"a newer namespace":  {"<domain>" + uuid + `<v:gpu xmlns:v="urn:libvirt-vgpu:2"/><devices/></domain>`, ErrBadElement},
		"an element of ours": {"<domain>" + uuid + `<v:cpu xmlns:v="urn:libvirt-vgpu:1"/><devices/></domain>`, ErrBadElement},
	} {
		if got, err := Complete([]byte(tc.document), DefaultChannels); !errors.Is(err, tc.err) {
			t.Errorf("%s: %v, %s", name, err, got)
		}
	}
	if _, err := InsertElement([]byte("<domain/>"), GPU{}); !errors.Is(err, ErrBadElement) {
		t.Errorf("an invalid element was inserted: %v", err)
	}
	if _, err := InsertElement([]byte("<domain><metadata>"+gpu+"</metadata></domain>"), DefaultGPU()); !errors.Is(err, ErrElementPresent) {
		t.Errorf("a second element was inserted: %v", err)
	}
}

func FuzzComplete(f *testing.F) {
	for _, document := range examples(f, "complete", ".xml") {
		f.Add(document)
	}
	f.Fuzz(func(t *testing.T, document []byte) {
		complete, err := Complete(document, DefaultChannels)
		if err != nil {
			return
		}
		if again, err := Complete(complete, DefaultChannels); err != nil || string(again) != string(complete) {
			t.Errorf("%q became %q, then %q, %v", document, complete, again, err)
		}
	})
}
