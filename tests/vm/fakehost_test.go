package vm

import (
	"context"
	"encoding/binary"
	"net"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sirupsen/logrus"
	"golang.org/x/sys/unix"

	"libvirt-vgpu/plugin/ivshmem"
	"libvirt-vgpu/plugin/window"
)

// Requests of kerneltest.h.
const (
	requestInterrupt  = 1
	requestForgeChunk = 2
	requestNothing    = 3
)

const fakeHostPoll = 10 * time.Millisecond

// life is one generation of a channel as the host saw it.
type life struct {
	channel    int
	generation uint32
	process    window.Process
	started    bool
	closed     bool
	returned   int // chunks that came back
	kept       int // chunks still owned without RETURNED when the channel was CLOSED
}

// fakeHost plays mediatord: it starts nothing, and cleans what was closed.
type fakeHost struct {
	window *window.Window
	server *ivshmem.Server
	socket string
	looks  atomic.Uint32 // as often as the control doorbell rang

	mu    sync.Mutex
	lives map[[2]uint32]*life
}

// newFakeHost serves a window of this geometry on a socket until the test ends.
// prepare may change the window before a guest can see it.
func newFakeHost(t *testing.T, socket string, vectors, channels int, prepare func(*window.Window)) *fakeHost {
	t.Helper()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	w, err := window.Create("kernel-test", window.DefaultSize, channels)
	must(err)
	must(w.SetDescription(&window.Description{DeviceCount: 1, Name: "kernel test GPU"}))
	if prepare != nil {
		prepare(w)
	}
	log := logrus.New()
	log.SetOutput(t.Output())
	server, err := ivshmem.New(w.File(), vectors, log)
	must(err)
	h := &fakeHost{window: w, server: server, socket: socket, lives: make(map[[2]uint32]*life)}
	listener, err := net.ListenUnix("unix", &net.UnixAddr{Name: h.socket, Net: "unix"})
	must(err)
	must(os.Chmod(socket, 0o666)) // QEMU runs as another user under libvirt

	ctx, cancel := context.WithCancel(context.Background())
	var work sync.WaitGroup
	work.Go(func() { _ = server.Serve(ctx, listener, func(unix.Ucred) error { return nil }) })
	work.Go(func() { h.run(ctx, vectors) })
	t.Cleanup(func() {
		cancel()
		work.Wait()
		_ = listener.Close()
		_ = server.Close()
		_ = w.Close()
	})
	return h
}

func (h *fakeHost) run(ctx context.Context, vectors int) {
	var answering sync.WaitGroup
	defer answering.Wait()
	for v := range vectors {
		answering.Go(func() { h.answer(ctx, v, vectors) })
	}
	for ctx.Err() == nil {
		h.scan()
		time.Sleep(fakeHostPoll)
	}
}

// vector is the rule of vgpu_layout.h for devices with few vectors.
func vector(channel, vectors int) int {
	if vectors == 1 {
		return 0
	}
	return 1 + channel%(vectors-1)
}

func (h *fakeHost) interrupt(v int) { _ = ivshmem.Signal(h.server.Interrupt(v)) }

// answer does what guest processes ask for through one doorbell.
func (h *fakeHost) answer(ctx context.Context, v, vectors int) {
	doorbell := h.server.Doorbell(v)
	for ctx.Err() == nil {
		_ = doorbell.SetReadDeadline(time.Now().Add(50 * time.Millisecond))
		if _, err := ivshmem.Await(doorbell); err != nil {
			continue
		}
		if v == window.VectorControl {
			h.window.SetLooks(h.looks.Add(1), false)
		}
		for channel := range int(h.window.Channels) {
			if vector(channel, vectors) == v {
				h.serve(channel, vectors)
			}
		}
	}
}

func (h *fakeHost) serve(channel, vectors int) {
	request := h.word(channel, window.ChFences)
	argument := h.word(channel, window.ChFences+4).Load()
	switch request.Load() {
	case requestInterrupt:
		request.Store(0)
		h.interrupt(vector(channel, vectors))
	case requestForgeChunk:
		h.window.SetChunk(int(argument), 0)
		request.Store(0)
	case requestNothing:
		request.Store(0)
	}
}

func (h *fakeHost) scan() {
	h.mu.Lock()
	defer h.mu.Unlock()
	changed := h.takeBackChunks()
	for channel := range int(h.window.Channels) {
		state, generation := h.window.Guest(channel)
		hostState, cleaned := h.window.Host(channel)
		if state == window.GuestFree {
			continue
		}
		l := h.life(channel, generation)
		switch {
		case state == window.GuestStart && hostState != window.HostReady:
			l.started = true
			l.process = h.window.Process(channel)
			h.window.SetHost(channel, window.HostReady, generation)
			h.window.SetChannelState(channel, window.HostReady)
			h.interrupt(vector(channel, h.server.Vectors()))
		case state == window.GuestClosed && (hostState != window.HostFree || cleaned != generation):
			l.closed = true
			l.process = h.window.Process(channel)
			h.takeBackChunks()
			for i := range int(h.window.Chunks) {
				if h.window.Chunk(i).Owner() == channel {
					l.kept++
				}
			}
			_ = h.window.PunchChannel(channel)
			h.window.SetHost(channel, window.HostFree, generation)
			changed = true
		}
	}
	if changed {
		h.interrupt(window.VectorControl)
	}
}

func (h *fakeHost) takeBackChunks() (changed bool) {
	for i := range int(h.window.Chunks) {
		entry := h.window.Chunk(i)
		if !entry.Returned() {
			continue
		}
		if owner := entry.Owner(); h.window.CheckChannel(owner) == nil {
			_, generation := h.window.Guest(owner)
			h.life(owner, generation).returned++
		}
		_ = h.window.PunchChunk(i)
		h.window.SetChunk(i, 0)
		changed = true
	}
	return changed
}

func (h *fakeHost) life(channel int, generation uint32) *life {
	key := [2]uint32{uint32(channel), generation}
	if h.lives[key] == nil {
		h.lives[key] = &life{channel: channel, generation: generation}
	}
	return h.lives[key]
}

// find is the life of the last process of this name, nil if there was none.
func (h *fakeHost) find(comm string) *life {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, l := range h.lives {
		if l.process.Comm == comm {
			copied := *l
			return &copied
		}
	}
	return nil
}

// settled says whether every channel and chunk has come back.
func (h *fakeHost) settled() bool {
	for i := range int(h.window.Channels) {
		if state, _ := h.window.Guest(i); state != window.GuestFree {
			return false
		}
	}
	for i := range int(h.window.Chunks) {
		if !h.window.Chunk(i).Free() {
			return false
		}
	}
	return true
}

// device is QEMU's side of it.
func (h *fakeHost) device(vectors string) []string {
	return []string{
		"-chardev", "socket,id=vgpu,path=" + h.socket,
		"-device", "ivshmem-doorbell,chardev=vgpu,ioeventfd=on,vectors=" + vectors,
	}
}

// headerFile makes a window for ivshmem-plain and lets change break its header.
func headerFile(t *testing.T, change func(page []byte)) string {
	t.Helper()
	const size = 8 << 20
	w, err := window.Create("header-test", size, 2)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	page := make([]byte, os.Getpagesize())
	if _, err := w.File().ReadAt(page, 0); err != nil {
		t.Fatal(err)
	}
	change(page)
	path := filepath.Join(t.TempDir(), "window")
	if err := os.WriteFile(path, page, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(path, size); err != nil {
		t.Fatal(err)
	}
	return path
}

func put32(offset int, value uint32) func([]byte) {
	return func(page []byte) { binary.LittleEndian.PutUint32(page[offset:], value) }
}

func put64(offset int, value uint64) func([]byte) {
	return func(page []byte) { binary.LittleEndian.PutUint64(page[offset:], value) }
}
