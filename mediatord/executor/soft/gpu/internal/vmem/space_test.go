package vmem

import (
	"bytes"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
)

func TestMap(t *testing.T) {
	s := &Space{}
	page := func() []byte { return make([]byte, 4096) }
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(s.Map(0x2000, page(), ReadWrite))
	must(s.Map(0x4000, page(), ReadWrite))
	must(s.Map(0x3000, page(), ReadOnly))
	tests := []struct {
		name string
		va   uint64
		data []byte
		want error
	}{
		{"same place", 0x2000, page(), ErrOverlap},
		{"end of another", 0x2ff0, page(), ErrOverlap},
		{"start of another", 0x1ff0, page(), ErrOverlap},
		{"null", 0, page(), ErrAlignment},
		{"odd address", 0x8008, page(), ErrAlignment},
		{"odd size", 0x8000, page()[:100], ErrAlignment},
		{"odd slice", 0x8000, page()[8:24], ErrAlignment},
		{"empty", 0x8000, nil, ErrAlignment},
		{"beyond the limit", Limit - 16, page(), ErrAlignment},
	}
	for _, test := range tests {
		if err := s.Map(test.va, test.data, ReadWrite); !errors.Is(err, test.want) {
			t.Errorf("%s: %v, want %v", test.name, err, test.want)
		}
	}
	if !s.Mapped(0x2000, 0x3000, ReadOnly) || s.Mapped(0x2000, 0x3000, ReadWrite) || s.Mapped(0x1fff, 2, ReadOnly) || s.Mapped(0x4fff, 2, ReadOnly) {
		t.Error("Mapped sees other ranges")
	}
	for _, r := range [][2]uint64{{0x2000, 0x800}, {0x2800, 0x800}, {0x2000, 0x3800}, {0x1000, 0x2000}, {0x2000, 0x4000}, {0x2000, 0}} {
		if err := s.Unmap(r[0], r[1]); !errors.Is(err, ErrNotMapped) {
			t.Errorf("Unmap(%#x, %#x): %v", r[0], r[1], err)
		}
	}
	must(s.Protect(0x3000, 0x2000, ReadWrite))
	if !s.Mapped(0x2000, 0x3000, ReadWrite) {
		t.Error("Protect changed nothing")
	}
	must(s.Unmap(0x2000, 0x2000))
	if s.Mapped(0x2000, 1, NoAccess) || !s.Mapped(0x4000, 0x1000, ReadOnly) {
		t.Error("Unmap took other ranges")
	}
}

func TestCopyAcrossRegions(t *testing.T) {
	s := &Space{}
	for i := range uint64(4) {
		if err := s.Map(0x10000+i*64, make([]byte, 64), ReadWrite); err != nil {
			t.Fatal(err)
		}
	}
	want := make([]byte, 256)
	for i := range want {
		want[i] = byte(i * 3)
	}
	if err := s.Write(0x10000, want); err != nil {
		t.Fatal(err)
	}
	for _, move := range [][3]int{{50, 10, 150}, {10, 50, 150}, {0, 1, 255}, {3, 3, 60}} {
		dst, src, n := move[0], move[1], move[2]
		if err := s.Copy(0x10000+uint64(dst), 0x10000+uint64(src), uint64(n)); err != nil {
			t.Fatal(err)
		}
		copy(want[dst:dst+n], want[src:src+n])
		got := make([]byte, 256)
		if err := s.Read(got, 0x10000); err != nil || !bytes.Equal(got, want) {
			t.Fatalf("copying %v: %v\n%v\n%v", move, err, got, want)
		}
	}
	if err := s.Fill(0x10000+30, 100, []byte{1, 2}); err != nil {
		t.Fatal(err)
	}
	for i := range 100 {
		want[30+i] = byte(1 + i%2)
	}
	got := make([]byte, 256)
	if err := s.Read(got, 0x10000); err != nil || !bytes.Equal(got, want) {
		t.Errorf("after filling: %v\n%v\n%v", err, got, want)
	}
	if err := s.Read(got, 0x10001); !errors.Is(err, ErrNotMapped) {
		t.Errorf("reading beyond the end: %v", err)
	}
	if _, err := s.Load32(0x10002); !errors.Is(err, ErrAlignment) {
		t.Errorf("unaligned word: %v", err)
	}
}

// TestUnmapWaits takes a region away while views use it: afterwards no view
// finds it, and none is in the middle of using it.
func TestUnmapWaits(t *testing.T) {
	s := &Space{}
	var stop, gone atomic.Bool
	var bad atomic.Int32
	if err := s.Map(0x1000, make([]byte, 4096), ReadWrite); err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			v := NewView(s)
			for !stop.Load() {
				v.Begin()
				r := v.Recent(0)
				if _, ok := r.Offset(0x1800, ReadWrite); !ok {
					r = v.Find(0, 0x1800, ReadWrite)
				}
				if r != nil && gone.Load() {
					bad.Add(1)
				}
				v.End()
			}
		})
	}
	if err := s.Unmap(0x1000, 4096); err != nil {
		t.Fatal(err)
	}
	gone.Store(true)
	for range 1000 {
		_, _, _ = s.Bounds(0x1000)
	}
	stop.Store(true)
	wg.Wait()
	if n := bad.Load(); n > 0 {
		t.Errorf("a view found the region %d times after Unmap", n)
	}
}
