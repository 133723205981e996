package reconcile

import (
	"errors"
	"io"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/sirupsen/logrus"
	logtest "github.com/sirupsen/logrus/hooks/test"

	"libvirt-vgpu/mediatord/internal/parcel"
	"libvirt-vgpu/mediatord/internal/supervisor"
	"libvirt-vgpu/plugin/ivshmem"
	"libvirt-vgpu/plugin/window"
)

const testChannels = 4

// fakeExecutor does what a test tells it.
type fakeExecutor struct {
	channel    int
	generation uint32
	sink       func(supervisor.Event)

	mu      sync.Mutex
	revoked []int
	parcels []parcel.Parcel // what it was told, exports and answers
	parks   []uint64        // limits that it was asked with
	wholes  []bool          // whether the contexts were asked for too
	rooms   []Room
	heard   int // answers
	stopped int
	looked  int
	ended   bool
}

func (f *fakeExecutor) PID() int { return 1000 + f.channel }

func (f *fakeExecutor) Revoke(chunk int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.revoked = append(f.revoked, chunk)
}

func (f *fakeExecutor) Park(bytes uint64, whole bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.parks, f.wholes = append(f.parks, bytes), append(f.wholes, whole)
}

func (f *fakeExecutor) Room(made, seen bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.rooms = append(f.rooms, Room{made, seen})
}

func (f *fakeExecutor) RoomHeard() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.heard++
}

func (f *fakeExecutor) Export(p parcel.Parcel)   { f.receive(p) }
func (f *fakeExecutor) Acquired(p parcel.Parcel) { f.receive(p) }

func (f *fakeExecutor) receive(p parcel.Parcel) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.parcels = append(f.parcels, p)
}

func (f *fakeExecutor) received() []parcel.Parcel {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.parcels)
}

func (f *fakeExecutor) Look() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.looked++
}

// Expire ends it as an executor ends that is told so.
func (f *fakeExecutor) Expire(result uint32, text string) { go f.end(result, text) }

func (f *fakeExecutor) Stop() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.stopped++
}

func (f *fakeExecutor) asked() []int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.revoked)
}

func (f *fakeExecutor) stops() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.stopped
}

func (f *fakeExecutor) end(result uint32, text string) {
	f.mu.Lock()
	again := f.ended
	f.ended = true
	f.mu.Unlock()
	if !again {
		f.sink(supervisor.Event{Kind: supervisor.Exited, Result: result, Text: text})
	}
}

// stage is a Loop with a guest that the test plays.
type stage struct {
	*testing.T
	window  *window.Window
	account *window.Account
	server  *ivshmem.Server
	loop    *Loop
	hook    *logtest.Hook

	mu        sync.Mutex
	executors []*fakeExecutor
	launchErr error
	changes   int
}

func newStage(t *testing.T, change ...func(*Config)) *stage {
	t.Helper()
	s := &stage{T: t}
	var err error
	if s.window, err = window.Create("test", 32<<20, testChannels); err != nil {
		t.Fatal(err)
	}
	if s.account, err = window.CreateAccount("test", 1<<30); err != nil {
		t.Fatal(err)
	}
	quiet := logrus.New()
	quiet.SetOutput(io.Discard)
	if s.server, err = ivshmem.New(s.window.File(), 1+testChannels, quiet); err != nil {
		t.Fatal(err)
	}
	log, hook := logtest.NewNullLogger()
	s.hook = hook
	config := Config{
		Window: s.window, Account: s.account, Eventfds: s.server, Launch: s.launch, Log: log,
		Sensors: func() (uint32, uint32, uint32) { return 11, 22, 33 },
		Changed: func() {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.changes++
		},
	}
	for _, f := range change {
		f(&config)
	}
	s.loop, err = Start(config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		closed := make(chan struct{})
		go func() {
			s.loop.Close()
			close(closed)
		}()
		for done := false; !done; { // executors end when they are asked to
			select {
			case <-closed:
				done = true
			case <-time.After(time.Millisecond):
				for _, e := range s.all() {
					if e.stops() > 0 {
						e.end(719, "stopped")
					}
				}
			}
		}
		_, _, _ = s.server.Close(), s.account.Close(), s.window.Close()
	})
	return s
}

func (s *stage) launch(channel int, generation uint32, sink func(supervisor.Event)) (Executor, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.launchErr != nil {
		return nil, s.launchErr
	}
	e := &fakeExecutor{channel: channel, generation: generation, sink: sink}
	s.executors = append(s.executors, e)
	return e, nil
}

func (s *stage) all() []*fakeExecutor {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.executors)
}

// guest writes the guest's half and rings.
func (s *stage) guest(channel int, state window.GuestState, generation uint32) {
	s.Helper()
	s.window.SetGuest(channel, state, generation)
	s.ring()
}

func (s *stage) ring() {
	s.Helper()
	if err := ivshmem.Signal(s.server.Doorbell(window.VectorControl)); err != nil {
		s.Fatal(err)
	}
}

func (s *stage) until(what string, condition func() bool) {
	s.Helper()
	for deadline := time.Now().Add(time.Minute); !condition(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			s.Fatalf("%s did not happen; status %+v", what, s.loop.Status())
		}
	}
}

func (s *stage) untilHost(channel int, state window.HostState, generation uint32) {
	s.Helper()
	s.until(stateName(state), func() bool {
		got, of := s.window.Host(channel)
		return got == state && of == generation
	})
}

// settled returns after the loop has done everything that was asked before.
func (s *stage) settled() {
	s.Helper()
	// A returned chunk of a channel without an executor is freed at once.
	last := int(s.window.Chunks) - 1
	s.until("a scan", func() bool {
		s.window.SetChunk(last, window.ChunkEntry(window.ChunkReturned))
		s.ring()
		time.Sleep(2 * time.Millisecond)
		return s.window.Chunk(last).Free()
	})
}

// running starts channel's executor and makes it ready.
func (s *stage) running(channel int, generation uint32) *fakeExecutor {
	s.Helper()
	before := len(s.all())
	s.guest(channel, window.GuestStart, generation)
	s.until("launch", func() bool { return len(s.all()) == before+1 })
	e := s.all()[before]
	e.sink(supervisor.Event{Kind: supervisor.Ready})
	s.untilHost(channel, window.HostReady, generation)
	return e
}

func (s *stage) awaitInterrupt(vector int) {
	s.Helper()
	file := s.server.Interrupt(vector)
	if err := file.SetReadDeadline(time.Now().Add(time.Minute)); err != nil {
		s.Fatal(err)
	}
	if _, err := ivshmem.Await(file); err != nil {
		s.Fatal(err)
	}
}

var errNoBinary = errors.New("there is no executor")
