package daemon_test

import (
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/godbus/dbus/v5"

	"libvirt-vgpu/mediatord/internal/bus"
	"libvirt-vgpu/mediatord/internal/daemontest"
	"libvirt-vgpu/mediatord/internal/executortest"
	"libvirt-vgpu/plugin/ivshmem"
	"libvirt-vgpu/plugin/window"
)

func TestReserveToReleaseLeavesNothing(t *testing.T) {
	s := start(t, onePool())
	s.mustReserve(other) // whatever the first slot loads for good
	if err := s.call("Release", other); err != nil {
		t.Fatal(err)
	}
	before, threads := openFiles(t), children(t)
	for round := range 3 {
		s.mustReserve(uuid)
		info, err := os.Stat(s.socket(uuid))
		if err != nil || info.Mode()&os.ModeSocket == 0 || info.Mode().Perm() != 0o600 {
			t.Fatalf("socket: %v, %v", info, err)
		}
		if s.property(uuid, "State") != "reserved" || s.property(uuid, "Connected") != false {
			t.Error("a fresh slot is not reserved and alone")
		}
		g := s.boot(uuid)
		if err := s.call("Started", uuid); err != nil {
			t.Fatal(err)
		}
		if s.property(uuid, "State") != "running" || s.property(uuid, "Connected") != true {
			t.Error("a started domain does not show")
		}
		d, err := g.window.Description()
		if err != nil || d.Name != "Test GPU" || d.TotalMemory != executortest.Memory/8 || d.UUID == (window.UUID{}) {
			t.Errorf("description is %+v, %v", d, err)
		}
		g.window.SetProcess(0, window.Process{PID: 77, UID: 1000, Comm: "python"})
		g.set(0, window.GuestOpen, 1)
		g.set(0, window.GuestStart, 1)
		g.set(1, window.GuestStart, 1)
		g.untilHost(0, window.HostReady, 1)
		g.untilHost(1, window.HostReady, 1)
		g.order(0, executortest.OrderAllocate)
		g.until("memory", func() bool { return s.property(uuid, "MemoryUsed") == uint64(1<<20) })
		channels, _ := s.property(uuid, "Channels").([]map[string]dbus.Variant)
		if len(channels) != 2 || channels[0]["Comm"].Value() != "python" || channels[0]["PID"].Value() != uint32(77) || channels[0]["State"].Value() != "ready" {
			t.Errorf("channels are %v", channels)
		}
		if round == 1 { // a domain that is shut down in order
			g.off()
			if err := s.call("Stopped", uuid); err != nil {
				t.Fatal(err)
			}
			s.until("stopped executors", func() bool { return len(children(t)) == len(threads) })
		}
		if err := s.call("Release", uuid); err != nil {
			t.Fatal(err)
		}
		if round != 1 {
			g.off()
		}
		s.expectSlotDirectories(0)
		if left := children(t); len(left) != len(threads) {
			t.Errorf("processes %v are left", left)
		}
		s.until("closed descriptors", func() bool { return len(openFiles(t)) <= len(before) })
	}
}

func TestRefusals(t *testing.T) {
	s := start(t, map[string]string{
		"default": "gpus = [\"soft\"]\nslots = 2\nmax_memory = \"2GiB\"",
		"batch":   "gpus = [\"soft\"]\npriorities = [\"low\"]",
		"absent":  "gpus = [\"0000:99:00.0\"]",
	})
	s.refused(s.reserve(uuid, `pool="gold"`), "NoSuchPool", "gold", "absent, batch, default")
	s.refused(s.reserve(uuid, `pool="batch" priority="high"`), "PriorityNotAllowed", "batch", "low")
	s.refused(s.reserve(uuid, `memory="3GiB"`), "MemoryExceedsPool", "2GiB", "3GiB")
	s.refused(s.reserve(uuid, `colour="red"`), "InvalidMetadata", "colour")
	s.refused(s.reserve(uuid, `memory="much"`), "InvalidMetadata", "memory")
	s.refused(s.call("Reserve", uuid, "web", "<oops", s.socket(uuid)), "InvalidMetadata")
	s.refused(s.reserve(uuid, `pool="absent"`), "GPUUnavailable", "0000:99:00.0")
	s.refused(s.reserve("not-a-uuid", ""), "InvalidArgument", "not-a-uuid")
	s.refused(s.call("Started", uuid), "NoSuchDomain", uuid)
	for _, path := range []string{
		"/tmp/x.sock", "", "relative.sock", s.socket(other), s.RunDir + "/domain-" + uuid + "/../x", s.RunDir + "/domain-" + uuid + "/a/b",
		s.RunDir + "/domain-" + uuid + "/" + strings.Repeat("x", 100),
	} {
		s.refused(s.call("Reserve", uuid, "web", element+"/>", path), "InvalidSocketPath")
	}
	for _, id := range []string{"00000000-0000-4000-8000-00000000000a", "00000000-0000-4000-8000-00000000000b"} {
		s.mustReserve(id)
	}
	s.refused(s.reserve(uuid, ""), "PoolFull", "2 of 2", "default")
	if err := s.call("Release", uuid); err != nil {
		t.Errorf("releasing what is not reserved: %v", err)
	}
	if err := s.call("Stopped", uuid); err != nil {
		t.Errorf("stopping what is not reserved: %v", err)
	}
	s.expectSlotDirectories(2)
}

func TestReserveIsIdempotent(t *testing.T) {
	s := start(t, onePool())
	s.mustReserve(uuid)
	made := func() time.Time {
		info, err := os.Stat(s.socket(uuid))
		if err != nil {
			t.Fatal(err)
		}
		return info.ModTime()
	}
	first := made()
	s.mustReserve(uuid)
	if made() != first {
		t.Error("reserving again made another slot")
	}
	if err := s.reserve(uuid, `memory="512MiB"`); err != nil {
		t.Fatalf("a changed domain: %v", err)
	}
	if s.property(uuid, "MemoryQuota") != uint64(512<<20) {
		t.Error("the slot kept the old quota")
	}
	peer := s.dial(uuid)
	running := strings.Replace(element, `window="64MiB"`, `window="128MiB"`, 1)
	s.refused(s.call("Reserve", uuid, "web", running+"/>", s.socket(uuid)), "AlreadyReserved", "web", "another window")
	if err := s.reserve(uuid, `memory="512MiB"`); err != nil {
		t.Errorf("the same request beside a running domain: %v", err)
	}
	second := made()
	_ = peer.Close()
	s.until("disconnect", func() bool { return s.property(uuid, "Connected") == false })
	if err := s.reserve(uuid, `memory="512MiB"`); err != nil { // libvirt crashed, no release came
		t.Fatal(err)
	}
	if made() == second {
		t.Error("a used window was handed to the next run of the domain")
	}
	if slots := s.poolProperty("Used"); slots != uint32(1) {
		t.Errorf("%v slots in use", slots)
	}
}

func TestExecutorCrashFailsItsChannelOnly(t *testing.T) {
	s := start(t, onePool())
	s.mustReserve(uuid)
	g := s.boot(uuid)
	defer g.off()
	g.set(0, window.GuestStart, 1)
	g.set(1, window.GuestStart, 1)
	g.untilHost(0, window.HostReady, 1)
	g.untilHost(1, window.HostReady, 1)
	g.order(0, executortest.OrderFault)
	g.untilHost(0, window.HostFailed, 1)
	if result, text := g.window.Failure(0); result != 700 || !strings.Contains(text, "illegal memory access") {
		t.Errorf("failure is %d %q", result, text)
	}
	g.order(1, executortest.OrderAllocate)
	g.until("the other's work", func() bool { return g.window.Channel(1)[executortest.OrderOffset] == 0 })
	g.set(0, window.GuestClosed, 1)
	g.untilHost(0, window.HostFree, 1)
	g.set(0, window.GuestStart, 2)
	g.untilHost(0, window.HostReady, 2)
	g.order(0, executortest.OrderRefuse)
	s.until("refused call", func() bool {
		calls, _ := s.property(uuid, "RefusedCalls").(map[string]uint64)
		return calls["cuTexObjectCreate"] == 3
	})
}

func TestHostileWindow(t *testing.T) {
	s := start(t, onePool())
	s.mustReserve(uuid)
	s.mustReserve(other)
	quiet := s.boot(other)
	defer quiet.off()
	quiet.set(0, window.GuestStart, 1)
	quiet.untilHost(0, window.HostReady, 1)
	g := s.boot(uuid)
	defer g.off()
	random := rand.New(rand.NewPCG(5, 6))
	for end := time.Now().Add(time.Second); time.Now().Before(end); {
		for channel := range 8 {
			g.window.SetProcess(channel, window.Process{PID: random.Uint32(), Comm: "\x1b]0;x\x07"})
			g.window.SetGuest(channel, window.GuestState(random.IntN(5)), random.Uint32N(3))
		}
		for range 20 {
			g.window.SetChunk(random.IntN(int(g.window.Chunks)), window.ChunkEntry(random.Uint32()))
		}
		for i := range 4096 { // header, control table, description and beyond
			g.window.Channel(random.IntN(8))[random.IntN(window.ChannelSize)] = byte(i)
		}
		if err := ivshmem.Signal(g.peer.Doorbells[0]); err != nil {
			t.Fatal(err)
		}
	}
	if lines := strings.Count(s.Log(), uuid); lines > 40 {
		t.Errorf("one domain caused %d log lines", lines)
	}
	quiet.order(0, executortest.OrderAllocate)
	quiet.until("the neighbour's work", func() bool { return quiet.window.Channel(0)[executortest.OrderOffset] == 0 })
	if err := s.call("Release", uuid); err != nil {
		t.Fatal(err)
	}
	if n := len(children(t)); n != 1 {
		t.Errorf("%d executors are left, want the neighbour's", n)
	}
}

func TestShutdownEndsEverything(t *testing.T) {
	s := start(t, onePool())
	s.mustReserve(uuid)
	g := s.boot(uuid)
	defer g.off()
	g.set(0, window.GuestStart, 1)
	g.untilHost(0, window.HostReady, 1)
	s.Stop(t)
	if left := children(t); len(left) != 0 {
		t.Errorf("processes %v are left", left)
	}
	s.expectSlotDirectories(0)
	if log := s.Log(); strings.Contains(log, "executor died") || !strings.Contains(log, "mediatord ended the executor") {
		t.Errorf("of the executor that mediatord ended it says\n%s", log)
	}
}

func TestSecondMediatordIsRefused(t *testing.T) {
	s := start(t, onePool())
	s.mustReserve(uuid)
	for _, runDir := range []string{s.RunDir, t.TempDir()} { // the same one, and only the same bus
		args := []string{"--bus", s.Address, "--pools", t.TempDir(), "--run-dir", runDir, "--module-cache", t.TempDir()}
		if log, err := daemontest.Run(args); err == nil || !strings.Contains(log, "another mediatord") {
			t.Errorf("second mediatord: %v, %s", err, log)
		}
	}
	s.boot(uuid).off() // the first one's slot still works
}

func TestSlotsOfADeadMediatordGo(t *testing.T) {
	runDir := t.TempDir()
	stale := filepath.Join(runDir, "domain-"+other, "ivshmem.sock")
	if err := os.MkdirAll(stale, 0o711); err != nil {
		t.Fatal(err)
	}
	args := []string{"--bus", "unix:path=/nonexistent", "--pools", t.TempDir(), "--run-dir", runDir, "--module-cache", t.TempDir()}
	if log, err := daemontest.Run(args); err == nil || !strings.Contains(log, "removing a slot") {
		t.Errorf("%v, %s", err, log)
	}
	if _, err := os.Stat(filepath.Dir(stale)); err == nil {
		t.Error("the stale slot is still there")
	}
}

func TestBadCommandLines(t *testing.T) {
	bad := t.TempDir()
	if err := os.WriteFile(filepath.Join(bad, "p.toml"), []byte("gpus = [\"soft\"]\nslots = -1"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		args     []string
		mentions string
	}{
		{[]string{"--log-level", "loud"}, "debug, info, warning, error"},
		{[]string{"--log-format", "xml"}, "text, json"},
		{[]string{"--session-window", "3GiB"}, "power of two"},
		{[]string{"--executor-user", "nobody-has-this-name"}, "nobody-has-this-name"},
		{[]string{"--socket-group", "nobody-has-this-name"}, "nobody-has-this-name"},
		{[]string{"--pools", bad}, "slots: is -1; allowed: 1 to 1024"},
		{[]string{"--pools", filepath.Join(bad, "p.toml")}, "p.toml is no directory"},
		{[]string{"--bus", "unix:path=/nonexistent"}, "name another with --bus"},
		{[]string{"--qemu-users", "nobody-has-this-name,nor-this"}, "nobody-has-this-name, nor-this"},
		{[]string{"--executor-timeout", "-1s"}, "longer than 0s"},
		{[]string{"--module-cache", bad}, "p.toml; name a directory of its own"},
		{[]string{"hold"}, "starts this itself"},
		{[]string{"hold", filepath.Join(bad, "p.toml")}, "starts this itself"},
		{[]string{"--wrong"}, "--help"},
		{[]string{"extra"}, `"extra"`},
	} {
		args := append([]string{"--run-dir", t.TempDir(), "--module-cache", t.TempDir()}, tc.args...)
		if tc.args[0] == "hold" {
			args = tc.args
		} else if !slices.Contains(tc.args, "--pools") {
			args = append(args, "--pools", t.TempDir())
		}
		if log, err := daemontest.Run(args); err == nil || !strings.Contains(log, tc.mentions) {
			t.Errorf("%v: %v, %q does not mention %q", tc.args, err, log, tc.mentions)
		}
	}
}

func TestChangeOverTheBus(t *testing.T) {
	s := start(t, onePool())
	s.mustReserve(uuid)
	var applied, restart []string
	call := s.conn.Object(bus.Service, bus.Root).Call(bus.ManagerInterface+".Change", 0, uuid, element+` memory="1GiB" priority="low" pool="other"/>`)
	if err := call.Store(&applied, &restart); err != nil || len(applied) != 0 || !slices.Equal(restart, []string{"pool"}) {
		t.Errorf("another pool: %q, %q, %v", applied, restart, err)
	}
	call = s.conn.Object(bus.Service, bus.Root).Call(bus.ManagerInterface+".Change", 0, uuid, element+` memory="2GiB" priority="low"/>`)
	if err := call.Store(&applied, &restart); err != nil || !slices.Equal(applied, []string{"memory", "priority"}) || len(restart) != 0 {
		t.Errorf("changed %q, left %q, %v", applied, restart, err)
	}
	if quota := s.property(uuid, "MemoryQuota"); quota != uint64(2<<30) {
		t.Errorf("quota is %v", quota)
	}
	peer := s.dial(uuid)
	defer peer.Close()
	if err := s.reserve(uuid, `memory="3GiB"`); err != nil { // as when libvirtd is started again
		t.Error(err)
	}
	if quota := s.property(uuid, "MemoryQuota"); quota != uint64(3<<30) {
		t.Errorf("quota is %v after a reservation of the running domain", quota)
	}
	s.refused(s.reserve(uuid, `pool="other"`), "NoSuchPool", "other")
	s.refused(s.call("Change", other, element+"/>"), "NoSuchDomain", other)
}
