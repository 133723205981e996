package parcel

import (
	"errors"
	"os"
	"strings"
	"testing"

	"libvirt-vgpu/plugin/window"
)

func TestCheck(t *testing.T) {
	number := func(n int) *int { return &n }
	for name, tc := range map[string]struct {
		parcel *Parcel
		bad    bool
	}{
		"empty":        {&Parcel{}, false},
		"full":         {&Parcel{Channel: 3, Secret: strings.Repeat("0a", SecretSize), Handle: strings.Repeat("ff", HandleSize), Share: number(0)}, false},
		"none":         {nil, true},
		"channel":      {&Parcel{Channel: window.MaxChannels}, true},
		"negative":     {&Parcel{Channel: -1}, true},
		"short secret": {&Parcel{Secret: "0a"}, true},
		"no digits":    {&Parcel{Secret: strings.Repeat("zz", SecretSize)}, true},
		"long handle":  {&Parcel{Handle: strings.Repeat("ff", HandleSize+1)}, true},
		"share":        {&Parcel{Share: number(window.MaxShares)}, true},
	} {
		if err := tc.parcel.Check(); (err != nil) != tc.bad || err != nil && !errors.Is(err, ErrParcel) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestCloseOnce(t *testing.T) {
	f, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	p := &Parcel{File: f}
	p.Close()
	p.Close()
	if err := f.Close(); err == nil {
		t.Error("the descriptor is still open")
	}
}
