package main

import (
	"strings"
	"testing"
)

// TestWrongCommandLines holds what a person sees who mistypes, each in one line.
func TestWrongCommandLines(t *testing.T) {
	var said strings.Builder
	for _, line := range []string{
		"frob", "statsu", "pool frob", "pool show", "pool show a b", "status extra", "status --jsn", "attach", "attach a b", "run", "run --memory 16 true", "run --weight 0 true",
		"set web1", "top --interval 0", "events --interval x", "status --connect qemu+tcp://host/system", "status --connect qemu+ssh://host/system?command=/nonexistent/ssh",
	} {
		code, out, errs := vgpuctl(append(strings.Fields(line), "--bus=unix:path=/nonexistent")...)
		if strings.HasPrefix(line, "run ") { // its own options come first
			code, out, errs = vgpuctl(strings.Fields(line)...)
		}
		if code == 0 || out != "" || strings.Count(errs, "\n") != 1 {
			t.Errorf("%s: status %d, %q, %q", line, code, out, errs)
		}
		said.WriteString("$ vgpuctl " + line + "\n" + errs)
	}
	golden(t, "wrong-command-lines.golden", said.String())
	if code, out, _ := vgpuctl("pool"); code != 0 || !strings.Contains(out, "check") {
		t.Errorf("the group's help: status %d, %q", code, out)
	}
}
