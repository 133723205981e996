package swap

import (
	"slices"
	"testing"
	"unsafe"
)

func TestRunsStayInPieces(t *testing.T) {
	b, err := New(3*Piece + 2<<20)
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	base, first := b.Extent(0)
	if _, last := b.Extent(3); b.Pieces() != 4 || first != Piece || last != 2<<20 {
		t.Fatalf("%d pieces of %d bytes, the last of %d", b.Pieces(), first, last)
	}
	got := b.Runs(0x1000, 2*Piece, Piece/2)
	want := []Run{
		{At: 0x1000, Host: base + Piece/2, Size: Piece / 2},
		{At: 0x1000 + Piece/2, Host: base + Piece, Size: Piece},
		{At: 0x1000 + Piece/2 + Piece, Host: base + 2*Piece, Size: Piece / 2},
	}
	if !slices.Equal(got, want) {
		t.Errorf("runs are %#x, want %#x", got, want)
	}
}

// Return leaves neither bytes nor pages behind.
func TestReturnedPiecesHoldNothing(t *testing.T) {
	b, err := New(Piece + 4096)
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	for i := range b.Pieces() {
		address, size := b.Extent(i)
		bytes := unsafe.Slice((*byte)(*(*unsafe.Pointer)(unsafe.Pointer(&address))), size)
		for at := uint64(0); at < size; at += 4096 {
			bytes[at] = 0xc5
		}
		if err := b.Return(i); err != nil {
			t.Fatal(err)
		}
		for at := uint64(0); at < size; at += 4096 {
			if bytes[at] != 0 {
				t.Fatalf("piece %d keeps a byte at %d", i, at)
			}
		}
	}
}
