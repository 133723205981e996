package sandbox

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"slices"

	seccomp "github.com/elastic/go-seccomp-bpf"
	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

// A trial lets everything pass, and writes down what the walls would have refused:
// system calls once the executor serves, files at any time. The kernel stops each
// such call and tells a helper, another process of this program, which has it go on
// (in this process the helper's thread might itself wait for one that is stopped).

// HelperArgument is the only argument of this program when it is to be a helper.
const HelperArgument = "--trial-of-walls"

// opening are the calls that name a file, with the places of the directory's
// descriptor (none: -1), of the path, and of the flags that say what for.
var opening = map[string]struct{ directory, path, flags int }{
	"open":      {-1, 0, 1},
	"openat":    {0, 1, 2},
	"creat":     {-1, 0, -1},
	"mkdir":     {-1, 0, -1},
	"mkdirat":   {0, 1, -1},
	"unlink":    {-1, 0, -1},
	"unlinkat":  {0, 1, -1},
	"rmdir":     {-1, 0, -1},
	"rename":    {-1, 0, -1},
	"renameat":  {0, 1, -1},
	"renameat2": {0, 1, -1},
}

// notification is struct seccomp_notif, verdict struct seccomp_notif_resp.
type notification struct {
	id                 uint64
	pid, flags         uint32
	number             int32
	arch               uint32
	instructionPointer uint64
	arguments          [6]uint64
}

type verdict struct {
	id    uint64
	value int64
	errno int32
	flags uint32
}

// Watch is a trial under way.
type Watch struct{ helper *os.File }

// announcement is the first thing that a helper hears, with the listener.
type announcement struct {
	PID  int
	Plan Plan
}

// Begin begins a trial: from now on what the walls would refuse is written to out,
// a line for each new thing.
func Begin(plan Plan, out *os.File) (*Watch, error) {
	instructions, err := trialProgram(os.Getpid())
	if err != nil {
		return nil, fmt.Errorf("beginning trial of walls: %w", err)
	}
	text, err := json.Marshal(announcement{os.Getpid(), plan})
	if err != nil {
		return nil, fmt.Errorf("beginning trial of walls: %w", err)
	}
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("beginning trial of walls: %w", err)
	}
	ours, theirs := os.NewFile(uintptr(pair[0]), "trial"), os.NewFile(uintptr(pair[1]), "trial")
	defer theirs.Close()
	helper := exec.Command("/proc/self/exe", HelperArgument)
	helper.ExtraFiles = []*os.File{theirs, out}
	helper.Stderr = os.Stderr
	if err := helper.Start(); err != nil {
		return nil, fmt.Errorf("beginning trial of walls: %w", err)
	}
	// The helper is no ancestor: some kernels ask for leave.
	_ = unix.Prctl(unix.PR_SET_PTRACER, uintptr(helper.Process.Pid), 0, 0, 0)
	if err := filterAndTell(instructions, pair[0], text); err != nil {
		return nil, fmt.Errorf("beginning trial of walls: filter of system calls: %w", err)
	}
	return &Watch{ours}, nil
}

// Serving says that the driver is open: from now on system calls count.
func (w *Watch) Serving() error {
	_, err := w.helper.Write([]byte{1})
	return err
}

// trialProgram is program with a notice in the place of every refusal, and of
// every call that names a file.
func trialProgram(pid int) ([]bpf.Instruction, error) {
	names := slices.DeleteFunc(slices.Clone(allowed), func(name string) bool {
		_, names := opening[name]
		return names
	})
	policy := seccomp.Policy{
		DefaultAction: seccomp.ActionErrno,
		Syscalls: []seccomp.SyscallGroup{
			{Action: seccomp.ActionAllow, Names: names, NamesWithCondtions: conditional(pid)},
			// Go's runtime waits for a new thread without letting others run.
			{Action: noClone3, Names: []string{"clone3"}},
		},
	}
	instructions, err := assemble(policy)
	if err != nil {
		return nil, err
	}
	for i, instruction := range instructions {
		if r, ok := instruction.(bpf.RetConstant); ok && r.Val != uint32(seccomp.ActionAllow) && r.Val != uint32(noClone3) {
			instructions[i] = bpf.RetConstant{Val: unix.SECCOMP_RET_USER_NOTIF}
		}
	}
	return instructions, nil
}
