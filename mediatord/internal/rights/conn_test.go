package rights

import (
	"bufio"
	"errors"
	"io"
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// pair is a socket with a pollable end and a blocking one, as mediatord and an
// executor have them.
func pair(t *testing.T) (ours, theirs *os.File) {
	t.Helper()
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.SetNonblock(fds[0], true); err != nil {
		t.Fatal(err)
	}
	ours, theirs = os.NewFile(uintptr(fds[0]), "ours"), os.NewFile(uintptr(fds[1]), "theirs")
	t.Cleanup(func() { _, _ = ours.Close(), theirs.Close() })
	return ours, theirs
}

func memfd(t *testing.T, text string) *os.File {
	t.Helper()
	fd, err := unix.MemfdCreate("rights", unix.MFD_CLOEXEC)
	if err != nil {
		t.Fatal(err)
	}
	f := os.NewFile(uintptr(fd), "memfd")
	t.Cleanup(func() { _ = f.Close() })
	if _, err := f.WriteString(text); err != nil {
		t.Fatal(err)
	}
	return f
}

func TestDescriptorsGoWithTheirLines(t *testing.T) {
	ours, theirs := pair(t)
	for _, ends := range [][2]*os.File{{ours, theirs}, {theirs, ours}} {
		from, to := New(ends[0]), New(ends[1])
		long := strings.Repeat("x", 200000)
		sent := make(chan error, 1)
		go func() {
			sent <- errors.Join(from.Send([]byte("plain\n"), nil), from.Send([]byte("one "+long+"\n"), memfd(t, "first")),
				from.Send([]byte("two\n"), memfd(t, "second")), from.Send([]byte("end\n"), nil))
		}()
		lines := bufio.NewScanner(to)
		lines.Buffer(nil, 1<<20)
		want := map[string]string{"one": "first", "two": "second"}
		for lines.Scan() {
			name, _, _ := strings.Cut(lines.Text(), " ")
			if content, has := want[name]; has {
				f, err := to.Take()
				if err != nil {
					t.Fatal(err)
				}
				got := make([]byte, len(content))
				if _, err := f.ReadAt(got, 0); err != nil || string(got) != content {
					t.Errorf("%s came with %q, %v", name, got, err)
				}
				_ = f.Close()
			}
			if name == "end" {
				break
			}
		}
		if err := <-sent; err != nil {
			t.Error(err)
		}
		if _, err := to.Take(); !errors.Is(err, ErrDescriptor) {
			t.Errorf("a descriptor too many: %v", err)
		}
	}
}

func TestAFloodOfDescriptorsIsRefused(t *testing.T) {
	ours, theirs := pair(t)
	from, to := New(theirs), New(ours)
	f := memfd(t, "")
	for range MaxWaiting + 1 {
		if err := from.Send([]byte("x"), f); err != nil {
			t.Fatal(err)
		}
	}
	var err error
	for range MaxWaiting + 1 {
		if _, err = to.Read(make([]byte, 1)); err != nil {
			break
		}
	}
	if !errors.Is(err, ErrDescriptor) {
		t.Errorf("error is %v", err)
	}
	to.Drop()
	if _, err := to.Take(); !errors.Is(err, ErrDescriptor) {
		t.Errorf("dropped, yet taken: %v", err)
	}
}

func TestTheEndIsAnEnd(t *testing.T) {
	ours, theirs := pair(t)
	_ = theirs.Close()
	if _, err := New(ours).Read(make([]byte, 8)); err != io.EOF {
		t.Errorf("error is %v", err)
	}
	if err := New(ours).Send([]byte("x"), nil); err == nil {
		t.Error("sent to nobody")
	}
}
