package output

import (
	"bytes"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// caught catches what is written to two files that stand for 1 and 2.
func caught(t *testing.T) (o *Output, out, errors *os.File, log func() string, printed *atomic.Int64) {
	t.Helper()
	file := func(name string) *os.File {
		f, err := os.Create(t.TempDir() + "/" + name)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = f.Close() })
		return f
	}
	out, errors = file("out"), file("errors")
	name := errors.Name()
	printed = &atomic.Int64{}
	o, err := Catch(int(out.Fd()), int(errors.Fd()), func(n int) { printed.Add(int64(n)) })
	if err != nil {
		t.Fatal(err)
	}
	log = func() string {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	return o, out, errors, log, printed
}

func TestTakeHasWhatWasWrittenBefore(t *testing.T) {
	o, out, errors, log, printed := caught(t)
	for i := range 200 {
		if _, err := out.WriteString("line\n"); err != nil {
			t.Fatal(err)
		}
		_, _ = errors.WriteString("!")
		if text, _ := o.Take(4096, false); string(text) != "line\n" {
			t.Fatalf("turn %d took %q", i, text)
		}
	}
	_, _ = out.WriteString("output")
	text, complaint := o.Take(100, true)
	if string(text) != "output" || string(complaint) != strings.Repeat("!", 94) {
		t.Errorf("took %q, %q", text, complaint)
	}
	if text, complaint = o.Take(1000, true); len(text) != 0 || len(complaint) != 106 {
		t.Errorf("then took %q, %q", text, complaint)
	}
	if printed.Load() != 1006 {
		t.Errorf("%d bytes printed", printed.Load())
	}
	if got := log(); got != strings.Repeat("!", 200) {
		t.Errorf("logged %q", got)
	}
}

// A kernel that prints more than anybody takes neither stops nor fills memory.
func TestMoreThanTheLimitIsLost(t *testing.T) {
	o, out, _, _, _ := caught(t)
	piece := bytes.Repeat([]byte("x"), 1<<20)
	for range Limit>>20 + 3 {
		if _, err := out.Write(piece); err != nil {
			t.Fatal(err)
		}
	}
	total := 0
	for start := time.Now(); total < Limit && time.Since(start) < 10*time.Second; {
		text, _ := o.Take(1<<20, false)
		total += len(text)
	}
	if text, _ := o.Take(1<<20, false); total != Limit || len(text) != 0 {
		t.Errorf("took %d bytes, then %d", total, len(text))
	}
}

func TestCatchWithoutTheFiles(t *testing.T) {
	fd, err := unix.Open("/dev/null", unix.O_WRONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.Close(fd); err != nil {
		t.Fatal(err)
	}
	if _, err := Catch(fd, fd, nil); err == nil {
		t.Error("caught a closed file")
	}
}
