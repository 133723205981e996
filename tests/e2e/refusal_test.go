package e2e

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"libvirt-vgpu/tests/stage"
)

var update = flag.Bool("update", false, "write golden files instead of comparing with them")

const secondUUID = "c9d1e0b4-7a32-4f58-b6c0-53e8f1a2d704"

// vgpu is a metadata element with these attributes.
func vgpu(attributes string) string {
	return `<vgpu:gpu xmlns:vgpu="urn:libvirt-vgpu:1" ` + attributes + `/>`
}

// refusals are domains that may not start, with what virsh says then.
func (s *show) refusals(t *testing.T) {
	for name, attributes := range map[string]string{
		"unknown-pool":      `pool="gold"`,
		"bad-priority":      `priority="urgent"`,
		"unknown-attribute": `pools="default"`,
		"other-priority":    `priority="low"`,
		"too-much-memory":   `memory="1TiB"`,
		"too-little-memory": `memory="1MiB"`,
	} {
		t.Run(name, func(t *testing.T) {
			const domain = "refused"
			must(t, s.Define(s.ctx, stage.Domain{Name: domain, UUID: secondUUID, Device: true, Element: vgpu(attributes)}))
			s.refusedStart(t, name, domain)
			s.undefine(t, domain)
			s.nothingLeft(t)
		})
	}
	t.Run("wrong namespace", func(t *testing.T) {
		const domain = "refused"
		must(t, s.Define(s.ctx, stage.Domain{Name: domain, UUID: secondUUID, Device: true, Element: `<vgpu:gpu xmlns:vgpu="urn:libvirt-vgpu:9"/>`}))
		s.refusedStart(t, "newer-namespace", domain)
		s.undefine(t, domain)
	})
}

// refusedStart wants virsh start to fail with the words of a golden file, and
// the domain to be shut off and without a slot.
func (s *show) refusedStart(t *testing.T, golden, domain string) {
	t.Helper()
	_, err := s.Virsh(s.ctx, "start", domain)
	if err == nil {
		t.Errorf("%s starts", domain)
		_, _ = s.Virsh(s.ctx, "destroy", domain)
		return
	}
	said := strings.TrimSpace(stderr(err)) + "\n"
	file := filepath.Join("testdata", "refusals", golden+".golden")
	if *update {
		must(t, os.WriteFile(file, []byte(said), 0o644))
	}
	want, err := os.ReadFile(file)
	must(t, err)
	if said != string(want) {
		t.Errorf("virsh said\n%swanted\n%s", said, want)
	}
	if state, err := s.Virsh(s.ctx, "domstate", domain); err != nil || strings.TrimSpace(state) != "shut off" {
		t.Errorf("%s is %q, %v", domain, state, err)
	}
	if s.Mediator.PID() == 0 {
		return
	}
	status, err := s.Status(s.ctx)
	must(t, err)
	if slot := status.Slot(domain); slot.UUID != "" {
		t.Errorf("%s has a slot: %+v", domain, slot)
	}
}

func (s *show) undefine(t *testing.T, domain string) {
	t.Helper()
	_, err := s.Virsh(s.ctx, "undefine", domain)
	must(t, err)
}
