package reconcile

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"libvirt-vgpu/mediatord/internal/parcel"
	"libvirt-vgpu/mediatord/internal/supervisor"
	"libvirt-vgpu/plugin/window"
)

// TestResumeTakesOverWhatAnotherMediatordLeft has in channel 0 a running
// executor, in 1 one that ended meanwhile, in 2 one that was never launched, and
// in 3 one that failed before.
func TestResumeTakesOverWhatAnotherMediatordLeft(t *testing.T) {
	adopted := &fakeExecutor{channel: 0, generation: 3}
	var wasReady bool
	s := newStage(t, func(c *Config) {
		for i, state := range []window.HostState{window.HostReady, window.HostReady, window.HostStarting, window.HostFailed} {
			c.Window.SetGuest(i, window.GuestStart, 3)
			c.Window.SetHost(i, state, 3)
		}
		c.Window.FailChannel(3, 700, "an earlier fault")
		c.Window.SetChunk(0, window.OwnedBy(0)|window.ChunkEntry(window.ChunkReturned))
		for i := range 2 {
			if err := c.Account.Reserve(i, 1<<20); err != nil {
				t.Fatal(err)
			}
		}
		c.Resumed = true
		c.Adopted = []Adopted{{Channel: 0, Generation: 3, Adopt: func(ready bool, sink func(supervisor.Event)) (Executor, error) {
			wasReady, adopted.sink = ready, sink
			return adopted, nil
		}}}
	})
	s.mu.Lock()
	s.executors = append(s.executors, adopted)
	s.mu.Unlock()
	s.untilHost(1, window.HostFailed, 3)
	if result, text := s.window.Failure(1); result != supervisor.ResultLaunchFailed || !strings.Contains(text, "while mediatord was away") {
		t.Errorf("the process without executor reads %d %q", result, text)
	}
	s.until("another launch for the one that was never launched", func() bool { return len(s.all()) == 2 && s.all()[1].channel == 2 })
	s.settled()
	if state, generation := s.window.Host(0); !wasReady || state != window.HostReady || generation != 3 {
		t.Errorf("the adopted channel is in state %d, generation %d", state, generation)
	}
	if used := []uint64{s.account.Used(0), s.account.Used(1)}; !slices.Equal(used, []uint64{1 << 20, 0}) {
		t.Errorf("the account counts %v", used)
	}
	s.until("status", func() bool { return len(s.loop.Status()) == 4 })
	if got := s.loop.Status(); got[0].ExecutorPID != 1000 || got[3].State != "failed" || got[3].Message != "an earlier fault" {
		t.Errorf("status is %+v", got)
	}

	// An answer to the earlier mediatord is not one to us.
	if asked := adopted.asked(); len(asked) != 0 {
		t.Errorf("chunks %v were asked for before the executor resumed", asked)
	}
	adopted.sink(supervisor.Event{Kind: supervisor.Revoked, Chunk: 0})
	s.settled()
	if s.window.Chunk(0).Free() {
		t.Error("a chunk was freed on an answer to somebody else")
	}
	adopted.sink(supervisor.Event{Kind: supervisor.Exported, Parcel: &parcel.Parcel{ID: 1}})
	adopted.sink(supervisor.Event{Kind: supervisor.Resumed})
	s.until("revocation", func() bool { return slices.Equal(adopted.asked(), []int{0}) })
	adopted.sink(supervisor.Event{Kind: supervisor.Revoked, Chunk: 0})
	s.until("free chunk", func() bool { return s.window.Chunk(0).Free() })
}

func TestAdoptedExecutorThatWasStartingBecomesReady(t *testing.T) {
	adopted := &fakeExecutor{channel: 1, generation: 7}
	s := newStage(t, func(c *Config) {
		c.Window.SetGuest(1, window.GuestStart, 7)
		c.Window.SetHost(1, window.HostStarting, 7)
		c.Resumed = true
		c.Adopted = []Adopted{{Channel: 1, Generation: 7, Adopt: func(ready bool, sink func(supervisor.Event)) (Executor, error) {
			if ready {
				t.Error("it was starting")
			}
			adopted.sink = sink
			return adopted, nil
		}}}
	})
	s.mu.Lock()
	s.executors = append(s.executors, adopted)
	s.mu.Unlock()
	s.settled()
	adopted.sink(supervisor.Event{Kind: supervisor.Resumed}) // "ready" was said to the earlier one
	s.untilHost(1, window.HostReady, 7)
	s.guest(1, window.GuestClosed, 7)
	s.until("stop", func() bool { return adopted.stops() > 0 })
	adopted.end(719, "ended")
	s.untilHost(1, window.HostFree, 7)
	if len(s.all()) != 1 {
		t.Error("another executor was launched beside the adopted one")
	}
}

func TestPingNoticesALoopThatHangs(t *testing.T) {
	hang := make(chan struct{})
	s := newStage(t, func(c *Config) {
		c.Launch = func(int, uint32, func(supervisor.Event)) (Executor, error) {
			<-hang
			return nil, errors.New("never mind")
		}
	})
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if err := s.loop.Ping(ctx); err != nil {
		t.Errorf("an idle loop: %v", err)
	}
	s.guest(0, window.GuestStart, 1)
	s.until("the hang", func() bool { state, _ := s.window.Host(0); return state == window.HostStarting })
	if err := s.loop.Ping(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a loop that hangs: %v", err)
	}
	close(hang)
}
