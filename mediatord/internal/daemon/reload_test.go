package daemon_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"libvirt-vgpu/mediatord/internal/bus"
	"libvirt-vgpu/mediatord/internal/daemontest"
)

func (s *stage) writePool(name, text string) {
	s.Helper()
	if err := os.WriteFile(filepath.Join(s.Pools, name+".toml"), []byte(text), 0o600); err != nil {
		s.Fatal(err)
	}
}

func (s *stage) reload() (applied, later []string, err error) {
	err = s.conn.Object(bus.Service, bus.Root).Call(bus.ManagerInterface+".Reload", 0).Store(&applied, &later)
	return applied, later, err
}

// problem is what mediatord says of its configuration.
func (s *stage) problem() string {
	s.Helper()
	value, err := s.conn.Object(bus.Service, bus.Root).GetProperty(bus.ManagerInterface + ".ConfigurationError")
	if err != nil {
		s.Fatal(err)
	}
	text, _ := value.Value().(string)
	return text
}

func TestReload(t *testing.T) {
	s := start(t, onePool())
	s.mustReserve(uuid)
	s.writePool("gold", `gpus = ["soft"]`)
	s.writePool("default", "gpus = [\"soft\"]\nslots = 3\nwalls = \"off\"\n")
	applied, later, err := s.reload()
	if err != nil || !slices.Contains(applied, "pool gold: added") || !slices.Contains(applied, "pool default: slots") ||
		len(later) != 1 || !strings.Contains(later[0], "walls") {
		t.Fatalf("got %q, %q, %v", applied, later, err)
	}
	if err := s.reserve(other, `pool="gold"`); err != nil {
		t.Errorf("a domain may not start in the new pool: %v", err)
	}
	if slots, err := s.conn.Object(bus.Service, bus.PoolPath("default")).GetProperty(bus.PoolInterface + ".Slots"); err != nil || slots.Value() != uint32(3) {
		t.Errorf("the pool has %v slots, %v", slots, err)
	}

	s.writePool("gold", "slots = 0")
	s.writePool("silver", `gpus = ["soft"]`)
	_, _, err = s.reload()
	s.refused(err, "InvalidConfiguration", "gold.toml", "gpus", "the earlier configuration stays in force")
	if problem := s.problem(); !strings.Contains(problem, "gold.toml") {
		t.Errorf("the problem is %q", problem)
	}
	if !strings.Contains(s.Log(), "the configuration is not valid") {
		t.Error("the journal does not tell")
	}
	s.refused(s.reserve("00000000-0000-4000-8000-000000000002", `pool="silver"`), "NoSuchPool", "default, gold")
	if state := s.property(other, "State"); state != "reserved" {
		t.Errorf("the slot in the pool whose file is not valid is %v", state)
	}

	s.writePool("gold", `gpus = ["soft"]`)
	if _, _, err := s.reload(); err != nil || s.problem() != "" {
		t.Errorf("%v, the problem is still %q", err, s.problem())
	}
}

func TestReloadBySignal(t *testing.T) {
	s := start(t, onePool())
	s.writePool("gold", `gpus = ["soft"]`)
	if err := syscall.Kill(os.Getpid(), syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	s.until("the new pool", func() bool {
		_, err := s.conn.Object(bus.Service, bus.PoolPath("gold")).GetProperty(bus.PoolInterface + ".Name")
		return err == nil
	})
	if err := os.Remove(filepath.Join(s.Pools, "gold.toml")); err != nil {
		t.Fatal(err)
	}
	s.writePool("default", "slots = \"many\"")
	if err := syscall.Kill(os.Getpid(), syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	s.until("the error", func() bool { return strings.Contains(s.problem(), "default.toml") })
	s.mustReserve(uuid)
}

func TestReloadOptions(t *testing.T) {
	file := filepath.Join(t.TempDir(), "mediatord.conf")
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("MEDIATORD_OPTIONS", "--socket-world")
	address := daemontest.Bus(t)
	d := daemontest.Start(t, address, onePool(), "--environment-file", file)
	s := &stage{T: t, Daemon: d, conn: d.Connect(t)}
	for _, tc := range []struct {
		text           string
		applied, later string
		fails          string
	}{
		{text: "# as at the start\nMEDIATORD_OPTIONS=--socket-world\n"},
		{text: "MEDIATORD_OPTIONS=\"--socket-world --log-level=debug\"\n", applied: "option --log-level: debug"},
		{text: "MEDIATORD_OPTIONS=--socket-world --log-level=debug\n"},
		{
			text: "", applied: "option --log-level: info",
			later: "option --socket-world is read at the start only: systemctl restart mediatord",
		},
		{text: "MEDIATORD_OPTIONS=--socket-world --log-level=loud", fails: "--log-level"},
		{text: "MEDIATORD_OPTIONS=--sockets", fails: "unknown flag: --sockets"},
		{text: "MEDIATORD_OPTIONS=--socket-world --session-group='a b'", later: "option --... of " + file + " is read at the start only: systemctl restart mediatord"},
	} {
		write(tc.text)
		applied, later, err := s.reload()
		if tc.fails != "" {
			s.refused(err, "InvalidConfiguration", tc.fails, file)
			continue
		}
		if err != nil || strings.Join(applied, "; ") != tc.applied || strings.Join(later, "; ") != tc.later {
			t.Errorf("%q: applied %q, later %q, %v", tc.text, applied, later, err)
		}
	}
	s.mustReserve(uuid)
}
