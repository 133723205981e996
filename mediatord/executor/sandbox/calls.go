package sandbox

import (
	"fmt"

	seccomp "github.com/elastic/go-seccomp-bpf"
	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

// allowed are the system calls of Go's runtime, of the C library's threads,
// memory and files, and of NVIDIA's driver, once it has been opened. Calls that
// open files are bounded by the wall Files.
var allowed = []string{
	// waiting, waking, time
	"futex", "nanosleep", "clock_nanosleep", "clock_gettime", "clock_getres", "gettimeofday", "time", "times",
	"epoll_create1", "epoll_ctl", "epoll_pwait", "epoll_pwait2", "epoll_wait", "poll", "ppoll", "pselect6", "select",
	"eventfd2", "pipe2", "pipe", "timerfd_create", "timerfd_settime", "restart_syscall", "sched_yield", "membarrier",
	// threads and signals of this process
	"exit", "exit_group", "gettid", "getpid", "getppid", "set_robust_list", "get_robust_list", "set_tid_address", "rseq",
	"rt_sigaction", "rt_sigprocmask", "rt_sigreturn", "rt_sigtimedwait", "sigaltstack", "sched_getaffinity", "sched_setaffinity",
	"sched_getparam", "sched_getscheduler", "sched_get_priority_max", "sched_get_priority_min", "getpriority", "getcpu", "setitimer", "timer_create",
	"timer_settime", "timer_delete", "getrusage", "arch_prctl",
	// memory; what is both writable and code is not among it
	"munmap", "mremap", "madvise", "brk", "mincore", "msync", "mlock", "mlock2", "munlock", "memfd_create", "get_mempolicy",
	"set_mempolicy", "mbind", "move_pages", "pkey_alloc", "pkey_free",
	// descriptors and files
	"read", "write", "readv", "writev", "pread64", "pwrite64", "preadv", "pwritev", "lseek", "close", "close_range", "fcntl",
	"dup", "dup2", "dup3", "open", "openat", "creat", "stat", "lstat", "fstat", "newfstatat", "statx", "statfs", "fstatfs", "access",
	"faccessat", "faccessat2", "readlink", "readlinkat", "getdents64", "getcwd", "ftruncate", "fallocate", "flock", "fsync",
	"fdatasync", "mkdir", "mkdirat", "unlink", "unlinkat", "rmdir", "rename", "renameat", "renameat2", "chmod", "fchmod", "fchmodat",
	"utimensat", "umask", "copy_file_range", "sendfile", "fadvise64",
	// sockets that exist already, and those of sockets() below
	"sendmsg", "recvmsg", "sendto", "recvfrom", "shutdown", "getsockopt", "setsockopt", "getsockname", "getpeername", "bind", "listen",
	"accept", "accept4",
	// who and where
	"getuid", "geteuid", "getgid", "getegid", "getresuid", "getresgid", "getgroups", "uname", "sysinfo", "getrandom", "getrlimit",
}

// never are calls that no driver makes and an intruder would: to become another
// program, to look into other processes, to change the system, to find holes.
var never = []string{
	"execve", "execveat", "ptrace", "process_vm_writev", "process_madvise", "pidfd_getfd", "pidfd_send_signal",
	"bpf", "perf_event_open", "userfaultfd", "io_uring_setup", "io_uring_enter", "io_uring_register", "add_key", "request_key", "keyctl",
	"mount", "umount2", "pivot_root", "chroot", "setns", "unshare", "move_mount", "open_tree", "fsopen", "fsconfig", "fsmount", "fspick",
	"mount_setattr", "open_by_handle_at", "init_module", "finit_module", "delete_module", "kexec_load", "kexec_file_load", "reboot",
	"swapon", "swapoff", "iopl", "ioperm", "modify_ldt", "acct", "quotactl", "syslog", "settimeofday", "clock_settime", "clock_adjtime",
	"adjtimex", "sethostname", "setdomainname", "setuid", "setgid", "setreuid", "setregid", "setresuid", "setresgid", "setgroups",
	"setfsuid", "setfsgid", "capset", "vmsplice",
}

// Bits of arguments.
const (
	namespaces     = unix.CLONE_NEWNS | unix.CLONE_NEWCGROUP | unix.CLONE_NEWUTS | unix.CLONE_NEWIPC | unix.CLONE_NEWUSER | unix.CLONE_NEWPID | unix.CLONE_NEWNET
	prSetVMA       = 0x53564d41
	fioclex        = 0x5451 // asm-generic/ioctls.h
	fionclex       = 0x5450
	fionbio        = 0x5421
	seqpacketOnly  = unix.SOCK_SEQPACKET            // 5: bits 1 and 4
	seqpacketNever = 0xf &^ seqpacketOnly           // other kinds of sockets
	uvmInitialize  = 0x30000001                     // and the next, deinitialize
	uvmLast        = 0xff                           // numbers of the other calls of nvidia-uvm
	driverMagic    = 'F'                            // second byte of the calls of nvidia and nvidiactl
	magicBits      = uint64(driverMagic) << 8       // must be set
	magicNever     = uint64(0xff&^driverMagic) << 8 // must not
)

func when(name string, conditions ...seccomp.Condition) seccomp.NameWithConditions {
	return seccomp.NameWithConditions{Name: name, Conditions: conditions}
}

func is(argument uint32, value uint64) seccomp.Condition {
	return seccomp.Condition{Argument: argument, Operation: seccomp.Equal, Value: value}
}

func with(argument uint32, bit uint64) seccomp.Condition {
	return seccomp.Condition{Argument: argument, Operation: seccomp.BitsSet, Value: bit}
}

func without(argument uint32, bits uint64) seccomp.Condition {
	return seccomp.Condition{Argument: argument, Operation: seccomp.BitsNotSet, Value: bits}
}

// allBits demands every bit of a mask: BitsSet is content with one.
func allBits(argument uint32, mask uint64) []seccomp.Condition {
	var all []seccomp.Condition
	for bit := uint64(1); bit <= mask; bit <<= 1 {
		if mask&bit != 0 {
			all = append(all, with(argument, bit))
		}
	}
	return all
}

// conditional are calls of which some forms are allowed.
func conditional(pid int) []seccomp.NameWithConditions {
	rules := []seccomp.NameWithConditions{
		// the GPU's driver; asking whether a descriptor is a terminal
		when("ioctl", append(allBits(1, magicBits), without(1, magicNever))...),
		when("ioctl", seccomp.Condition{Argument: 1, Operation: seccomp.LessOrEqual, Value: uvmLast}),
		when("ioctl", is(1, uvmInitialize)),
		when("ioctl", is(1, uvmInitialize+1)),
		// memory that is not both writable and code
		when("mmap", without(2, unix.PROT_EXEC)),
		when("mmap", without(2, unix.PROT_WRITE)),
		when("mprotect", without(2, unix.PROT_EXEC)),
		when("mprotect", without(2, unix.PROT_WRITE)),
		// threads, no processes
		when("clone", with(0, unix.CLONE_THREAD), without(0, namespaces)),
		when("tgkill", is(0, uint64(pid))),
		when("prlimit64", is(0, 0)),
		when("prlimit64", is(0, uint64(pid)), is(2, 0)),
		when("sched_setscheduler", is(0, 0)),
		when("prctl", is(0, prSetVMA)),
		// what processes that share memory listen on; nobody connects anywhere
		when("socket", append(allBits(1, seqpacketOnly), is(0, unix.AF_UNIX), without(1, seqpacketNever))...),
		when("socketpair", is(0, unix.AF_UNIX)),
	}
	for _, request := range []uint64{unix.TCGETS, unix.TIOCINQ, fioclex, fionclex, fionbio} {
		rules = append(rules, when("ioctl", is(1, request)))
	}
	for _, option := range []uint64{unix.PR_SET_NAME, unix.PR_GET_NAME, unix.PR_GET_DUMPABLE, unix.PR_SET_TIMERSLACK, unix.PR_CAPBSET_READ} {
		rules = append(rules, when("prctl", is(0, option)))
	}
	return rules
}

// noClone3 answers that the kernel has no clone3, whose flags no filter can see, so
// that the C library takes clone.
const noClone3 = seccomp.ActionErrno | seccomp.Action(unix.ENOSYS)

// probe is a call that nobody needs; Standing asks for it.
const probe = "getsid"

// quiet is the filter of what is refused in every process and worth no line in the
// kernel's log.
func quiet() ([]bpf.Instruction, error) {
	return assemble(seccomp.Policy{
		DefaultAction: seccomp.ActionAllow,
		Syscalls: []seccomp.SyscallGroup{
			{Action: noClone3, Names: []string{"clone3"}},
			{Action: seccomp.ActionErrno, Names: []string{probe}},
		},
	})
}

// program is the filter of a process: what is allowed, what ends the process, and
// EPERM for the rest. What quiet refuses is allowed here.
func program(pid int) ([]bpf.Instruction, error) {
	return assemble(seccomp.Policy{
		DefaultAction: seccomp.ActionErrno,
		Syscalls: []seccomp.SyscallGroup{
			{Action: seccomp.ActionAllow, Names: append([]string{"clone3", probe}, allowed...), NamesWithCondtions: conditional(pid)},
			{Action: seccomp.ActionKillProcess, Names: never},
		},
	})
}

func assemble(policy seccomp.Policy) ([]bpf.Instruction, error) {
	instructions, err := policy.Assemble()
	if err != nil {
		return nil, fmt.Errorf("making filter of system calls: %w", err)
	}
	return instructions, nil
}
