package hooks

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/godbus/dbus/v5"
)

// startBus runs a private dbus-daemon and returns its address.
func startBus(t *testing.T, policy string) string {
	t.Helper()
	daemon, err := exec.LookPath("dbus-daemon")
	if err != nil {
		t.Fatal("dbus-daemon is not installed; install it with: apt-get install dbus")
	}
	folder, err := os.MkdirTemp("", "vgpu-bus") // short: a socket path has at most 107 bytes
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(folder) })
	config := filepath.Join(folder, "bus.conf")
	text := fmt.Sprintf(`<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN" "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig><listen>unix:path=%s/bus</listen><auth>EXTERNAL</auth>
<policy context="default"><allow user="*"/><allow own="*"/><allow send_destination="*"/><allow receive_sender="*"/>%s</policy></busconfig>`, folder, policy)
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	command := exec.Command(daemon, "--config-file="+config, "--nofork", "--print-address")
	var diagnostics bytes.Buffer
	command.Stderr = &diagnostics
	output, err := command.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = command.Process.Kill()
		_ = command.Wait()
		if t.Failed() {
			t.Logf("dbus-daemon said:\n%s", diagnostics.String())
		}
	})
	address, err := bufio.NewReader(output).ReadString('\n')
	if err != nil {
		t.Fatalf("dbus-daemon gave no address: %v", err)
	}
	return strings.TrimSpace(address)
}

// busService is mediatord's manager on a real bus; every method answers with failure after delay.
type busService struct {
	mu      sync.Mutex
	calls   []string
	failure *dbus.Error
	delay   time.Duration
}

func (s *busService) answer(call string) *dbus.Error {
	s.mu.Lock()
	s.calls = append(s.calls, call)
	failure, delay := s.failure, s.delay
	s.mu.Unlock()
	time.Sleep(delay)
	return failure
}

func (s *busService) Reserve(domainUUID, domainName, element, socketPath string) (dbus.ObjectPath, *dbus.Error) {
	return ObjectPath + "/slot/x", s.answer(strings.Join([]string{"Reserve", domainUUID, domainName, element, socketPath}, "|"))
}
func (s *busService) Started(domainUUID string) *dbus.Error { return s.answer("Started|" + domainUUID) }
func (s *busService) Stopped(domainUUID string) *dbus.Error { return s.answer("Stopped|" + domainUUID) }
func (s *busService) Release(domainUUID string) *dbus.Error { return s.answer("Release|" + domainUUID) }

// taken returns the calls since the last time.
func (s *busService) taken() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	calls := s.calls
	s.calls = nil
	return calls
}

func (s *busService) failWith(failure *dbus.Error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.failure = failure
}

// serve exports the service under mediatord's name.
func serve(t *testing.T, address string, service any) *dbus.Conn {
	t.Helper()
	connection, err := dbus.Connect(address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { connection.Close() })
	if err := connection.Export(service, ObjectPath, ManagerInterface); err != nil {
		t.Fatal(err)
	}
	if reply, err := connection.RequestName(Service, dbus.NameFlagDoNotQueue); err != nil || reply != dbus.RequestNameReplyPrimaryOwner {
		t.Fatalf("requesting name: %v, %v", reply, err)
	}
	return connection
}
