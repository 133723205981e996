package hostproc

import (
	"context"
	"sync"

	"golang.org/x/sys/unix"

	"libvirt-vgpu/plugin/window"
)

// tables is the guest's half of a window's tables with the rules that vgpu.ko
// keeps. kick tells mediatord to look again.
type tables struct {
	window *window.Window
	kick   func()

	mu      sync.Mutex // guards the guest's half and changed
	changed chan struct{}
}

func newTables(w *window.Window, kick func()) *tables {
	return &tables{window: w, kick: kick, changed: make(chan struct{})}
}

// open takes a free channel for a process. It waits for one that is being
// cleaned until ctx ends, and answers EBUSY if none is free or will be.
func (t *tables) open(ctx context.Context, p window.Process) (int, unix.Errno) {
	return t.await(ctx, unix.EBUSY, func() (int, bool, bool) {
		coming := false
		for i := range int(t.window.Channels) {
			guest, generation := t.window.Guest(i)
			host, _ := t.window.Host(i)
			if guest == window.GuestFree && host == window.HostFree {
				t.window.SetProcess(i, p)
				t.window.SetGuest(i, window.GuestOpen, generation+1)
				return i, true, false
			}
			coming = coming || guest == window.GuestClosed
		}
		return 0, false, coming
	})
}

// start asks for an executor; asking again changes nothing.
func (t *tables) start(channel int) {
	t.mu.Lock()
	if state, generation := t.window.Guest(channel); state == window.GuestOpen {
		t.window.SetGuest(channel, window.GuestStart, generation)
	}
	t.mu.Unlock()
	t.kick()
}

// close says that the channel's process is gone.
func (t *tables) close(channel int) {
	t.mu.Lock()
	_, generation := t.window.Guest(channel)
	t.window.SetGuest(channel, window.GuestClosed, generation)
	t.mu.Unlock()
	t.kick()
}

// alloc hands count chunks in a row to a channel and returns the first. It
// waits for chunks that are being cleaned until ctx ends, and answers ENOMEM
// if there is no such run, EINVAL for an impossible count.
func (t *tables) alloc(ctx context.Context, channel int, count uint32) (int, unix.Errno) {
	if count == 0 || count > t.window.Chunks {
		return 0, unix.EINVAL
	}
	return t.await(ctx, unix.ENOMEM, func() (int, bool, bool) {
		run, coming := 0, false
		for i := range int(t.window.Chunks) {
			e := t.window.Chunk(i)
			coming = coming || e.Returned()
			if !e.Free() {
				run = 0
				continue
			}
			if run++; run == int(count) {
				first := i - run + 1
				for j := first; j <= i; j++ {
					t.window.SetChunk(j, window.OwnedBy(channel))
				}
				return first, true, false
			}
		}
		return 0, false, coming
	})
}

// free returns count chunks at a byte offset of the arena. EINVAL: not all of
// them are the channel's.
func (t *tables) free(channel int, offset uint64, count uint32) unix.Errno {
	first := offset / window.ChunkSize
	if offset%window.ChunkSize != 0 || first >= uint64(t.window.Chunks) || count > t.window.Chunks {
		return unix.EINVAL
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.window.OwnsChunks(channel, int(first), int(count)) {
		return unix.EINVAL
	}
	for i := int(first); i < int(first)+int(count); i++ {
		t.window.SetChunk(i, window.OwnedBy(channel)|window.ChunkEntry(window.ChunkReturned))
	}
	t.kick()
	return 0
}

// hostChanged is vector 0's interrupt handler: channels that the host has
// cleaned become free, and waiters look again.
func (t *tables) hostChanged() {
	t.mu.Lock()
	defer t.mu.Unlock()
	for i := range int(t.window.Channels) {
		guest, generation := t.window.Guest(i)
		host, cleaned := t.window.Host(i)
		if guest == window.GuestClosed && host == window.HostFree && cleaned == generation {
			t.window.SetGuest(i, window.GuestFree, generation)
		}
	}
	close(t.changed)
	t.changed = make(chan struct{})
}

// await tries under the lock until it works, or nothing is coming, or ctx ends.
func (t *tables) await(ctx context.Context, otherwise unix.Errno, try func() (value int, ok, coming bool)) (int, unix.Errno) {
	for {
		t.mu.Lock()
		value, ok, coming := try()
		changed := t.changed
		t.mu.Unlock()
		if ok {
			return value, 0
		}
		if !coming {
			return 0, otherwise
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return 0, otherwise
		}
	}
}
