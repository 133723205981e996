package window

import (
	"errors"
	"sync"
	"testing"
)

func testAccount(t *testing.T, quota uint64) *Account {
	t.Helper()
	a, err := CreateAccount("test", quota)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = a.Close() })
	return a
}

func TestSharedMemoryCountsOnce(t *testing.T) {
	a := testAccount(t, 1000)
	if err := a.Reserve(3, 600); err != nil {
		t.Fatal(err)
	}
	share, err := a.Share(3, 500)
	if err != nil {
		t.Fatal(err)
	}
	if err := a.Hold(share, 5); err != nil {
		t.Fatal(err)
	}
	if a.Total() != 600 || a.Used(3) != 600 || a.Used(5) != 0 {
		t.Errorf("total %d, %d by the maker, %d by the other", a.Total(), a.Used(3), a.Used(5))
	}
	if err := a.Reserve(5, 401); !errors.Is(err, ErrQuota) {
		t.Errorf("shared memory left the quota: %v", err)
	}
	// The maker is killed: the memory lives on, and counts for who has it.
	a.Clear(3)
	if a.Total() != 500 || a.Used(5) != 500 {
		t.Errorf("total %d, %d by the heir", a.Total(), a.Used(5))
	}
	a.Drop(share, 5)
	a.Drop(share, 5)
	if a.Total() != 0 {
		t.Errorf("total %d at the end", a.Total())
	}
	if err := a.Hold(share, 5); !errors.Is(err, ErrNotShared) {
		t.Errorf("held what is gone: %v", err)
	}
	for _, bad := range []int{-1, MaxShares} {
		if err := a.Hold(bad, 5); !errors.Is(err, ErrRange) {
			t.Errorf("share %d: %v", bad, err)
		}
	}
}

func TestSharesAreLimited(t *testing.T) {
	a := testAccount(t, 0)
	if err := a.Reserve(0, MaxShares+1); err != nil {
		t.Fatal(err)
	}
	for range MaxShares {
		if _, err := a.Share(0, 1); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := a.Share(0, 1); !errors.Is(err, ErrShares) {
		t.Errorf("error is %v", err)
	}
	if a.Total() != MaxShares+1 {
		t.Errorf("total %d", a.Total())
	}
	a.Drop(7, 0)
	if share, err := a.Share(0, 1); err != nil || share != 7 {
		t.Errorf("share %d, %v", share, err)
	}
}

func TestSharesOfManyAtOnce(t *testing.T) {
	a := testAccount(t, 0)
	var work sync.WaitGroup
	for i := range 8 {
		work.Add(1)
		go func() {
			defer work.Done()
			for range 2000 {
				_ = a.Reserve(i, 10)
				share, err := a.Share(i, 10)
				if err != nil {
					t.Error(err)
					return
				}
				if err := a.Hold(share, 8+i); err != nil {
					t.Error(err)
				}
				a.Drop(share, i)
				a.Drop(share, 8+i)
			}
		}()
	}
	work.Wait()
	if a.Total() != 0 {
		t.Errorf("total %d", a.Total())
	}
}
