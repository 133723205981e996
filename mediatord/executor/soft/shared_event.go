package soft

import (
	"fmt"
	"os"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"libvirt-vgpu/mediatord/executor/driver"
	"libvirt-vgpu/mediatord/executor/soft/gpu"
)

// sharedEvent is an event that several processes record and wait for: two
// counters in memory that they share.
type sharedEvent struct {
	fd      int
	memory  []byte
	issued  *atomic.Uint64 // recordings so far
	reached *atomic.Uint64 // the highest recording that has completed
}

const sharedEventSize = 4096

func newSharedEvent() (*sharedEvent, error) {
	fd, err := unix.MemfdCreate("gpu-event", unix.MFD_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("making shared event: %w", err)
	}
	defer unix.Close(fd)
	if err := unix.Ftruncate(fd, sharedEventSize); err != nil {
		return nil, fmt.Errorf("making shared event: %w", err)
	}
	return openSharedEvent(fd)
}

// openSharedEvent maps the event behind a descriptor, which stays the caller's.
func openSharedEvent(fd int) (*sharedEvent, error) {
	var stat unix.Stat_t
	if err := unix.Fstat(fd, &stat); err != nil || stat.Size != sharedEventSize {
		return nil, fmt.Errorf("opening shared event: %w", os.ErrInvalid)
	}
	own, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("opening shared event: %w", err)
	}
	memory, err := unix.Mmap(own, 0, sharedEventSize, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		_ = unix.Close(own)
		return nil, fmt.Errorf("opening shared event: %w", err)
	}
	return &sharedEvent{fd: own, memory: memory, issued: word64(memory, 0), reached: word64(memory, 8)}, nil
}

// export makes a descriptor for another process.
func (e *sharedEvent) export() (int, error) {
	return unix.FcntlInt(uintptr(e.fd), unix.F_DUPFD_CLOEXEC, 0)
}

func (e *sharedEvent) done() bool { return e.reached.Load() >= e.issued.Load() }

// record notes on the stream that the recording is reached.
func (e *sharedEvent) record(s *gpu.Stream) error {
	recording := e.issued.Add(1)
	return s.HostFunc(func() {
		for {
			now := e.reached.Load()
			if now >= recording || e.reached.CompareAndSwap(now, recording) {
				return
			}
		}
	})
}

// wait holds the stream until the latest recording is reached, or the device
// fails.
func (e *sharedEvent) wait(s *gpu.Stream, failed func() error) error {
	recording := e.issued.Load()
	if e.reached.Load() >= recording {
		return nil
	}
	return s.HostFunc(func() {
		for e.reached.Load() < recording && failed() == nil {
			time.Sleep(50 * time.Microsecond)
		}
	})
}

// query is cuEventQuery's answer.
func (e *sharedEvent) query() driver.Result {
	if e.done() {
		return driver.Success
	}
	return driver.ErrorNotReady
}
