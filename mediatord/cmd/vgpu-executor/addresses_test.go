package main

import (
	"strings"
	"testing"
)

func TestFirstUsed(t *testing.T) {
	const before = "00400000-00800000 r-xp 00000000 08:01 1234 /usr/libexec/vgpu-executor\n"
	for name, tc := range map[string]struct {
		line string
		used bool
	}{
		"heap where it was before Go 1.26": {"c000000000-c000400000 rw-p 00000000 00:00 0", false},
		"library":                          {"7f3e5a000000-7f3e5a021000 rw-p 00000000 00:00 0", false},
		"below pinned memory":              {"1eff00000000-1eff04000000 rw-p 00000000 00:00 0", false},
		"shortly below pinned memory":      {"1fff00000000-1fff04000000 rw-p 00000000 00:00 0", true},
		"in pinned memory":                 {"200012400000-200012800000 rw-p 00000000 00:00 0", true},
		"between":                          {"2a0000000000-2a0000400000 rw-p 00000000 00:00 0", false},
		"in device memory":                 {"37fffffff000-380000000000 rw-p 00000000 00:00 0", true},
		"behind device memory":             {"380000000000-380000001000 rw-p 00000000 00:00 0", false},
		"around everything":                {"100000000000-700000000000 ---p 00000000 00:00 0", true},
	} {
		used, err := firstUsed(strings.NewReader(before+tc.line+"\n"), sharedRanges)
		if err != nil || (used == tc.line) != tc.used {
			t.Errorf("%s: %q, %v", name, used, err)
		}
	}
	if _, err := firstUsed(strings.NewReader("nonsense\n"), sharedRanges); err == nil {
		t.Error("nonsense was read")
	}
}
