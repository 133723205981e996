package driver

// Sharing passes memory and events between the executors of one domain. A
// descriptor that a method returns is the caller's to close; one that it takes
// stays the caller's.
type Sharing interface {
	// BlockExport and MemoryExport make a descriptor that stands for the memory,
	// which lives as long as the descriptor does.
	BlockExport(va uint64) (fd int, r Result)
	MemoryExport(m Memory) (fd int, r Result)
	// BlockImport maps the memory of size bytes that another process exported,
	// read-write, at va; UnmapBlock undoes it.
	BlockImport(va, size uint64, fd int) Result
	MemoryImport(size uint64, fd int) (Memory, Result)
	// EventExport takes an event that was made with the flag for it. fd is -1
	// when the handle is enough.
	EventExport(e Event) (handle EventHandle, fd int, r Result)
	EventImport(handle EventHandle, fd int) (Event, Result)
}

// EventHandle is CUipcEventHandle: meaningful in any process of this machine,
// so that no guest ever sees it.
type EventHandle [64]byte
