package sandbox

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/elastic/go-seccomp-bpf/arch"
	"golang.org/x/sys/unix"
)

// helper writes down what another process's trial finds.
type helper struct {
	plan    Plan
	pid     int
	serving atomic.Bool
	names   map[int]string
	seen    map[string]bool
}

// Descriptors of a helper.
const (
	helperSocket = 3 // to the process on trial
	helperOut    = 4
)

// Help is the program when it was started with HelperArgument. It returns when the
// process on trial has ended.
func Help() error {
	listener, said, err := hear(helperSocket)
	if err != nil {
		return fmt.Errorf("helping a trial of walls: %w", err)
	}
	info, err := arch.GetInfo("")
	if err != nil {
		return fmt.Errorf("helping a trial of walls: %w", err)
	}
	h := &helper{plan: said.Plan, pid: said.PID, names: info.SyscallNumbers, seen: map[string]bool{}}
	go func() {
		var one [1]byte
		if n, _ := unix.Read(helperSocket, one[:]); n == 1 {
			h.serving.Store(true)
		}
	}()
	return h.listen(listener, os.NewFile(helperOut, "trial"))
}

// hear takes the announcement and the listener that comes with it.
func hear(socket int) (int, announcement, error) {
	text, rights := make([]byte, 64<<10), make([]byte, unix.CmsgSpace(4))
	n, r, _, _, err := unix.Recvmsg(socket, text, rights, unix.MSG_CMSG_CLOEXEC)
	if err != nil {
		return -1, announcement{}, err
	}
	messages, err := unix.ParseSocketControlMessage(rights[:r])
	if err != nil || len(messages) != 1 {
		return -1, announcement{}, errors.New("no listener came")
	}
	fds, err := unix.ParseUnixRights(&messages[0])
	if err != nil {
		return -1, announcement{}, err
	}
	var said announcement
	return fds[0], said, json.Unmarshal(text[:n], &said)
}

// listen lets calls go on until nobody is left that makes them.
func (h *helper) listen(listener int, out *os.File) error {
	for {
		fds := []unix.PollFd{{Fd: int32(listener), Events: unix.POLLIN}}
		if _, err := unix.Poll(fds, -1); err != nil && !errors.Is(err, unix.EINTR) {
			return err
		}
		if fds[0].Revents&unix.POLLIN == 0 {
			if fds[0].Revents != 0 {
				return nil
			}
			continue
		}
		var n notification
		if err := receive(listener, &n); err != nil {
			continue // interrupted, or who called is gone
		}
		if line := h.judge(&n); line != "" && !h.seen[line] {
			h.seen[line] = true
			fmt.Fprintln(out, line)
		}
		_ = send(listener, &verdict{id: n.id, flags: unix.SECCOMP_USER_NOTIF_FLAG_CONTINUE})
	}
}

// judge is what to write down about a call, "" for nothing.
func (h *helper) judge(n *notification) string {
	name, ok := h.names[int(n.number)]
	if !ok {
		name = fmt.Sprintf("call %d", n.number)
	}
	if at, ok := opening[name]; ok {
		return h.judgePath(name, n, at.directory, at.path, at.flags)
	}
	switch {
	case !h.serving.Load():
		return ""
	case name == "connect" || name == "bind":
		return fmt.Sprintf("call %s %q", name, h.readMemory(n.arguments[1], min(n.arguments[2], 110)))
	case name == "ioctl" || name == "prctl" || name == "fcntl":
		return fmt.Sprintf("call %s request %#x on %s", name, n.arguments[1], h.descriptor(n.arguments[0]))
	}
	a := n.arguments
	return fmt.Sprintf("call %s(%#x, %#x, %#x, %#x)", name, a[0], a[1], a[2], a[3])
}

const maxPath = 4096

func (h *helper) judgePath(name string, n *notification, directory, path, flags int) string {
	text := h.readMemory(n.arguments[path], maxPath)
	if end := slices.Index(text, 0); end >= 0 {
		text = text[:end]
	}
	full := string(text)
	if directory >= 0 && !filepath.IsAbs(full) {
		at := "."
		if int32(n.arguments[directory]) != unix.AT_FDCWD {
			at = h.descriptor(n.arguments[directory])
		}
		full = filepath.Join(at, full)
	}
	write := flags < 0 || n.arguments[flags]&(unix.O_WRONLY|unix.O_RDWR|unix.O_CREAT|unix.O_TRUNC) != 0
	if h.plan.permits(h.pid, full, write) {
		return ""
	}
	kind, there := "read", ""
	if write {
		kind = "write"
	}
	if _, err := os.Lstat(full); err != nil {
		there = " (absent)"
	}
	return fmt.Sprintf("file %s %s %s%s", kind, name, h.withoutNumbers(full), there)
}

// permits says what Landlock would, for an absolute path.
func (p Plan) permits(pid int, path string, write bool) bool {
	for _, own := range []string{"/proc/self/", "/proc/thread-self/"} {
		if rest, ok := strings.CutPrefix(path, own); ok {
			path = fmt.Sprintf("/proc/%d/%s", pid, rest)
		}
	}
	if resolved, err := filepath.EvalSymlinks(path); err == nil {
		path = resolved
	} else if resolved, err := filepath.EvalSymlinks(filepath.Dir(path)); err == nil {
		path = filepath.Join(resolved, filepath.Base(path))
	}
	path = strings.Replace(path, fmt.Sprintf("/proc/%d", pid), "/proc/self", 1)
	lists := [][]string{p.Devices, p.Write}
	if !write {
		lists = append(lists, p.Read, p.Execute)
	}
	for _, list := range lists {
		for _, granted := range list {
			if resolved, err := filepath.EvalSymlinks(granted); err == nil && granted != "/proc/self" {
				granted = resolved
			}
			if path == granted || strings.HasPrefix(path, granted+"/") {
				return true
			}
		}
	}
	return false
}

func (h *helper) descriptor(fd uint64) string {
	name, err := os.Readlink(fmt.Sprintf("/proc/%d/fd/%d", h.pid, int32(fd)))
	if err != nil {
		return fmt.Sprintf("descriptor %d", int32(fd))
	}
	return name
}

// withoutNumbers makes one line of paths that differ in this process's number.
func (h *helper) withoutNumbers(path string) string {
	return strings.ReplaceAll(path, fmt.Sprint(h.pid), "PID")
}

// readMemory copies what the process has at an address, as far as it goes.
func (h *helper) readMemory(address, size uint64) []byte {
	out := make([]byte, size)
	for at := 0; at < len(out); {
		// not across a page, behind which there may be nothing
		piece := min(len(out)-at, int(4096-(address+uint64(at))%4096))
		local := []unix.Iovec{{Base: &out[at]}}
		local[0].SetLen(piece)
		n, err := unix.ProcessVMReadv(h.pid, local, []unix.RemoteIovec{{Base: uintptr(address) + uintptr(at), Len: piece}}, 0)
		if err != nil || n == 0 {
			return out[:at]
		}
		at += n
		if slices.Contains(out[at-n:at], 0) && size == maxPath {
			return out[:at]
		}
	}
	return out
}
