package slot

import (
	"io"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/sirupsen/logrus"
	"golang.org/x/sys/unix"

	"libvirt-vgpu/mediatord/internal/describe"
	"libvirt-vgpu/mediatord/internal/pool"
	"libvirt-vgpu/plugin/ivshmem"
	"libvirt-vgpu/plugin/window"
)

func testConfig(t *testing.T, kind Kind) Config {
	t.Helper()
	base, err := os.MkdirTemp("", "vgpu")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(base) })
	log := logrus.New()
	log.SetOutput(io.Discard)
	directory := filepath.Join(base, "domain-x")
	return Config{
		UUID: window.UUID{1, 2}, Name: "web", Kind: kind, Pool: "gold", Settings: Settings{Priority: "high", Weight: 7, Memory: 1 << 30},
		Window: 64 << 20, Channels: 4, Directory: directory,
		Grant: pool.Grant{Memory: 1 << 30, Device: &pool.Device{
			Name: "soft", Argument: "0",
			Description: &window.Description{DeviceCount: 1, Name: "Test GPU", UUID: window.UUID{9}, TotalMemory: 8 << 30, UsedMemory: 5, Temperature: 50},
		}},
		Socket:  Socket{Path: filepath.Join(directory, "s.sock"), UID: os.Getuid(), GID: -1, Mode: 0o640, Allow: func(unix.Ucred) error { return nil }},
		Changed: func() {}, Held: func(bool) {}, Log: log,
	}
}

func TestDomainSlot(t *testing.T) {
	cfg := testConfig(t, Domain)
	if err := os.MkdirAll(filepath.Join(cfg.Directory, "left", "over"), 0o700); err != nil {
		t.Fatal(err)
	}
	s, err := Open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	if entries, err := os.ReadDir(cfg.Directory); err != nil || len(entries) != 1 {
		t.Errorf("directory has %v, %v", entries, err)
	}
	if info, err := os.Stat(cfg.Socket.Path); err != nil || info.Mode().Perm() != 0o640 {
		t.Errorf("socket is %v, %v", info, err)
	}
	if info, err := os.Stat(cfg.Directory); err != nil || info.Mode().Perm() != 0o711 {
		t.Errorf("directory is %v, %v", info, err)
	}
	if !s.Fresh() || s.Connected() {
		t.Error("a new slot is not fresh")
	}
	peer, err := ivshmem.Dial(t.Context(), cfg.Socket.Path, 5)
	if err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(time.Minute); !s.Connected(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("QEMU does not count as connected")
		}
	}
	w, err := window.Map(peer.Window)
	if err != nil {
		t.Fatal(err)
	}
	d, err := w.Description()
	if err != nil || d.UUID != describe.VirtualUUID(cfg.UUID) || d.TotalMemory != 1<<30 || d.UsedMemory != 0 || d.Temperature != 0 || d.Name != "Test GPU" {
		t.Errorf("description is %+v, %v", d, err)
	}
	s.SetState(Running)
	got := s.Status()
	if got.State != Running || !got.Connected || got.Quota != 1<<30 || got.Weight != 7 || got.GPU != "soft" || got.UUID != cfg.UUID.String() {
		t.Errorf("status is %+v", got)
	}
	s.Close()
	s.Close()
	if _, err := os.Stat(cfg.Directory); !os.IsNotExist(err) {
		t.Errorf("directory: %v", err)
	}
	if after := s.Status(); after.Connected || after.Channels != nil {
		t.Errorf("a closed slot shows %+v", after)
	}
	s.SetState(Stopped) // says nothing, breaks nothing
}

func TestSessionSlot(t *testing.T) {
	cfg := testConfig(t, Session)
	held := make(chan bool, 2)
	cfg.Held = func(holds bool) { held <- holds }
	s, err := Open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	conn, err := net.DialUnix("unixpacket", nil, &net.UnixAddr{Name: cfg.Socket.Path, Net: "unixpacket"})
	if err != nil {
		t.Fatal(err)
	}
	hold := []byte{0x55, 0x50, 0x47, 0x56, 5, 0, 0, 0, 39: 0} // magic, HOLD
	if _, err := conn.Write(hold); err != nil {
		t.Fatal(err)
	}
	if !<-held {
		t.Error("the hold came as its end")
	}
	s.Close() // with the holder still connected
	if <-held {
		t.Error("the hold did not end with the slot")
	}
	_ = conn.Close()
}

func TestOpenLeavesNothingOnAnError(t *testing.T) {
	cfg := testConfig(t, Domain)
	cfg.Socket.Path = filepath.Join(cfg.Directory, "absent", "s.sock")
	if _, err := Open(cfg); err == nil {
		t.Fatal("listened in an absent directory")
	}
	if _, err := os.Stat(cfg.Directory); !os.IsNotExist(err) {
		t.Errorf("directory: %v", err)
	}
	cfg = testConfig(t, Domain)
	cfg.Window = 3 << 20
	if _, err := Open(cfg); err == nil {
		t.Fatal("an impossible window was made")
	}
	if _, err := os.Stat(cfg.Directory); !os.IsNotExist(err) {
		t.Errorf("directory: %v", err)
	}
}
