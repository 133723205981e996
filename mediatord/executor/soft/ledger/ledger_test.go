package ledger

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
)

func TestLedgerIsShared(t *testing.T) {
	path := filepath.Join(t.TempDir(), "ledger")
	if err := Create(path, 100, Patient); err != nil {
		t.Fatal(err)
	}
	l, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	account := func() *Account {
		a, err := NewAccount(path)
		if err != nil {
			t.Fatal(err)
		}
		return a
	}
	one, other := account(), account()
	defer other.Close()
	wantFree := func(when string, want uint64) {
		t.Helper()
		if free, told := l.Free(); free != want || !told {
			t.Errorf("%s: %d bytes are free, told %v; want %d", when, free, told, want)
		}
	}
	wantFree("at first", 100)
	if !one.Take(60) || other.Take(41) || !other.Take(40) || one.Take(1) {
		t.Error("takings are not bounded by what is there")
	}
	wantFree("all taken", 0)
	other.Give(30)
	if free, err := one.Free(); free != 30 || err != nil || other.Taken() != 10 {
		t.Errorf("%d bytes are free, %v; the other has %d", free, err, other.Taken())
	}
	one.Close() // as the end of its process
	wantFree("without the one", 90)
	one = account()
	defer one.Close()
	if one.Taken() != 0 || !one.Take(90) || one.Take(1) {
		t.Error("a new one has what the last one had")
	}
}

func TestWhatIsNoLedger(t *testing.T) {
	path := filepath.Join(t.TempDir(), "ledger")
	if _, err := Open(path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no file: %v", err)
	}
	if err := os.WriteFile(path, []byte("short"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := NewAccount(path); !errors.Is(err, ErrLedger) {
		t.Errorf("a short file: %v", err)
	}
	if err := Create(path, 1, Stuck|Untold); err != nil {
		t.Fatal(err)
	}
	l, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if _, told := l.Free(); told {
		t.Error("it tells")
	}
	for range entries {
		a, err := NewAccount(path)
		if err != nil {
			t.Fatal(err)
		}
		defer a.Close()
	}
	if _, err := NewAccount(path); !errors.Is(err, ErrLedger) {
		t.Errorf("one too many: %v", err)
	}
}
