package reconcile

import (
	"encoding/binary"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// doorbell passes an eventfd's signals on to a channel. It sleeps in the
// runtime's poller: nothing wakes up while nobody rings.
type doorbell struct {
	file *os.File
	gone chan struct{}
}

// listenDoorbell listens on a duplicate of the eventfd until done is closed and
// close is called. While kicks is not read, signals coalesce in the eventfd.
func listenDoorbell(eventfd *os.File, kicks chan<- struct{}, done <-chan struct{}) (*doorbell, error) {
	file, err := duplicate(eventfd)
	if err != nil {
		return nil, fmt.Errorf("listening to doorbell: %w", err)
	}
	d := &doorbell{file: file, gone: make(chan struct{})}
	go func() {
		defer close(d.gone)
		var count [8]byte
		for {
			if _, err := file.Read(count[:]); err != nil {
				return
			}
			select {
			case kicks <- struct{}{}:
			case <-done:
				return
			}
		}
	}()
	return d, nil
}

// close returns when nobody reads any more. done must be closed. It wakes the
// reader by a ring of its own, because another holder of the eventfd may have
// made it a blocking one, whose read a close does not end.
func (d *doorbell) close() {
	ring(d.file)
	<-d.gone
	_ = d.file.Close()
}

// duplicate avoids File.Fd, and keeps the eventfd in the runtime's poller.
func duplicate(file *os.File) (*os.File, error) {
	raw, err := file.SyscallConn()
	if err != nil {
		return nil, err
	}
	var dup int
	var dupErr error
	if err := raw.Control(func(fd uintptr) {
		dup, dupErr = unix.FcntlInt(fd, unix.F_DUPFD_CLOEXEC, 0)
		if dupErr == nil {
			dupErr = unix.SetNonblock(dup, true)
		}
	}); err != nil {
		return nil, err
	}
	if dupErr != nil {
		return nil, fmt.Errorf("duplicating %s: %w", file.Name(), dupErr)
	}
	return os.NewFile(uintptr(dup), file.Name()), nil
}

// ring adds one to an eventfd. A full counter is a signal already.
func ring(file *os.File) {
	var one [8]byte
	binary.NativeEndian.PutUint64(one[:], 1)
	raw, err := file.SyscallConn()
	if err != nil {
		return // closed: nobody is left to wake
	}
	_ = raw.Control(func(fd uintptr) { _, _ = unix.Write(int(fd), one[:]) })
}

// interrupt wakes the guest side by a vector.
func (l *Loop) interrupt(vector int) { ring(l.Eventfds.Interrupt(vector)) }
