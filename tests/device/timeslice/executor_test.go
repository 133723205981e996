package timeslice

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"libvirt-vgpu/mediatord/executor/cuda"
	"libvirt-vgpu/mediatord/executor/cuda/cudatest"
	"libvirt-vgpu/mediatord/executor/driver"
)

// libraryVariable names the driver of a process that is an executor's backend.
const libraryVariable = "VGPU_TIMESLICE_LIBRARY"

func TestMain(m *testing.M) {
	if library := os.Getenv(libraryVariable); library != "" {
		if err := backend(library, os.Args[1:]); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// backend does what its words say with the executor's backend: context, contexts=NUMBER, destroy, which is that of the first, slice=DURATION. It says
// on stderr what came of them, between what fake_rm.c says there.
func backend(library string, words []string) error {
	d, err := cuda.OpenLibrary(library, "0")
	if err != nil {
		return err
	}
	var contexts []driver.Context
	for _, word := range words {
		fmt.Fprintln(os.Stderr, word)
		switch name, value, _ := strings.Cut(word, "="); name {
		case "context":
			c, r := d.ContextCreate(0)
			if r != driver.Success {
				return fmt.Errorf("creating context: %d", r)
			}
			contexts = append(contexts, c)
		case "contexts":
			number, err := strconv.Atoi(value)
			if err != nil {
				return err
			}
			for range number {
				if _, r := d.ContextCreate(0); r != driver.Success {
					return fmt.Errorf("creating context: %d", r)
				}
			}
		case "destroy":
			d.ContextDestroy(contexts[0])
			contexts = contexts[1:]
		case "slice":
			slice, err := time.ParseDuration(value)
			if err != nil {
				return err
			}
			queues, err := d.SetSlice(slice)
			fmt.Fprintf(os.Stderr, "%d queues, %v\n", queues, err)
		}
	}
	return nil
}

// The executor's backend, linked as the executor is, sees the groups that libcuda allocates, sets their slices, and gives them back.
func TestSlicesOfTheExecutorsBackend(t *testing.T) {
	fake := filepath.Join(buildRehearsal(t), "fake_rm.so")
	library := cudatest.BuildEmptyDriver(t, "../rm_contexts.c")
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		words  string
		slices string // what fake_rm.c is told
		want   []string
	}{
		"never asked": {
			"context", "tell",
			[]string{"context", "rm: slice of 5c000002 2048"},
		},
		"before there is a context": {
			"slice=200us context", "tell",
			[]string{"slice=200us", "0 queues, <nil>", "context", "rm: slice of 5c000002 200", "rm: slice of 5c000002 2048", "rm: slice of 5c000002 200", "rm: slice of 5c000003 200"},
		},
		"after, for all contexts, and back": {
			"context context slice=200us slice=1ms slice=0 context", "tell",
			[]string{
				"context", "rm: slice of 5c000002 2048", "context", "rm: slice of 5c000004 2048",
				"slice=200us", "rm: slice of 5c000002 200", "rm: slice of 5c000003 200", "rm: slice of 5c000004 200", "rm: slice of 5c000005 200", "4 queues, <nil>",
				"slice=1ms", "rm: slice of 5c000002 1000", "rm: slice of 5c000003 1000", "rm: slice of 5c000004 1000", "rm: slice of 5c000005 1000", "4 queues, <nil>",
				"slice=0", "rm: slice of 5c000002 2048", "rm: slice of 5c000003 1024", "rm: slice of 5c000004 2048", "rm: slice of 5c000005 1024", "4 queues, <nil>",
				"context", "rm: slice of 5c000006 2048",
			},
		},
		"contexts that end": {
			"context context destroy slice=200us", "tell",
			[]string{
				"context", "rm: slice of 5c000002 2048", "context", "rm: slice of 5c000004 2048", "destroy", "rm: free 5c000002", "rm: free 5c000003",
				"slice=200us", "rm: slice of 5c000004 200", "rm: slice of 5c000005 200", "2 queues, <nil>",
			},
		},
		"refused": {
			"context slice=200us slice=0", "refuse",
			[]string{
				"context", "slice=200us", "2 queues, 2 of 2 channel groups keep what they had: the driver's resource manager answers 0x1b",
				"slice=0", "2 queues, 2 of 2 channel groups keep what they had: the driver's resource manager answers 0x1b",
			},
		},
		"gone without a word": {
			"context slice=200us slice=300us", "gone",
			[]string{"context", "slice=200us", "0 queues, <nil>", "slice=300us", "0 queues, <nil>"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			process := exec.Command(self, strings.Fields(test.words)...)
			process.Env = append(os.Environ(), libraryVariable+"="+library, "LD_PRELOAD="+fake, "FAKE_RM_SLICES="+test.slices)
			said, err := process.CombinedOutput()
			if err != nil {
				t.Fatalf("%v\n%s", err, said)
			}
			if got := strings.Split(strings.TrimSpace(string(said)), "\n"); !slices.Equal(got, test.want) {
				t.Errorf("said\n%s\nwant\n%s", said, strings.Join(test.want, "\n"))
			}
		})
	}
}

// A process that leaves the GPU again and again has had far more groups than are noted, of which nobody saw the end.
func TestGroupsThatVanishLeaveRoom(t *testing.T) {
	fake := filepath.Join(buildRehearsal(t), "fake_rm.so")
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	process := exec.Command(self, "contexts=2000", "slice=200us")
	process.Env = append(os.Environ(), libraryVariable+"="+cudatest.BuildEmptyDriver(t, "../rm_contexts.c"), "LD_PRELOAD="+fake, "FAKE_RM_SLICES=few")
	said, err := process.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, said)
	}
	_, after, _ := strings.Cut(string(said), "slice=200us\n")
	const first = 0x5c000001 + 2*2000
	want := ""
	for i := range 4 {
		want += fmt.Sprintf("rm: slice of %x 200\n", first-3+i)
	}
	if want += "4 queues, <nil>\n"; after != want {
		t.Errorf("said\n%s\nwant\n%s", after, want)
	}
}
