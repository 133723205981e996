package sandbox

import (
	"fmt"
	"os"
	"runtime"

	"golang.org/x/sys/unix"
)

// variable marks the program that was started behind the walls. It decides only
// whether to go through Enter again; what stands is looked at by Standing.
const variable = "VGPU_EXECUTOR_ENTERED"

// entered says that this program runs behind Enter's walls.
func entered() bool { return os.Getenv(variable) != "" }

// Enter gives up capabilities and, unless the mode is Trial, all files but the
// plan's, and calls start, which is to start this program again by exec and
// returns only if that fails. It must be called on the main goroutine before any
// thread has been made whose work matters, and does nothing for Off or when the
// program is behind the walls already. What the kernel does not have is left out;
// Standing tells.
func Enter(mode Mode, plan Plan, start func() error) error {
	if mode == Off || entered() {
		return nil
	}
	// What follows binds this thread, and what it execs.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if err := os.Setenv(variable, "1"); err != nil {
		return fmt.Errorf("entering sandbox: %w", err)
	}
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("entering sandbox: no_new_privs: %w", err)
	}
	if mode != Trial {
		if err := restrictFiles(plan); err != nil {
			return fmt.Errorf("entering sandbox: %w", err)
		}
	}
	if err := dropCapabilities(); err != nil {
		return fmt.Errorf("entering sandbox: %w", err)
	}
	return start()
}
