package sandbox

import (
	"unsafe"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

func receive(fd int, n *notification) error {
	if _, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), unix.SECCOMP_IOCTL_NOTIF_RECV, uintptr(unsafe.Pointer(n))); errno != 0 {
		return errno
	}
	return nil
}

func send(fd int, v *verdict) error {
	if _, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), unix.SECCOMP_IOCTL_NOTIF_SEND, uintptr(unsafe.Pointer(v))); errno != 0 {
		return errno
	}
	return nil
}

// filterAndTell installs a filter on all threads of this process and sends its
// listener over a socket, with a text. It must not give way to other goroutines in
// between: their calls may be stopped already.
func filterAndTell(instructions []bpf.Instruction, socket int, text []byte) error {
	code, err := compile(instructions)
	if err != nil {
		return err
	}
	const flags = unix.SECCOMP_FILTER_FLAG_TSYNC | unix.SECCOMP_FILTER_FLAG_TSYNC_ESRCH | unix.SECCOMP_FILTER_FLAG_NEW_LISTENER
	program := unix.SockFprog{Len: uint16(len(code)), Filter: unsafe.SliceData(code)}
	rights := unix.UnixRights(0)
	listener := (*int32)(unsafe.Pointer(&rights[unix.CmsgLen(0)]))
	piece := unix.Iovec{Base: unsafe.SliceData(text), Len: uint64(len(text))}
	message := unix.Msghdr{Iov: &piece, Iovlen: 1, Control: unsafe.SliceData(rights), Controllen: uint64(len(rights))}
	fd, _, errno := unix.RawSyscall(unix.SYS_SECCOMP, seccompSetModeFilter, flags, uintptr(unsafe.Pointer(&program)))
	if errno != 0 {
		return errno
	}
	*listener = int32(fd)
	if _, _, errno = unix.RawSyscall(unix.SYS_SENDMSG, uintptr(socket), uintptr(unsafe.Pointer(&message)), 0); errno != 0 {
		return errno
	}
	return unix.Close(int(fd))
}
