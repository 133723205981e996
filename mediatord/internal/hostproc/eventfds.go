package hostproc

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// eventfds are what an ivshmem device would have: a doorbell and an interrupt
// per vector.
type eventfds struct {
	doorbells, interrupts []*os.File
}

// newEventfds makes vectors pairs, unless an earlier process has made them.
func newEventfds(vectors int, kept eventfds) (eventfds, error) {
	if len(kept.doorbells) == vectors && len(kept.interrupts) == vectors {
		return kept, nil
	}
	if len(kept.doorbells)+len(kept.interrupts) > 0 {
		return eventfds{}, fmt.Errorf("adopting eventfds: %d doorbells and %d interrupts, there should be %d of each",
			len(kept.doorbells), len(kept.interrupts), vectors)
	}
	var e eventfds
	for vector := range vectors {
		for name, list := range map[string]*[]*os.File{"doorbell": &e.doorbells, "interrupt": &e.interrupts} {
			fd, err := unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
			if err != nil {
				e.close()
				return eventfds{}, fmt.Errorf("creating eventfd: %w", err)
			}
			*list = append(*list, os.NewFile(uintptr(fd), fmt.Sprintf("%s-%d", name, vector)))
		}
	}
	return e, nil
}

func (e eventfds) close() {
	for _, file := range append(e.doorbells, e.interrupts...) {
		_ = file.Close()
	}
}
