package driver

// ProcessState is where a process stands on its way off the GPU and back (CUprocessState).
type ProcessState int

// The states. StateUnknown: the driver does not tell.
const (
	StateUnknown      ProcessState = -1
	StateRunning      ProcessState = 0
	StateLocked       ProcessState = 1
	StateCheckpointed ProcessState = 2
	StateFailed       ProcessState = 3
)

func (s ProcessState) String() string {
	switch s {
	case StateRunning:
		return "running"
	case StateLocked:
		return "locked"
	case StateCheckpointed:
		return "checkpointed"
	case StateFailed:
		return "failed"
	}
	return "in an unknown state"
}

// Return is what came of a Restore.
type Return struct {
	Result        Result
	Before, After ProcessState // of Restore
}

// Away says that nothing has come back and that, by its state, the process may try again.
func (r Return) Away() bool { return r.Result != Success && r.After == StateCheckpointed }

// Checkpointer is a backend that can take its process off the GPU as a whole, contexts
// included: all state lies in memory of the process then.
type Checkpointer interface {
	// Checkpoint takes the process off the GPU. No other call may be under way, on any
	// thread, and none may come before Restore has succeeded: it would block. After an
	// error nothing has changed, unless intact is false; then the contexts are lost.
	// ErrorNotSupported: the driver cannot.
	Checkpoint() (r Result, intact bool)
	// Restore undoes Checkpoint: memory, addresses, handles and what is registered are as
	// before. After an error the contexts are lost, unless Return.Away. Whoever can find out
	// whether the GPU has room should do so first: driver 580 answered
	// ErrorOutOfMemory without it, and then error 304 to every other try, with room too (an
	// H200, tests/device/results/parking_room.json).
	Restore() Return
}
