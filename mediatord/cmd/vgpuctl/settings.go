package main

import (
	"fmt"
	"strings"

	"github.com/spf13/pflag"

	vgpuxml "libvirt-vgpu/xml"
)

// settings are the attributes of a vgpu:gpu element that a user gave.
type settings struct {
	names  []string // in the order of the flags
	values map[string]*string
	flags  *pflag.FlagSet
}

func addSettings(flags *pflag.FlagSet) *settings {
	s := &settings{values: map[string]*string{}, flags: flags}
	for _, f := range []struct{ name, usage string }{
		{"pool", "pool of GPUs"},
		{"priority", "high, normal or low"},
		{"memory", "quota of GPU memory, such as 16GiB; 0 for the pool's default"},
		{"weight", "share against other domains of the pool, 1 to 10000"},
		{"window", "shared memory for pinned buffers, a power of two from 64MiB to 64GiB"},
	} {
		s.names = append(s.names, f.name)
		s.values[f.name] = flags.String(f.name, "", f.usage)
	}
	return s
}

// given lists the attributes that the user gave.
func (s *settings) given() []string {
	var given []string
	for _, name := range s.names {
		if s.flags.Changed(name) {
			given = append(given, name)
		}
	}
	return given
}

// apply changes an element as the user said.
func (s *settings) apply(g *vgpuxml.GPU) error {
	for _, name := range s.given() {
		if err := g.Set(name, *s.values[name]); err != nil {
			return badOption(name, err)
		}
	}
	return nil
}

// badOption is the error of an attribute that was given as an option.
func badOption(name string, err error) error {
	return fmt.Errorf("--%s", strings.Replace(strings.TrimPrefix(err.Error(), "vgpu:gpu attribute "), name+"=", name+" ", 1))
}
