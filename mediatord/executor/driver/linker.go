package driver

// Linkers link device code.
type Linkers interface {
	// LinkCreate keeps room for the logs that jit asks for.
	LinkCreate(jit *JIT) (Linker, Result)
	// LinkAdd takes a CUjitInputType, the input, a name for messages and the
	// options of this input alone. The input is copied.
	LinkAdd(l Linker, input uint32, data []byte, name string, jit *JIT) Result
	// LinkComplete gives the linked image, valid until the linker is destroyed.
	LinkComplete(l Linker) ([]byte, Result)
	// LinkState is what the options of LinkCreate return so far.
	LinkState(l Linker) LinkState
	LinkDestroy(l Linker) Result
}

// LinkState is what a linker wrote through its options. Texts alias its memory.
type LinkState struct {
	WallTime            uint32 // float32 bits, milliseconds
	InfoSize, ErrorSize uint32 // values of the options after the call
	Info, Error         []byte // without NUL
}
