package mediator

import (
	"context"
	"io"
	"net"
	"os"
	"os/exec"
	"testing"
	"time"

	"libvirt-vgpu/plugin/window"
)

// socketVariable has the test binary play QEMU: it connects there, and goes when its
// standard input ends; after "leave" it only closes the connection.
const socketVariable = "VGPU_TEST_PLAY_QEMU"

func TestMain(m *testing.M) {
	path := os.Getenv(socketVariable)
	if path == "" {
		os.Exit(m.Run())
	}
	conn, err := net.Dial("unix", path)
	if err != nil {
		os.Exit(1)
	}
	word := make([]byte, 5)
	if n, _ := io.ReadFull(os.Stdin, word); n == len(word) {
		_ = conn.Close()
		_, _ = io.Copy(io.Discard, os.Stdin)
	}
	os.Exit(0)
}

// startQEMU connects a process of its own to a slot's socket.
func (s *stage) startQEMU(socket string) (qemu *exec.Cmd, stdin io.WriteCloser) {
	s.Helper()
	qemu = exec.Command(os.Args[0])
	qemu.Env = append(os.Environ(), socketVariable+"="+socket)
	stdin, err := qemu.StdinPipe()
	if err == nil {
		err = qemu.Start()
	}
	if err != nil {
		s.Fatal(err)
	}
	s.Cleanup(func() {
		_ = qemu.Process.Kill()
		_ = qemu.Wait()
	})
	return qemu, stdin
}

func TestSlotIsReleasedWhenQEMUEndsAndNobodyTells(t *testing.T) {
	s := newStage(t, func(settings *Settings) { settings.ReleaseWithin = 20 * time.Millisecond })
	for _, tc := range []struct {
		name   string
		leaves bool // the device is taken from QEMU before it ends
	}{{"ends", false}, {"ends later", true}} {
		t.Run(tc.name, func(t *testing.T) {
			request := s.request(window.UUID{1})
			if err := s.Reserve(context.Background(), request); err != nil {
				t.Fatal(err)
			}
			connected := func() bool { slot, err := s.Slot(request.Domain); return err == nil && slot.Connected }
			qemu, stdin := s.startQEMU(request.SocketPath)
			s.until("QEMU", connected)
			if tc.leaves {
				if _, err := io.WriteString(stdin, "leave"); err != nil {
					t.Fatal(err)
				}
				s.until("the end of the connection", func() bool { return !connected() })
				time.Sleep(5 * s.settings.ReleaseWithin) // wrong if it were released now, not if it were slow
				if _, err := s.Slot(request.Domain); err != nil {
					t.Fatalf("the slot of a QEMU that lives: %v", err)
				}
			}
			_ = stdin.Close()
			_ = qemu.Wait()
			s.until("the release", func() bool { _, err := s.Slot(request.Domain); return err != nil })
			s.until("the slot's end", func() bool { p, err := s.Pool("default"); return err == nil && p.Used == 0 })
		})
	}
	s.expectClean()
}
