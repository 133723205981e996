package pinned

import (
	"errors"
	"testing"

	"libvirt-vgpu/mediatord/executor/guesttest"
	"libvirt-vgpu/plugin/window"
)

const (
	chunk     = window.ChunkSize
	rangeSize = 8 * chunk
)

// read returns what mappings hold.
func read(r *Range, va, size uint64) ([]byte, error) {
	if err := r.Check(va, size); err != nil {
		return nil, err
	}
	return bytesAt(va, size), nil
}

func newRange(t *testing.T) (*guesttest.Guest, *Range, uint64) {
	t.Helper()
	g := guesttest.New(t, 32<<20, 0)
	base := guesttest.FreeRange(t, rangeSize)
	addresses, err := ReserveAddresses(base, rangeSize)
	if err != nil {
		t.Fatal(err)
	}
	r := addresses.Of(g.Window, guesttest.Channel)
	t.Cleanup(func() {
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	})
	return g, r, base
}

func TestMapReachesTheChunks(t *testing.T) {
	g, r, base := newRange(t)
	g.Own(2, 2)
	m, err := r.Map(base+chunk, 2*chunk, 2)
	if err != nil {
		t.Fatal(err)
	}
	copy(g.Window.ChunkMemory(3), "hello")
	got, err := read(r, base+2*chunk, 5)
	if err != nil || string(got) != "hello" {
		t.Errorf("read %q, %v", got, err)
	}
	if r.At(base+chunk) != m || r.At(base) != nil || len(r.Holding(3)) != 1 || len(r.Holding(4)) != 0 || len(r.Holding(1)) != 0 {
		t.Error("wrong look-up")
	}
	if err := r.Unmap(m); err != nil {
		t.Fatal(err)
	}
	if _, err := read(r, base+2*chunk, 5); !errors.Is(err, ErrRange) {
		t.Errorf("reading unmapped memory: %v", err)
	}
	if _, err := r.Map(base+chunk, 2*chunk, 2); err != nil {
		t.Errorf("mapping again: %v", err)
	}
}

func TestMapKeepsWhatTheChunksHold(t *testing.T) {
	g, r, base := newRange(t)
	const first, count = 2, hugeFrom / chunk
	g.Own(first, count)
	for c := first; c < first+count; c++ {
		memory := g.Window.ChunkMemory(c)
		memory[0], memory[5000], memory[chunk-1] = byte(c), byte(2*c), byte(3*c)
	}
	if _, err := r.Map(base, first*chunk, count); err != nil {
		t.Fatal(err)
	}
	for c := first; c < first+count; c++ {
		got, err := read(r, base+uint64(c-first)*chunk, chunk)
		if err != nil || got[0] != byte(c) || got[5000] != byte(2*c) || got[chunk-1] != byte(3*c) || got[1] != 0 {
			t.Errorf("chunk %d holds something else: %v", c, err)
		}
		if g.Window.ChunkMemory(c)[1] = 7; bytesAt(base+uint64(c-first)*chunk, 2)[1] != 7 {
			t.Errorf("chunk %d is not the window's any more", c)
		}
	}
}

func TestMapRefusesWhatIsNotTheChannelsOwn(t *testing.T) {
	g, r, base := newRange(t)
	g.Own(0, 4)
	g.Window.SetChunk(5, window.OwnedBy(guesttest.Channel-1))
	g.Window.SetChunk(6, window.OwnedBy(guesttest.Channel)|window.ChunkEntry(window.ChunkReturned))
	if _, err := r.Map(base+2*chunk, 0, 2); err != nil {
		t.Fatal(err)
	}
	for name, tc := range map[string]struct {
		va, offset uint64
		count      uint32
		want       error
	}{
		"below the range":      {base - chunk, 0, 1, ErrRange},
		"behind the range":     {base + rangeSize, 0, 1, ErrRange},
		"over the end":         {base + rangeSize - chunk, 0, 2, ErrRange},
		"misaligned address":   {base + 4096, 0, 1, ErrRange},
		"no chunks":            {base, 0, 0, ErrRange},
		"very many chunks":     {base, 0, 1<<32 - 1, ErrRange},
		"address that wraps":   {1<<64 - chunk, 0, 1, ErrRange},
		"same place":           {base + 2*chunk, 0, 1, ErrRange},
		"overlap from below":   {base + chunk, 0, 2, ErrRange},
		"overlap from inside":  {base + 3*chunk, 0, 1, ErrRange},
		"misaligned offset":    {base, 4096, 1, ErrChunk},
		"offset beyond":        {base, 1 << 40, 1, ErrChunk},
		"offset that wraps":    {base, 1<<64 - chunk, 1, ErrChunk},
		"free chunk":           {base, 4 * chunk, 1, ErrChunk},
		"run into a free one":  {base, 3 * chunk, 2, ErrChunk},
		"another channel's":    {base, 5 * chunk, 1, ErrChunk},
		"chunk being returned": {base, 6 * chunk, 1, ErrChunk},
	} {
		if _, err := r.Map(tc.va, tc.offset, tc.count); !errors.Is(err, tc.want) {
			t.Errorf("%s: error is %v, want %v", name, err, tc.want)
		}
	}
	if len(r.All()) != 1 {
		t.Errorf("%d mappings left", len(r.All()))
	}
}

func TestMapElsewhere(t *testing.T) {
	g, r, base := newRange(t)
	g.Own(2, 2)
	elsewhere := guesttest.FreeRange(t, 4*chunk)
	for name, tc := range map[string]struct {
		va, offset, size uint64
		want             error
	}{
		"in the range":           {base, 2 * chunk, 4096, ErrRange},
		"across the range":       {base - 4096, 2 * chunk, 8192, ErrRange},
		"in device memory":       {window.DeviceBase + 4096, 2 * chunk, 4096, ErrRange},
		"address zero":           {0, 2 * chunk, 4096, ErrRange},
		"part of a page":         {elsewhere, 2 * chunk, 100, ErrRange},
		"misaligned":             {elsewhere + 100, 2 * chunk, 4096, ErrRange},
		"behind user space":      {1 << 47, 2 * chunk, 4096, ErrRange},
		"size that wraps":        {elsewhere, 2 * chunk, 1<<64 - 4096, ErrRange},
		"another's chunk":        {elsewhere, chunk, 4096, ErrChunk},
		"into another's chunk":   {elsewhere, 4*chunk - 4096, 8192, ErrChunk},
		"misaligned offset":      {elsewhere, 2*chunk + 1, 4096, ErrChunk},
		"offset that wraps":      {elsewhere, 1<<64 - 4096, 8192, ErrChunk},
		"what the executor uses": {executorAddress(), 2 * chunk, 4096, ErrTaken},
	} {
		if _, err := r.MapElsewhere(tc.va, tc.offset, tc.size); !errors.Is(err, tc.want) {
			t.Errorf("%s: error is %v, want %v", name, err, tc.want)
		}
	}
	low, err := r.MapElsewhere(elsewhere, 3*chunk-4096, 8192)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.MapElsewhere(elsewhere+4096, 2*chunk, 4096); !errors.Is(err, ErrRange) {
		t.Errorf("twice: %v", err)
	}
	copy(g.Window.ChunkMemory(3), "behind the seam")
	if got, err := read(r, elsewhere+4096, 6); err != nil || string(got) != "behind" {
		t.Errorf("read %q, %v", got, err)
	}
	if len(r.Holding(2)) != 1 || len(r.Holding(3)) != 1 || len(r.Holding(4)) != 0 || r.At(elsewhere) != low {
		t.Error("wrong look-up")
	}
	if err := r.Unmap(low); err != nil {
		t.Fatal(err)
	}
	if _, err := r.MapElsewhere(elsewhere, 2*chunk, 4*4096); err != nil {
		t.Errorf("again: %v", err)
	}
}

func TestCheckTakesAdjacentMappingsTogether(t *testing.T) {
	g, r, base := newRange(t)
	g.Own(0, 4)
	for _, va := range []uint64{base, base + chunk} {
		if _, err := r.Map(va, 0, 1); err != nil {
			t.Fatal(err)
		}
	}
	for name, tc := range map[string]struct {
		va, size uint64
		ok       bool
	}{
		"whole":              {base, chunk, true},
		"last byte":          {base + chunk - 1, 1, true},
		"nothing at the end": {base + 2*chunk, 0, true},
		"across two":         {base, chunk + 1, true},
		"across all":         {base + 1, 2*chunk - 1, true},
		"beyond all":         {base + 1, 2 * chunk, false},
		"behind":             {base + 2*chunk, 1, false},
		"before":             {base - 1, 1, false},
		"wraps":              {base + 8, 1<<64 - 8, false},
		"zero":               {0, 1, false},
	} {
		if err := r.Check(tc.va, tc.size); (err == nil) != tc.ok {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestReserveRefusesUsedAddresses(t *testing.T) {
	_, _, base := newRange(t)
	if _, err := ReserveAddresses(base, chunk); err == nil {
		t.Error("reserved addresses twice")
	}
}
