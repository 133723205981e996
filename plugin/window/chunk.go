package window

// ChunkEntry is one word of the chunk table.
type ChunkEntry uint32

// OwnedBy is the entry of a chunk that is handed out to a channel.
func OwnedBy(channel int) ChunkEntry {
	return ChunkEntry(channel + 1)
}

// Free says that nobody has the chunk.
func (e ChunkEntry) Free() bool { return e == 0 }

// Returned says that the guest side gave the chunk back and the host has not
// cleaned it yet.
func (e ChunkEntry) Returned() bool { return uint32(e)&ChunkReturned != 0 }

// Owner is the channel that holds the chunk, -1 if there is none. The number is
// the guest's and may lie outside the window.
func (e ChunkEntry) Owner() int {
	return int(uint32(e)&ChunkOwnerMask) - 1
}

// Chunk reads the chunk table's entry i.
func (w *Window) Chunk(i int) ChunkEntry {
	return ChunkEntry(w.chunkWord(i).Load())
}

// SetChunk writes entry i; only the guest kernel's part may.
func (w *Window) SetChunk(i int, e ChunkEntry) {
	w.chunkWord(i).Store(uint32(e))
}

// SwapChunk writes entry i if it still reads as old.
func (w *Window) SwapChunk(i int, old, new ChunkEntry) bool {
	return w.chunkWord(i).CompareAndSwap(uint32(old), uint32(new))
}

// OwnsChunk says that chunk i exists, is handed out to the channel, and is not
// being returned.
func (w *Window) OwnsChunk(channel, i int) bool {
	return w.CheckChunk(i) == nil && w.Chunk(i) == OwnedBy(channel)
}

// OwnsChunks says that count chunks from first on all belong to the channel.
func (w *Window) OwnsChunks(channel, first, count int) bool {
	if first < 0 || count < 1 || count > int(w.Chunks)-first {
		return false
	}
	for i := first; i < first+count; i++ {
		if !w.OwnsChunk(channel, i) {
			return false
		}
	}
	return true
}
