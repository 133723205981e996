// SPDX-License-Identifier: Apache-2.0

// Package timeslice rehearses ../timeslice.c on a driver that answers as it is told.
package timeslice

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// told is what timeslice.c says of a request, or of how many objects it knows.
type told struct {
	When, Request         string
	Value                 int
	Handle, Status        uint32
	Engine, Asked, Failed int
	Groups                *int
	Channels, Subdevices  int
}

func (t told) String() string {
	switch {
	case t.Groups != nil:
		return fmt.Sprintf("%s: %d groups, %d channels, %d subdevices", t.When, *t.Groups, t.Channels, t.Subdevices)
	case t.When == "repeated":
		return fmt.Sprintf("%s: %s %d times, %d failed", t.When, t.Request, t.Asked, t.Failed)
	default:
		return fmt.Sprintf("%s: %s=%d of %x engine %d: %#x", t.When, t.Request, t.Value, t.Handle, t.Engine, t.Status)
	}
}

func buildRehearsal(t *testing.T) string {
	t.Helper()
	out := t.TempDir()
	line := []string{"--no-print-directory", "-C", "..", "OUT=" + out}
	for _, name := range []string{"timeslice.so", "fake_rm.so", "rm_rehearsal"} {
		line = append(line, filepath.Join(out, name))
	}
	if text, err := exec.Command("make", line...).CombinedOutput(); err != nil {
		t.Fatalf("building: %v\n%s", err, text)
	}
	return out
}

func rehearsal(out, log, libraries, words string, variables ...string) *exec.Cmd {
	program := exec.Command(filepath.Join(out, "rm_rehearsal"), words)
	preload := strings.ReplaceAll(libraries, "@", out+"/")
	program.Env = append(os.Environ(), "LD_PRELOAD="+preload, "VGPU_TIMESLICE_LOG="+log)
	program.Env = append(program.Env, variables...)
	return program
}

func readLog(t *testing.T, path string) []string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	for line := range strings.Lines(string(text)) {
		var one told
		if err := json.Unmarshal([]byte(line), &one); err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		lines = append(lines, one.String())
	}
	return lines
}

func TestRequestsOfChannelGroups(t *testing.T) {
	out := buildRehearsal(t)
	for name, test := range map[string]struct {
		libraries, words string
		variables        []string
		want             []string
	}{
		"no driver": {
			libraries: "@timeslice.so",
			words:     "slice=200",
			want:      []string{"started: 0 groups, 0 channels, 0 subdevices", "started: 0 groups, 0 channels, 0 subdevices"},
		},
		"nothing asked": {
			libraries: "@timeslice.so @fake_rm.so",
			want: []string{
				"allocated: get_slice=1024 of 5c000011 engine 1: 0x0",
				"of the program: a06c0103=2000 of 5c000011 engine 1: 0x0",
				"allocated: get_slice=1024 of 5c000007 engine 9: 0x0",
				"allocated: get_slice=1024 of 5c000014 engine 9: 0x0",
				"started: 0 groups, 0 channels, 0 subdevices", // a child's
				"started: 2 groups, 2 channels, 1 subdevices",
				"started: get_slice=2000 of 5c000011 engine 1: 0x0",
				"started: get_slice=1024 of 5c000007 engine 9: 0x0",
				"ended: get_slice=2000 of 5c000011 engine 1: 0x0",
				"ended: get_slice=1024 of 5c000007 engine 9: 0x0",
			},
		},
		"as soon as allocated, and later": {
			libraries: "@timeslice.so @fake_rm.so",
			words:     "slice=200 interleave=0 preempt reschedule",
			variables: []string{"VGPU_TIMESLICE_ALLOCATED=slice=300"},
			want: []string{
				"allocated: get_slice=1024 of 5c000011 engine 1: 0x0",
				"allocated: slice=300 of 5c000011 engine 1: 0x0",
				"of the program: a06c0103=2000 of 5c000011 engine 1: 0x0",
				"set again: slice=300 of 5c000011 engine 1: 0x0",
				"allocated: get_slice=1024 of 5c000007 engine 9: 0x0",
				"allocated: slice=300 of 5c000007 engine 9: 0x0",
				"allocated: get_slice=1024 of 5c000014 engine 9: 0x0",
				"allocated: slice=300 of 5c000014 engine 9: 0x0",
				"started: 0 groups, 0 channels, 0 subdevices",
				"started: 2 groups, 2 channels, 1 subdevices",
				"started: slice=200 of 5c000011 engine 1: 0x0",
				"started: slice=200 of 5c000007 engine 9: 0x0",
				"started: interleave=0 of 5c000011 engine 1: 0x1b",
				"started: interleave=0 of 5c000007 engine 9: 0x1b",
				"started: preempt=0 of 5c000011 engine 1: 0x0",
				"started: preempt=0 of 5c000007 engine 9: 0x0",
				"started: unschedule=0 of 5c000011 engine 1: 0x0",
				"started: schedule=0 of 5c000011 engine 1: 0x0",
				"started: unschedule=0 of 5c000007 engine 9: 0x0",
				"started: schedule=0 of 5c000007 engine 9: 0x0",
				"started: get_slice=200 of 5c000011 engine 1: 0x0",
				"started: get_slice=200 of 5c000007 engine 9: 0x0",
				"ended: get_slice=200 of 5c000011 engine 1: 0x0",
				"ended: get_slice=200 of 5c000007 engine 9: 0x0",
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			log := filepath.Join(t.TempDir(), "log")
			if text, err := rehearsal(out, log, test.libraries, test.words, test.variables...).CombinedOutput(); err != nil {
				t.Fatalf("%v\n%s", err, text)
			}
			if got := readLog(t, log); !slices.Equal(got, test.want) {
				t.Errorf("told\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(test.want, "\n"))
			}
		})
	}
}

func TestYieldsWhenTold(t *testing.T) {
	out := buildRehearsal(t)
	for way, want := range map[string][3]string{
		"preempt":    {"rm: preempt 5c000011", "", ""},
		"disable":    {"rm: disable 5c000004 5c000012 by 5c000010", "rm: enable 5c000004 5c000012 by 5c000010", "rm: enable 5c000004 5c000012 by 5c000010"},
		"unschedule": {"rm: schedule 5c000011 0", "rm: schedule 5c000011 1", "rm: schedule 5c000011 1"},
	} {
		t.Run(way, func(t *testing.T) {
			log := filepath.Join(t.TempDir(), "log")
			program := rehearsal(out, log, "@timeslice.so @fake_rm.so", "yield="+way, "VGPU_TIMESLICE_SOCKET=3")
			marks, step, err := os.Pipe()
			if err != nil {
				t.Fatal(err)
			}
			defer step.Close()
			program.ExtraFiles = []*os.File{marks}
			input, err := program.StdinPipe()
			if err != nil {
				t.Fatal(err)
			}
			errors, err := program.StderrPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := program.Start(); err != nil {
				t.Fatal(err)
			}
			marks.Close()
			lines := bufio.NewScanner(errors)
			said := func(want string) {
				t.Helper()
				if want != "" && (!lines.Scan() || lines.Text() != want) {
					t.Errorf("said %q, want %q", lines.Text(), want)
				}
			}
			mark := func(what string) {
				t.Helper()
				if _, err := io.WriteString(step, what); err != nil {
					t.Fatal(err)
				}
			}
			mark("+")
			said(want[0])
			mark("-")
			said(want[1])
			mark("+")
			said(want[0])
			step.Close() // the step's process is gone while this one is away
			said(want[2])
			input.Close()
			if err := program.Wait(); err != nil {
				t.Fatal(err)
			}
			asked := 2
			if want[1] != "" {
				asked = 4
			}
			if got, want := readLog(t, log), fmt.Sprintf("repeated: %s %d times, 0 failed", way, asked); !slices.Contains(got, want) {
				t.Errorf("told\n%s\nwant among it %s", strings.Join(got, "\n"), want)
			}
		})
	}
}
