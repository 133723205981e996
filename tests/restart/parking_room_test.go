package restart

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/godbus/dbus/v5"

	"libvirt-vgpu/mediatord/executor/soft/ledger"
)

// scarce is a host whose software GPUs share the memory of one, with somebody who takes
// some of it.
type scarce struct {
	*host
	other *ledger.Account
	bus   dbus.BusObject
}

func newScarce(t *testing.T, total uint64, m ledger.Manner, parking ...string) *scarce {
	t.Helper()
	path := filepath.Join(t.TempDir(), "ledger")
	if err := ledger.Create(path, total, m); err != nil {
		t.Fatal(err)
	}
	s := &scarce{host: newHostWith(t, []string{ledger.Variable + "=" + path}, append([]string{"overcommit = 4", "[parking]", `after = "never"`}, parking...)...)}
	s.quota = "1GiB" // contexts count
	var err error
	if s.other, err = ledger.NewAccount(path); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.other.Close)
	conn, err := dbus.Connect(s.address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	s.bus = conn.Object("io.github.libvirt_vgpu.Mediator1", "/io/github/libvirt_vgpu/Mediator1")
	return s
}

// awayWithoutRoom is a process that is parked with its context while somebody else takes
// all of the GPU but less than that needs.
func (s *scarce) awayWithoutRoom(total uint64) *tenant {
	s.Helper()
	one := s.traveller(s.bus)
	one.isAway()
	if !s.other.Take(total - ledger.Context/2) {
		s.Fatal("it still has memory of the GPU")
	}
	return one.tenant
}

// said is the log of mediatord and its executors.
func (s *scarce) logged() string {
	s.Helper()
	log, err := os.ReadFile(s.logFile)
	if err != nil {
		s.Fatal(err)
	}
	return string(log)
}

// TestContextWithoutRoom has a process find no room for its context: its call fails, it
// stays parked, and a later call finds what it left, when there is room. Where mediatord
// sees how much the GPU has, the driver is not asked before, since it might never bring the
// context back. Where it does not, the driver's answer counts.
func TestContextWithoutRoom(t *testing.T) {
	const total = 2 << 30
	for name, test := range map[string]struct {
		manner ledger.Manner
		tries  bool
	}{
		"seen":     {ledger.Stuck, false},
		"not seen": {ledger.Patient | ledger.Untold, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newScarce(t, total, test.manner, `context_after = "never"`)
			one := s.awayWithoutRoom(total)
			one.ask("try", "answered 2")
			s.away(1)
			s.other.Give(total)
			one.until("a call that finds room", func() bool {
				before := one.output.String()
				one.ask("try", "ed ") // answered or touched
				return strings.Contains(one.output.String()[len(before):], "touched in")
			})
			one.right()
			if tried := strings.Contains(s.logged(), "found no room on the GPU: error 304 at try 1"); tried != test.tries {
				t.Errorf("without room the driver was asked: %v", tried)
			}
			_ = one.asks.Close()
			if err := <-one.done; err != nil {
				t.Errorf("it ended with %v: %s", err, one.output)
			}
		})
	}
}

// TestReturnLosesContext has a driver lose the context for want of room: the process is
// told that, nobody else suffers, and the log says what the driver answered.
func TestReturnLosesContext(t *testing.T) {
	t.Parallel()
	const total = 2 << 30
	s := newScarce(t, total, ledger.Lost|ledger.Untold, `context_after = "never"`)
	one := s.awayWithoutRoom(total)
	one.ask("try", "answered 999")
	s.other.Give(total)
	if want := "contexts are lost: bringing them back to the GPU failed with error 304 at try 1, the process was checkpointed before, and is failed"; !strings.Contains(s.logged(), want) {
		t.Errorf("the log lacks %q", want)
	}
	s.tenant(8).right()
}

// TestContextsTakeTurns has three processes on a GPU that has room for the contexts of two:
// for each that returns another's leaves, and no return finds too little room.
func TestContextsTakeTurns(t *testing.T) {
	t.Parallel()
	s := newScarce(t, 2*ledger.Context+256<<20, ledger.Stuck, `context_after = "24h"`)
	var tenants []*tenant
	for range 3 {
		tenants = append(tenants, s.tenant(8, 4))
		s.idle(1)
	}
	s.away(1)
	for range 2 {
		for _, one := range tenants {
			one.right()
			s.idle(1)
			s.away(1)
		}
	}
	if strings.Contains(s.logged(), " at try ") {
		t.Error("the driver was asked to bring a context back without room")
	}
}
