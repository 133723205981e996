// Package output catches what a driver writes on this process's standard output
// and standard error: that is what the guest process's kernels print and what
// failed assertions say, and it belongs on that process's own.
package output

import (
	"fmt"
	"os"
	"runtime/debug"
	"sync"

	"golang.org/x/sys/unix"
)

// Limit is how many bytes of one stream wait to be taken; more is lost, as in a
// device's own buffer.
const Limit = 16 << 20

// logged is how much of standard error goes to this process's log as well: it may
// be the last words of a library.
const logged = 64 << 10

// Output holds what was caught. Its methods may be used by several goroutines.
type Output struct {
	mu      sync.Mutex
	streams [2]stream
	printed func(bytes int)
}

type stream struct {
	fd   int // the reading end of its pipe
	text []byte
	log  *os.File // for standard error: where it went before
	left int      // bytes that still go there
}

// Indices of Output.streams.
const (
	standardOutput = iota
	standardError
)

// Catch puts pipes in the place of file descriptors out and errors. printed hears
// how many bytes have come on the first. What Go's runtime says when it dies still
// goes where errors went.
func Catch(out, errors int, printed func(bytes int)) (*Output, error) {
	o := &Output{printed: printed}
	log, err := unix.FcntlInt(uintptr(errors), unix.F_DUPFD_CLOEXEC, 3)
	if err != nil {
		return nil, fmt.Errorf("keeping standard error: %w", err)
	}
	o.streams[standardError].log, o.streams[standardError].left = os.NewFile(uintptr(log), "standard error"), logged
	if err := debug.SetCrashOutput(o.streams[standardError].log, debug.CrashOptions{}); err != nil {
		return nil, fmt.Errorf("keeping standard error: %w", err)
	}
	for i, fd := range []int{out, errors} {
		if o.streams[i].fd, err = pipeTo(fd); err != nil {
			return nil, fmt.Errorf("catching output: %w", err)
		}
		go o.read(i)
	}
	return o, nil
}

func pipeTo(fd int) (reading int, err error) {
	var ends [2]int
	if err := unix.Pipe2(ends[:], unix.O_CLOEXEC); err != nil {
		return 0, fmt.Errorf("pipe: %w", err)
	}
	if err := unix.SetNonblock(ends[0], true); err != nil {
		return 0, fmt.Errorf("pipe: %w", err)
	}
	if err := unix.Dup3(ends[1], fd, 0); err != nil {
		return 0, fmt.Errorf("dup3: %w", err)
	}
	return ends[0], unix.Close(ends[1])
}

// read keeps the pipe from running full, whenever nobody takes.
func (o *Output) read(i int) {
	for {
		fds := []unix.PollFd{{Fd: int32(o.streams[i].fd), Events: unix.POLLIN}}
		if _, err := unix.Poll(fds, -1); err != nil && err != unix.EINTR {
			return
		}
		if fds[0].Revents&(unix.POLLHUP|unix.POLLNVAL) != 0 && fds[0].Revents&unix.POLLIN == 0 {
			return
		}
		o.mu.Lock()
		o.drain(i)
		o.mu.Unlock()
	}
}

// drain takes what is in the pipe. The caller holds o.mu.
func (o *Output) drain(i int) {
	s := &o.streams[i]
	var piece [16 << 10]byte
	for {
		n, err := unix.Read(s.fd, piece[:])
		if n <= 0 || err != nil {
			return
		}
		if s.log != nil && s.left > 0 {
			part := piece[:min(n, s.left)]
			s.left -= len(part)
			_, _ = s.log.Write(part)
		}
		kept := min(n, Limit-len(s.text))
		s.text = append(s.text, piece[:kept]...)
		if i == standardOutput && kept > 0 {
			o.printed(kept)
		}
	}
}

// Drain takes what is in the pipes, so that printed has heard of all that was
// written before the call.
func (o *Output) Drain() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.drain(standardOutput)
	o.drain(standardError)
}

// Take removes at most limit bytes, output before errors. All that was written
// before the call counts.
func (o *Output) Take(limit int, withErrors bool) (out, errors []byte) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.drain(standardOutput)
	o.drain(standardError)
	out = o.streams[standardOutput].take(limit)
	if withErrors {
		errors = o.streams[standardError].take(limit - len(out))
	}
	return out, errors
}

func (s *stream) take(limit int) []byte {
	n := min(limit, len(s.text))
	taken := s.text[:n:n]
	if s.text = s.text[n:]; len(s.text) == 0 {
		s.text = nil
	}
	return taken
}
