package bus

import (
	"errors"
	"fmt"
	"testing"

	"libvirt-vgpu/mediatord/internal/refusal"
	"libvirt-vgpu/plugin/window"
)

func TestPathsAreValidAndDifferent(t *testing.T) {
	seen := map[string]string{}
	for _, name := range []string{"default", "gold-2", "gold_2", "gold.2", "gold_2d2", "0"} {
		path := PoolPath(name)
		if !path.IsValid() {
			t.Errorf("%s of pool %s is no path", path, name)
		}
		if other, taken := seen[string(path)]; taken {
			t.Errorf("pools %s and %s share %s", name, other, path)
		}
		seen[string(path)] = name
	}
	if path := SlotPath(window.UUID{0xab}); !path.IsValid() || path != Root+"/slot/_ab000000_0000_0000_0000_000000000000" {
		t.Errorf("slot path is %s", path)
	}
	if path := GPUPath(3); !path.IsValid() {
		t.Errorf("%s is no path", path)
	}
}

func TestErrorsHaveNames(t *testing.T) {
	names := map[string]bool{}
	for kind, name := range refusal.Names() {
		err := toDBus(fmt.Errorf("wrapping: %w", refusal.Because(kind, "full; wait")))
		if err.Name != Service+".Error."+name || err.Body[0] != "wrapping: full; wait" {
			t.Errorf("%v became %s %v", kind, err.Name, err.Body)
		}
		if names[name] {
			t.Errorf("two kinds are called %s", name)
		}
		names[name] = true
	}
	if err := toDBus(errors.New("odd")); err.Name != Service+".Error.Internal" {
		t.Errorf("an unknown error became %s", err.Name)
	}
	if toDBus(nil) != nil {
		t.Error("no error became one")
	}
}
