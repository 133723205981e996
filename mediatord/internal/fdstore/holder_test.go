package fdstore_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"libvirt-vgpu/mediatord/internal/fdstore"
)

func TestMain(m *testing.M) {
	if len(os.Args) == 3 && os.Args[1] == "hold" {
		if err := fdstore.ServeHeld(context.Background(), os.Args[2], os.Stdout); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// TestHolderKeepsWhatTheManagerForgets stops a service: the manager drops all, and
// the next process has it from the holder.
func TestHolderKeepsWhatTheManagerForgets(t *testing.T) {
	manager := newManager(t)
	store, _ := fdstore.Open(manager.Address, nil, nil, quiet())
	reading, writing, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer writing.Close()
	if _, err := store.Keep(label{"pipe"}, reading); err != nil {
		t.Fatal(err)
	}
	gone, err := store.Keep(label{"gone"}, reading)
	if err != nil {
		t.Fatal(err)
	}
	gone.Forget()
	_ = reading.Close()
	if _, err := writing.WriteString("over a stop"); err != nil {
		t.Fatal(err)
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "held.sock")
	for round := range 2 { // what was taken is held again at the next stop
		pid, err := store.Hold(self, "hold", path)
		if err != nil {
			t.Fatal(err)
		}
		manager.Clear()
		if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("round %d: the holder's socket is %v, %v", round, info, err)
		}
		interrupted(t, path)
		held, safe, err := fdstore.TakeHeld(path)
		if err != nil || len(held) != 1 {
			t.Fatalf("round %d: %d entries, %v", round, len(held), err)
		}
		var kept []*fdstore.Entry
		store, kept = fdstore.Open(manager.Address, nil, held, quiet())
		if len(kept) != 1 || len(kept[0].Files) != 1 || string(kept[0].Label) != `{"What":"pipe"}` {
			t.Fatalf("round %d: kept is %+v", round, kept)
		}
		defer kept[0].Files[0].Close()
		if stored := filesOf(t, manager); len(stored) != 1 {
			t.Errorf("round %d: the manager has %d entries again", round, len(stored))
		}
		safe()
		var status unix.WaitStatus
		if _, err := unix.Wait4(pid, &status, 0, nil); err != nil || status.ExitStatus() != 0 {
			t.Errorf("round %d: the holder ended with %v, %v", round, status, err)
		}
		if round == 1 {
			text := make([]byte, 64)
			if n, err := kept[0].Files[0].Read(text); err != nil || string(text[:n]) != "over a stop" {
				t.Errorf("read %q, %v", text[:n], err)
			}
		}
	}
	if held, _, err := fdstore.TakeHeld(path); err != nil || held != nil {
		t.Errorf("a holder that is gone has %v, %v", held, err)
	}
}

// interrupted asks the holder and goes away before it has everything safe.
func interrupted(t *testing.T, path string) {
	t.Helper()
	socket, err := unix.Socket(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.Connect(socket, &unix.SockaddrUnix{Name: path}); err != nil {
		t.Fatal(err)
	}
	if err := unix.Close(socket); err != nil {
		t.Fatal(err)
	}
}

func TestEntriesThatTheManagerHasTooAreTakenOnce(t *testing.T) {
	manager := newManager(t)
	store, _ := fdstore.Open(manager.Address, nil, nil, quiet())
	if _, err := store.Keep(label{"null"}, null(t)); err != nil {
		t.Fatal(err)
	}
	twice := filesOf(t, manager)
	_, kept := fdstore.Open(manager.Address, filesOf(t, manager), twice, quiet())
	if len(kept) != 1 || len(filesOf(t, manager)) != 1 {
		t.Errorf("%d entries, the manager has %d", len(kept), len(filesOf(t, manager)))
	}
	for _, e := range kept {
		e.Drop()
	}
	if left := filesOf(t, manager); len(left) != 0 {
		t.Errorf("the manager has %v left", left)
	}
}

func TestHolderThatDoesNotStart(t *testing.T) {
	manager := newManager(t)
	store, _ := fdstore.Open(manager.Address, nil, nil, quiet())
	began := time.Now()
	for _, program := range []string{"/nonexistent", "/bin/false", "/bin/echo"} {
		if pid, err := store.Hold(program, "hold"); err == nil {
			t.Errorf("%s holds as process %d", program, pid)
		}
	}
	if time.Since(began) > time.Minute {
		t.Error("that took long")
	}
}

func null(t *testing.T) *os.File {
	t.Helper()
	file, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = file.Close() })
	return file
}

// A person who tries the holder by hand, with a file of theirs in the place of the socket, loses nothing.
func TestHolderReplacesNoFile(t *testing.T) {
	manager := newManager(t)
	store, _ := fdstore.Open(manager.Address, nil, nil, quiet())
	reading, writing, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer writing.Close()
	if _, err := store.Keep(label{"pipe"}, reading); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "held.sock")
	const text = "somebody's"
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := fdstore.ServeHeld(t.Context(), path, io.Discard); !errors.Is(err, fdstore.ErrNothingHeld) {
		t.Errorf("without entries: %v", err)
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	if pid, err := store.Hold(self, "hold", path); err == nil {
		_ = unix.Kill(pid, unix.SIGKILL)
		t.Error("a holder listens where there was a file")
	}
	if left, err := os.ReadFile(path); err != nil || string(left) != text {
		t.Errorf("the file holds %q, %v", left, err)
	}
}
