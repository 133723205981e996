package ivshmem

import (
	"encoding/binary"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// newEventfds makes count eventfds, non-blocking as QEMU and Go's poller want them. On an error none is left.
func newEventfds(count int, name string) ([]*os.File, error) {
	files := make([]*os.File, 0, count)
	for vector := range count {
		fd, err := unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
		if err != nil {
			closeAll(files)
			return nil, fmt.Errorf("creating %s eventfd %d of %d: %w", name, vector, count, err)
		}
		files = append(files, os.NewFile(uintptr(fd), fmt.Sprintf("%s-%d", name, vector)))
	}
	return files, nil
}

// Signal adds one to an eventfd: it rings a doorbell or raises an interrupt.
func Signal(eventfd *os.File) error {
	var one [8]byte
	binary.NativeEndian.PutUint64(one[:], 1)
	if _, err := eventfd.Write(one[:]); err != nil {
		return fmt.Errorf("signaling %s: %w", eventfd.Name(), err)
	}
	return nil
}

// Await waits until an eventfd was signaled, resets it and returns how often. A read deadline on the file bounds the wait and
// closing the file ends it.
func Await(eventfd *os.File) (uint64, error) {
	var count [8]byte
	if _, err := eventfd.Read(count[:]); err != nil {
		return 0, fmt.Errorf("awaiting %s: %w", eventfd.Name(), err)
	}
	return binary.NativeEndian.Uint64(count[:]), nil
}

func closeAll(files []*os.File) {
	for _, file := range files {
		_ = file.Close() // nothing was written that could be lost
	}
}
