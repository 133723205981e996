package main

import (
	"encoding/binary"
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"libvirt-vgpu/mediatord/executor/guesttest"
	"libvirt-vgpu/plugin/window"
)

func TestHostileRecordsEndTheExecutor(t *testing.T) {
	for name, tc := range map[string]struct {
		record func(g *guesttest.Guest) []byte
		says   string
	}{
		"unknown opcode": {func(*guesttest.Guest) []byte {
			return guesttest.Header(0x7777, window.NoReply, 1, 0, nil)
		}, "unknown opcode 0x7777"},
		"lying size": {func(*guesttest.Guest) []byte {
			r := guesttest.Header(0x0004, window.NoReply, 1, 0, make([]byte, 8))
			binary.LittleEndian.PutUint32(r, 1<<20)
			return r
		}, "size is 1048576"},
		"payload too short": {func(*guesttest.Guest) []byte {
			return guesttest.Header(0x0301, window.NoReply, 1, 0, make([]byte, 8))
		}, "copy_htod: malformed record"},
		"chunk of another process": {func(g *guesttest.Guest) []byte {
			g.Window.SetChunk(0, window.OwnedBy(0))
			return g.Record(1, "map_pinned", hostVA, 0, 1, 0)
		}, "not the channel's own"},
		"chunk beyond the arena": {func(g *guesttest.Guest) []byte {
			return g.Record(1, "map_pinned", hostVA, uint64(1)<<40, 1, 0)
		}, "not the channel's own"},
		"host memory that is not pinned": {func(g *guesttest.Guest) []byte {
			return g.Record(window.NoReply, "copy_dtoh", uint64(0x400000), device, 8, 0)
		}, "no mapping holds 8 bytes at 0x400000"},
	} {
		t.Run(name, func(t *testing.T) {
			g, e := launch(t)
			g.Push(tc.record(g))
			m := e.Expect("fault")
			if m.Result != 999 || !strings.Contains(m.Message, tc.says) {
				t.Errorf("fault %d: %s", m.Result, m.Message)
			}
			if code := e.ExitCode(); code != exitViolation {
				t.Errorf("exit code %d", code)
			}
		})
	}
}

func TestRevoke(t *testing.T) {
	g, e := launch(t)
	g.Must("primary_retain", 0)
	g.Context = 1
	g.Own(0, 2)
	g.Must("map_pinned", hostVA, 0, 2, 0)
	if n := mapped(t, e.PID()); n != 1 {
		t.Fatalf("%d mappings of pinned memory", n)
	}
	for _, chunk := range []int{1, 7} {
		e.Say(fmt.Sprintf(`{"type":"revoke","chunk":%d}`, chunk))
		if m := e.Expect("revoked"); m.Chunk == nil || *m.Chunk != chunk {
			t.Errorf("revoked %v", m.Chunk)
		}
	}
	if n := mapped(t, e.PID()); n != 0 {
		t.Errorf("%d mappings of pinned memory afterwards", n)
	}
	if r, _ := g.Call("unmap_pinned", hostVA); r != 1 {
		t.Errorf("the mapping is still known: %d", r)
	}
}

// mapped counts a process's shared mappings in the pinned range.
func mapped(t *testing.T, pid int) int {
	t.Helper()
	maps, err := os.ReadFile(fmt.Sprintf("/proc/%d/maps", pid))
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, line := range strings.Split(string(maps), "\n") {
		if strings.HasPrefix(line, "2000") && strings.Contains(line, "rw-s") {
			n++
		}
	}
	return n
}

func TestEndsInOrder(t *testing.T) {
	for name, end := range map[string]func(e *guesttest.Executor) error{
		"hang-up": func(e *guesttest.Executor) error { return e.Control.Close() },
		"stop": func(e *guesttest.Executor) error {
			e.Say(`{"type":"stop"}`)
			return nil
		},
		"SIGTERM": func(e *guesttest.Executor) error { return syscall.Kill(e.PID(), syscall.SIGTERM) },
	} {
		t.Run(name, func(t *testing.T) {
			g, e := launch(t)
			if err := end(e); err != nil {
				t.Fatal(err)
			}
			if code := e.ExitCode(); code != 0 {
				t.Errorf("exit code %d", code)
			}
			// Whoever asks for the end tells the guest process; without mediatord nobody else would.
			if failed := g.Window.ChannelState(guesttest.Channel) == window.HostFailed; failed != (name == "hang-up") {
				t.Errorf("the process is told of a failure: %t", failed)
			}
		})
	}
}

// noSuchGPU is 100 without a driver, 101 with one.
func noSuchGPU(t *testing.T) uint32 {
	t.Helper()
	if testBackend() == "cuda" {
		return 101
	}
	return 100
}

func TestStartFailures(t *testing.T) {
	for name, tc := range map[string]struct {
		args   []string
		change func(g *guesttest.Guest)
		says   string
		result uint32
	}{
		"channel outside": {[]string{"--backend", "soft", "--channel", "5"}, nil, "channel 5 of 2", 100},
		"no such GPU":     {[]string{"--backend", "cuda", "--gpu", "9999"}, nil, "opening GPU 9999", noSuchGPU(t)},
		"backend":         {[]string{"--backend", "magic"}, nil, `"magic"`, 100},
		"window": {[]string{"--backend", "soft"}, func(g *guesttest.Guest) {
			if _, err := g.Window.File().WriteAt([]byte("not a window"), 0); err != nil {
				t.Fatal(err)
			}
		}, "invalid window header", 100},
	} {
		t.Run(name, func(t *testing.T) {
			g := guesttest.New(t, 8*mib, quota)
			if tc.change != nil {
				tc.change(g)
			}
			e := g.Start(executorBinary, tc.args...)
			if m := e.Expect("fault"); m.Result != tc.result || !strings.Contains(m.Message, tc.says) {
				t.Errorf("fault %d: %s", m.Result, m.Message)
			}
			if code := e.ExitCode(); code != exitStart {
				t.Errorf("exit code %d", code)
			}
		})
	}
}

// switches counts how often the threads of a process were given a processor.
func switches(t *testing.T, pid int) (total uint64) {
	t.Helper()
	tasks, err := os.ReadDir(fmt.Sprintf("/proc/%d/task", pid))
	if err != nil {
		t.Fatal(err)
	}
	for _, task := range tasks {
		status, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%s/status", pid, task.Name()))
		if err != nil {
			t.Fatal(err)
		}
		for _, line := range strings.Split(string(status), "\n") {
			var n uint64
			if _, err := fmt.Sscanf(line, "voluntary_ctxt_switches: %d", &n); err == nil {
				total += n
			}
		}
	}
	return total
}

func TestIdleExecutorSleeps(t *testing.T) {
	g, e := launch(t)
	g.Must("primary_retain", 0)
	g.Context = 1
	g.Fence(0, 1, 1)
	if !g.WaitFor(g.Sleeping) {
		t.Fatal("it does not sleep")
	}
	// Go's own threads come to rest after a while; what wakes by itself shows in every half second.
	var woken uint64
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); {
		before := switches(t, e.PID())
		time.Sleep(500 * time.Millisecond)
		if woken = switches(t, e.PID()) - before; woken <= 3 {
			return
		}
	}
	t.Errorf("%d wake-ups in half a second of idleness", woken)
}

func TestRefusedCallsReachMediatord(t *testing.T) {
	g, e := launch(t)
	for range 3 {
		g.Post("refused", 0)
	}
	if m := e.Expect("refused"); m.Name != "cuArray3DCreate" || m.Count == 0 || m.Count > 3 {
		t.Errorf("message is %+v", m)
	}
}
