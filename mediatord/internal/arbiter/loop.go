package arbiter

import (
	"errors"
	"fmt"
	"runtime"
	"time"

	"golang.org/x/sys/unix"

	"libvirt-vgpu/mediatord/internal/sched"
)

// loop waits for eventfds and a time, on a thread of its own: no other goroutine
// stands between a doorbell and the decision.
type loop struct {
	epoll, timer, quit int
}

func newLoop() (*loop, error) {
	l := &loop{-1, -1, -1}
	var err error
	if l.epoll, err = unix.EpollCreate1(unix.EPOLL_CLOEXEC); err == nil {
		l.timer, err = unix.TimerfdCreate(unix.CLOCK_MONOTONIC, unix.TFD_CLOEXEC|unix.TFD_NONBLOCK)
	}
	if err == nil {
		l.quit, err = unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
	}
	for _, fd := range []int{l.timer, l.quit} {
		if err == nil {
			err = l.listen(fd)
		}
	}
	if err != nil {
		l.close()
		return nil, fmt.Errorf("starting scheduler: %w", err)
	}
	return l, nil
}

func (l *loop) close() {
	for _, fd := range []int{l.epoll, l.timer, l.quit} {
		if fd >= 0 {
			_ = unix.Close(fd)
		}
	}
}

// listen wakes run when the descriptor, a counter, is written; ignore undoes it.
func (l *loop) listen(fd int) error {
	return unix.EpollCtl(l.epoll, unix.EPOLL_CTL_ADD, fd, &unix.EpollEvent{Events: unix.EPOLLIN, Fd: int32(fd)})
}

func (l *loop) ignore(fd int) { _ = unix.EpollCtl(l.epoll, unix.EPOLL_CTL_DEL, fd, nil) }

// wakeAt wakes run at a time of the monotonic clock, and no more at an earlier one.
func (l *loop) wakeAt(at time.Duration) error {
	var spec unix.ItimerSpec
	if at != sched.Never {
		spec.Value = unix.NsecToTimespec(int64(max(at, 1)))
	}
	if err := unix.TimerfdSettime(l.timer, unix.TFD_TIMER_ABSTIME, &spec, nil); err != nil {
		return fmt.Errorf("setting timer: %w", err)
	}
	return nil
}

// stop ends run soon; nothing else may be asked of the loop then.
func (l *loop) stop() { _, _ = unix.Write(l.quit, []byte{1, 0, 0, 0, 0, 0, 0, 0}) }

// run calls wake after each wake-up until stop.
func (l *loop) run(wake func()) error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	defer l.close()
	events := make([]unix.EpollEvent, 64)
	for {
		n, err := unix.EpollWait(l.epoll, events, -1)
		if err != nil && !errors.Is(err, unix.EINTR) {
			return fmt.Errorf("waiting for executors: %w", err)
		}
		for _, e := range events[:max(n, 0)] {
			if int(e.Fd) == l.quit {
				return nil
			}
			var count [8]byte
			_, _ = unix.Read(int(e.Fd), count[:])
		}
		wake()
	}
}
