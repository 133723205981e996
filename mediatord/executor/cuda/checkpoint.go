package cuda

/*
#include <stdint.h>
#include <unistd.h>

// CUcheckpointLockArgs: 64 bytes, the rest reserved.
struct vg_lock_args {
	unsigned int timeout_ms;
	unsigned int reserved[15];
};

static int vg_checkpoint_lock(void *f, unsigned int timeout_ms)
{
	struct vg_lock_args args = { .timeout_ms = timeout_ms };

	return ((int (*)(int, void *))f)(getpid(), &args);
}

// Checkpoint, restore and unlock take structures of which nothing is needed.
static int vg_checkpoint_step(void *f) { return ((int (*)(int, void *))f)(getpid(), NULL); }

// -1: the driver does not tell.
static int vg_checkpoint_state(void *f)
{
	int state = -1;

	return ((int (*)(int, int *))f)(getpid(), &state) ? -1 : state;
}
*/
import "C"

import (
	"reflect"
	"unsafe"

	"libvirt-vgpu/mediatord/executor/driver"
)

// checkpointSymbols are functions that drivers have from CUDA 12.8 on.
type checkpointSymbols struct {
	cuCheckpointProcessCheckpoint unsafe.Pointer
	cuCheckpointProcessGetState   unsafe.Pointer
	cuCheckpointProcessLock       unsafe.Pointer
	cuCheckpointProcessRestore    unsafe.Pointer
	cuCheckpointProcessUnlock     unsafe.Pointer
}

// load fills all fields, or none: then the driver cannot checkpoint.
func (s *checkpointSymbols) load(resolve func(name string) unsafe.Pointer) {
	var found checkpointSymbols
	for _, field := range reflect.VisibleFields(reflect.TypeOf(found)) {
		f := resolve(field.Name)
		if f == nil {
			return
		}
		*(*unsafe.Pointer)(unsafe.Add(unsafe.Pointer(&found), field.Offset)) = f
	}
	*s = found
}

// lockTimeout bounds, in milliseconds, how long the driver waits for work that is
// under way.
const lockTimeout = 5000

var _ driver.Checkpointer = (*Driver)(nil)

// Checkpoint implements driver.Checkpointer. A process may do this to itself, another
// user's may not (driver 580).
func (d *Driver) Checkpoint() (r driver.Result, intact bool) {
	s := &d.checkpoint
	if s.cuCheckpointProcessLock == nil {
		return driver.ErrorNotSupported, true
	}
	if r = driver.Result(C.vg_checkpoint_lock(s.cuCheckpointProcessLock, lockTimeout)); r == driver.Success {
		if r = driver.Result(C.vg_checkpoint_step(s.cuCheckpointProcessCheckpoint)); r == driver.Success {
			return r, true
		}
		C.vg_checkpoint_step(s.cuCheckpointProcessUnlock) // the state says what came of it
	}
	return r, d.processState() == driver.StateRunning
}

// Restore implements driver.Checkpointer.
func (d *Driver) Restore() driver.Return {
	s := &d.checkpoint
	back := driver.Return{Before: d.processState()}
	back.Result = driver.Result(C.vg_checkpoint_step(s.cuCheckpointProcessRestore))
	if back.Result == driver.Success {
		back.Result = driver.Result(C.vg_checkpoint_step(s.cuCheckpointProcessUnlock))
	}
	back.After = d.processState()
	return back
}

func (d *Driver) processState() driver.ProcessState {
	return driver.ProcessState(C.vg_checkpoint_state(d.checkpoint.cuCheckpointProcessGetState))
}
