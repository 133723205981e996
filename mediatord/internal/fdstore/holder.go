package fdstore

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// A holder is a process that has the entries while the service is stopped: systemd
// forgets them then, before version 254 in any case. It hands them to the next
// process that asks at its socket, and ends.

// namesVariable has the entries' names for the holder, in the order of its
// descriptors from 3 on.
const namesVariable = "VGPU_HELD_NAMES"

// listening is what a holder prints when it can be asked.
const listening = "listening"

// taken is what the holder is answered when its entries are safe.
const taken = "taken"

// maxName is longer than any entry's name.
const maxName = 64

// handOver bounds an exchange with a holder, and its start.
const handOver = 10 * time.Second

// Hold starts a holder of all entries, which listens at path: program must call
// ServeHeld with it. It returns the holder's process id when that listens. The store
// must not be used afterwards.
func (s *Store) Hold(program string, arguments ...string) (pid int, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var names []string
	for name := range s.entries {
		names = append(names, name)
	}
	slices.Sort(names)
	cmd := exec.Command(program, arguments...)
	for _, name := range names {
		cmd.ExtraFiles = append(cmd.ExtraFiles, s.entries[name])
	}
	cmd.Env = []string{namesVariable + "=" + strings.Join(names, ":")}
	cmd.Dir = "/"
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	output, err := cmd.StdoutPipe()
	if err != nil {
		return 0, fmt.Errorf("starting holder: %w", err)
	}
	if err := cmd.Start(); err != nil {
		return 0, fmt.Errorf("starting holder: %w", err)
	}
	late := time.AfterFunc(handOver, func() { _ = cmd.Process.Kill() })
	defer late.Stop()
	line, err := bufio.NewReader(output).ReadString('\n')
	if strings.TrimSpace(line) != listening {
		return 0, fmt.Errorf("starting holder: %w", errors.Join(err, cmd.Process.Kill(), cmd.Wait()))
	}
	return cmd.Process.Pid, nil
}

// ErrNothingHeld says that a process has no entries to hold.
var ErrNothingHeld = errors.New("there is nothing to hold")

// ServeHeld is the holder: it writes to ready when it listens at path, and returns
// when somebody of its own user or root has taken what it holds, or when ctx ends.
// ErrNothingHeld: Hold has not started this process. Only a socket is replaced at path.
func ServeHeld(ctx context.Context, path string, ready io.Writer) error {
	var files []*os.File
	names := strings.FieldsFunc(os.Getenv(namesVariable), func(c rune) bool { return c == ':' })
	for i, name := range names {
		files = append(files, os.NewFile(uintptr(3+i), name))
	}
	if len(files) == 0 {
		return ErrNothingHeld
	}
	return serveHeld(ctx, path, files, ready)
}

func serveHeld(ctx context.Context, path string, files []*os.File, ready io.Writer) error {
	if info, err := os.Lstat(path); err == nil && info.Mode().Type() == os.ModeSocket {
		if err := os.Remove(path); err != nil {
			return fmt.Errorf("holding files: %w", err)
		}
	}
	socket, err := unix.Socket(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("holding files: %w", err)
	}
	defer unix.Close(socket)
	if err := unix.Bind(socket, &unix.SockaddrUnix{Name: path}); err != nil {
		return fmt.Errorf("holding files: %w", err)
	}
	defer os.Remove(path)
	if err := errors.Join(os.Chmod(path, 0o600), unix.Listen(socket, 1)); err != nil {
		return fmt.Errorf("holding files: %w", err)
	}
	stop := context.AfterFunc(ctx, func() { _ = unix.Shutdown(socket, unix.SHUT_RDWR) })
	defer stop()
	fmt.Fprintln(ready, listening)
	for {
		peer, _, err := unix.Accept4(socket, unix.SOCK_CLOEXEC)
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case err == unix.EINTR || err == unix.ECONNABORTED:
			continue
		case err != nil:
			return fmt.Errorf("holding files: %w", err)
		}
		given := give(peer, files) == nil
		_ = unix.Close(peer)
		if given {
			return nil
		}
	}
}

// give sends everything to a peer and waits until it is safe there.
func give(peer int, files []*os.File) error {
	who, err := unix.GetsockoptUcred(peer, unix.SOL_SOCKET, unix.SO_PEERCRED)
	if err != nil {
		return err
	}
	if who.Uid != 0 && int(who.Uid) != os.Geteuid() {
		return os.ErrPermission
	}
	if err := limit(peer); err != nil {
		return err
	}
	for _, file := range files {
		if err := unix.Sendmsg(peer, []byte(file.Name()), unix.UnixRights(int(file.Fd())), nil, unix.MSG_NOSIGNAL); err != nil {
			return err
		}
	}
	if err := unix.Sendmsg(peer, []byte(taken), nil, nil, unix.MSG_NOSIGNAL); err != nil {
		return err
	}
	answer := make([]byte, len(taken)+1)
	n, err := unix.Read(peer, answer)
	if err != nil || string(answer[:max(n, 0)]) != taken {
		return errors.Join(errors.New("it has not taken them"), err)
	}
	return nil
}

// limit bounds how long a socket waits.
func limit(socket int) error {
	wait := unix.NsecToTimeval(handOver.Nanoseconds())
	return errors.Join(unix.SetsockoptTimeval(socket, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &wait),
		unix.SetsockoptTimeval(socket, unix.SOL_SOCKET, unix.SO_SNDTIMEO, &wait))
}

// TakeHeld takes what the holder at path holds, if there is one; safe tells the
// holder that it may end, after Open has stored it.
func TakeHeld(path string) (files []*os.File, safe func(), err error) {
	nothing := func() {}
	socket, err := unix.Socket(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, nothing, fmt.Errorf("asking holder: %w", err)
	}
	err = unix.Connect(socket, &unix.SockaddrUnix{Name: path})
	if err == unix.ENOENT || err == unix.ECONNREFUSED {
		_ = unix.Close(socket)
		return nil, nothing, nil
	}
	if err == nil {
		files, err = receiveAll(socket)
	}
	if err != nil {
		_ = unix.Close(socket)
		return nil, nothing, fmt.Errorf("asking holder: %w", err)
	}
	return files, func() {
		_, _ = unix.Write(socket, []byte(taken))
		_ = unix.Close(socket)
	}, nil
}

// receiveAll takes files until the holder says that these were all.
func receiveAll(socket int) (files []*os.File, err error) {
	defer func() {
		if err != nil {
			closeAll(files)
			files = nil
		}
	}()
	if err := limit(socket); err != nil {
		return nil, err
	}
	for {
		text, oob := make([]byte, maxName+1), make([]byte, unix.CmsgSpace(4))
		n, oobn, _, _, err := unix.Recvmsg(socket, text, oob, unix.MSG_CMSG_CLOEXEC)
		if err != nil {
			return files, err
		}
		name := string(text[:n])
		messages, err := unix.ParseSocketControlMessage(oob[:oobn])
		if err != nil {
			return files, err
		}
		if len(messages) == 0 {
			if name != taken {
				return files, fmt.Errorf("it ended after %d files", len(files))
			}
			return files, nil
		}
		fds, err := unix.ParseUnixRights(&messages[0])
		if err != nil {
			return files, err
		}
		for _, fd := range fds {
			files = append(files, os.NewFile(uintptr(fd), name))
		}
	}
}
