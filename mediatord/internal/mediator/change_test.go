package mediator

import (
	"context"
	"errors"
	"slices"
	"testing"

	"libvirt-vgpu/mediatord/internal/refusal"
	"libvirt-vgpu/plugin/window"
)

func TestChangeOfADomainInUse(t *testing.T) {
	s := newStage(t, nil)
	ctx, id := context.Background(), window.UUID{1}
	element := func(attributes string) string {
		return `<vgpu:gpu xmlns:vgpu="urn:libvirt-vgpu:1" ` + attributes + `/>`
	}
	if _, err := s.Change(ctx, id, element("")); !errors.Is(err, refusal.ErrNoSuchDomain) {
		t.Errorf("changing a domain without a slot: %v", err)
	}
	if err := s.Reserve(ctx, s.request(id)); err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		name, attributes string
		applied, restart []string
		err              error
	}{
		{"nothing", `window="64MiB"`, nil, nil, nil},
		{"memory and weight", `window="64MiB" memory="2GiB" weight="7"`, []string{"memory", "weight"}, nil, nil},
		{"the rest with the next start", `memory="3GiB" weight="7"`, []string{"memory"}, []string{"window"}, nil},
		{"another pool takes everything with it", `pool="gold" memory="4GiB"`, nil, []string{"window", "pool"}, nil},
		{"too much", `window="64MiB" memory="9GiB" weight="9"`, nil, nil, refusal.ErrMemoryExceedsPool},
		{"bad", `window="64MiB" memory="1"`, nil, nil, refusal.ErrInvalidMetadata},
	} {
		t.Run(tc.name, func(t *testing.T) {
			change, err := s.Change(ctx, id, element(tc.attributes))
			if !errors.Is(err, tc.err) || !slices.Equal(change.Applied, tc.applied) || !slices.Equal(change.Restart, tc.restart) {
				t.Errorf("got %+v, %v", change, err)
			}
		})
	}
	status, err := s.Slot(id)
	if err != nil || status.Quota != 3<<30 || status.Weight != 7 {
		t.Errorf("slot is %+v, %v", status, err)
	}
	if p, err := s.Pool("default"); err != nil || p.Promised != 3<<30 {
		t.Errorf("pool is %+v, %v", p, err)
	}
}
