package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestRemoteHost(t *testing.T) {
	for uri, want := range map[string]string{
		"qemu:///system":                                 "",
		"qemu:///session?socket=/run/x":                  "",
		"qemu+unix:///system?socket=/run/x":              "",
		"test:///default":                                "",
		"qemu+ssh://host/system":                         "ssh host qemu:///system",
		"qemu+ssh://root@host:2222/system":               "ssh -p 2222 root@host qemu:///system",
		"qemu+ssh://h/session?keyfile=/k&command=/bin/s": "/bin/s -i /k h qemu:///session",
	} {
		h, err := remoteHost(uri)
		got := ""
		if h != nil {
			got = strings.Join(append(append([]string{h.command}, h.options...), h.target, h.path), " ")
		}
		if err != nil || got != want {
			t.Errorf("%s: got %q, %v", uri, got, err)
		}
	}
	for uri, mentions := range map[string]string{
		"qemu+tls://host/system":      "write qemu+ssh://host/system",
		"qemu://host/system":          "by ssh only",
		"qemu+ssh:///system":          "names no host",
		"qemu+ssh://-oProxy=x/system": "names no host",
		"qemu+ssh://-x@host/system":   "names no host",
		"qemu:///system%zz":           "is no URI",
	} {
		if _, err := remoteHost(uri); err == nil || !strings.Contains(err.Error(), mentions) {
			t.Errorf("%s: %v", uri, err)
		}
	}
}

// TestRemoteRunsTheCommandThere has a script in the place of ssh.
func TestRemoteRunsTheCommandThere(t *testing.T) {
	script := filepath.Join(t.TempDir(), "ssh")
	text := "#!/bin/sh\nfor word; do echo \"<$word>\"; done\nexit 7\n"
	if err := os.WriteFile(script, []byte(text), 0o700); err != nil {
		t.Fatal(err)
	}
	uri := "qemu+ssh://root@host/system?command=" + script
	for _, tc := range []struct{ args, want []string }{
		{[]string{"set", "--connect", uri, "it's", "--memory", "16GiB", "--json"}, []string{"--", "root@host", `vgpuctl set --connect=qemu:///system --json=true --memory=16GiB -- 'it'\''s'`}},
		{[]string{"pool", "check", "-c", uri}, []string{"--", "root@host", "vgpuctl pool check --connect=qemu:///system --"}},
		{[]string{"-c", uri, "run", "--memory", "1GiB", "sh", "-c", "exit 3"}, []string{"--", "root@host", "vgpuctl run --connect=qemu:///system --memory=1GiB -- sh -c 'exit 3'"}},
	} {
		code, out, errs := vgpuctl(tc.args...)
		if want := "<" + strings.Join(tc.want, ">\n<") + ">\n"; code != 7 || out != want || errs != "" {
			t.Errorf("%v: status %d, %q, %s\nwant %s", tc.args, code, errs, out, want)
		}
	}
	t.Setenv(connectVariable, uri)
	if code, out, _ := vgpuctl("list"); code != 7 || !strings.Contains(out, "vgpuctl list") {
		t.Errorf("by environment: status %d, %s", code, out)
	}
}
