package fdstore_test

import (
	"encoding/json"
	"io"
	"net"
	"os"
	"syscall"
	"testing"

	"github.com/sirupsen/logrus"
	"golang.org/x/sys/unix"

	"libvirt-vgpu/mediatord/internal/fdstore"
	"libvirt-vgpu/tests/servicemanager"
)

func quiet() logrus.FieldLogger {
	log := logrus.New()
	log.SetOutput(io.Discard)
	return log
}

func newManager(t *testing.T) *servicemanager.Manager {
	t.Helper()
	m, err := servicemanager.New()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(m.Close)
	return m
}

func filesOf(t *testing.T, m *servicemanager.Manager) []*os.File {
	t.Helper()
	files, err := m.Files()
	if err != nil {
		t.Fatal(err)
	}
	return files
}

type label struct{ What string }

func TestEntriesComeBackWhole(t *testing.T) {
	manager := newManager(t)
	store, kept := fdstore.Open(manager.Address, nil, nil, quiet())
	if len(kept) != 0 {
		t.Fatalf("an empty store has %v", kept)
	}
	var ends [2]int
	if err := unix.Pipe2(ends[:], unix.O_CLOEXEC|unix.O_NONBLOCK); err != nil {
		t.Fatal(err)
	}
	reading, writing := os.NewFile(uintptr(ends[0]), "r"), os.NewFile(uintptr(ends[1]), "w")
	defer writing.Close()
	many := make([]syscall.Conn, fdstore.MaxFiles)
	for i := range many {
		many[i] = reading
	}
	first, err := store.Keep(label{"pipe"}, reading, writing)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := store.Keep(label{"many"}, many...); err != nil {
		t.Fatal(err)
	}
	if _, err := store.Keep(label{"too many"}, append(many, writing)...); err == nil {
		t.Error("more files than fit were kept")
	}
	_ = reading.Close()
	if _, err := writing.WriteString("over a restart"); err != nil {
		t.Fatal(err)
	}

	for round := range 2 { // reading an entry does not use it up
		_, kept = fdstore.Open(manager.Address, filesOf(t, manager), nil, quiet())
		if len(kept) != 2 {
			t.Fatalf("round %d: %d entries", round, len(kept))
		}
		for _, e := range kept {
			var l label
			if err := json.Unmarshal(e.Label, &l); err != nil {
				t.Fatal(err)
			}
			if l.What == "many" && len(e.Files) != fdstore.MaxFiles {
				t.Errorf("%d files came back of %d", len(e.Files), fdstore.MaxFiles)
			}
			if l.What == "pipe" && round == 1 {
				text := make([]byte, 100)
				if n, err := e.Files[0].Read(text); err != nil || string(text[:n]) != "over a restart" {
					t.Errorf("read %q, %v", text[:n], err)
				}
			}
			for _, f := range e.Files {
				_ = f.Close()
			}
		}
	}
	first.Forget()
	again, kept := fdstore.Open(manager.Address, filesOf(t, manager), nil, quiet())
	if len(kept) != 1 || len(kept[0].Files) != fdstore.MaxFiles {
		t.Fatalf("after forgetting one of two: %v", kept)
	}
	if _, err := again.Keep(label{"new"}); err != nil {
		t.Fatal(err)
	}
	kept[0].Drop()
	if left := filesOf(t, manager); len(left) != 1 { // the new one has not taken the old one's name
		t.Errorf("%d entries are left", len(left))
	}
}

func TestStrangeFilesAreClosed(t *testing.T) {
	manager := newManager(t)
	listener, err := net.ListenUnix("unix", &net.UnixAddr{Name: t.TempDir() + "/s", Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	file, err := listener.File()
	if err != nil {
		t.Fatal(err)
	}
	fd, err := unix.Dup(int(file.Fd()))
	if err != nil {
		t.Fatal(err)
	}
	stranger, broken := os.NewFile(uintptr(fd), "my.socket"), os.NewFile(file.Fd(), "vgpu-7")
	if _, kept := fdstore.Open(manager.Address, []*os.File{stranger, broken}, nil, quiet()); len(kept) != 0 {
		t.Errorf("entries %v", kept)
	}
	if _, err := stranger.Stat(); err == nil {
		t.Error("a socket that is no entry stayed open")
	}
	if _, err := broken.Stat(); err == nil {
		t.Error("an entry that cannot be read stayed open")
	}
}

func TestWithoutManagerNothingIsKept(t *testing.T) {
	store, kept := fdstore.Open("", nil, nil, quiet())
	entry, err := store.Keep(label{"x"}, os.Stdin)
	if store != nil || kept != nil || entry != nil || err != nil {
		t.Errorf("%v, %v, %v, %v", store, kept, entry, err)
	}
	entry.Forget()
	entry.Drop()
	if store, _ := fdstore.Open("/nonexistent", nil, nil, quiet()); store != nil {
		if _, err := store.Keep(label{"x"}); err == nil {
			t.Error("kept by a manager that is not there")
		}
	}
}
