package gpu

import (
	"errors"
	"testing"
)

func TestFind(t *testing.T) {
	gpus := []GPU{{Index: 0, PCI: "0000:01:00.0", UUID: "GPU-a"}, {Index: 1, PCI: "0000:02:00.0", UUID: "GPU-b"}}
	for name, index := range map[string]int{"0000:01:00.0": 0, "GPU-b": 1} {
		if g, err := Find(gpus, name); err != nil || g.Index != index {
			t.Errorf("%s: %+v, %v", name, g, err)
		}
	}
	if _, err := Find(gpus, "GPU-c"); !errors.Is(err, ErrNotFound) {
		t.Errorf("unknown GPU: %v", err)
	}
}

func TestNVMLWithoutDriverHasNoGPUs(t *testing.T) {
	n := NewNVML()
	defer n.Close()
	gpus, err := n.List()
	if err != nil {
		t.Fatal(err)
	}
	for _, g := range gpus { // on a host with a driver
		if g.UUID == "" || g.PCI == "" || g.Memory == 0 {
			t.Errorf("incomplete GPU %+v", g)
		}
	}
	if len(gpus) == 0 {
		if _, err := n.Sensors("0000:01:00.0"); !errors.Is(err, ErrNotFound) {
			t.Errorf("sensors of an absent GPU: %v", err)
		}
	}
}
