package driver

// Checkpointer is a backend that can take its process off the GPU as a whole, contexts
// included: all state lies in memory of the process then.
type Checkpointer interface {
	// Checkpoint takes the process off the GPU. No other call may be under way, on any
	// thread, and none may come before Restore has succeeded: it would block. After an
	// error nothing has changed, unless intact is false; then the contexts are lost.
	// ErrorNotSupported: the driver cannot.
	Checkpoint() (r Result, intact bool)
	// Restore undoes Checkpoint: memory, addresses, handles and what is registered are as
	// before. ErrorOutOfMemory: the GPU has no room, nothing has changed, and it may be
	// tried again. After another error the contexts are lost.
	Restore() Result
}
