package mediator

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sirupsen/logrus"
	"golang.org/x/sys/unix"

	"libvirt-vgpu/mediatord/internal/config"
	"libvirt-vgpu/mediatord/internal/gpu"
	"libvirt-vgpu/mediatord/internal/refusal"
	"libvirt-vgpu/plugin/window"
)

// fakeDescriber knows one GPU.
type fakeDescriber struct {
	mu  sync.Mutex
	err error
}

func (f *fakeDescriber) Describe(context.Context, string, string) (*window.Description, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.err != nil {
		return nil, f.err
	}
	return &window.Description{DeviceCount: 1, Name: "Test GPU", TotalMemory: 8 << 30}, nil
}

// noGPUs is the inventory of a host without the NVIDIA driver.
type noGPUs struct{}

func (noGPUs) List() ([]gpu.GPU, error)            { return nil, nil }
func (noGPUs) Sensors(string) (gpu.Sensors, error) { return gpu.Sensors{}, gpu.ErrNotFound }

// fakeObserver writes down what it hears.
type fakeObserver struct {
	mu    sync.Mutex
	heard []string
}

func (f *fakeObserver) note(what string, id window.UUID) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.heard = append(f.heard, what+" "+id.String()[:8])
}

func (f *fakeObserver) SlotAdded(id window.UUID)   { f.note("added", id) }
func (f *fakeObserver) SlotRemoved(id window.UUID) { f.note("removed", id) }
func (f *fakeObserver) SlotChanged(window.UUID)    {}

func (f *fakeObserver) PoolChanged(name string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.heard = append(f.heard, "pool "+name)
}

func (f *fakeObserver) XidReported(pci string, code uint64, id, text string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.heard = append(f.heard, fmt.Sprintf("xid %d on %s of %q: %s", code, pci, id, text))
}
func (f *fakeObserver) PoolAdded(name string)   { f.PoolChanged(name + " added") }
func (f *fakeObserver) PoolRemoved(name string) { f.PoolChanged(name + " removed") }

func (f *fakeObserver) list() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.heard)
}

type stage struct {
	*testing.T
	*Mediator
	describer *fakeDescriber
	observer  *fakeObserver
	runDir    string
}

func newStage(t *testing.T, change func(*Settings)) *stage {
	t.Helper()
	runDir, err := os.MkdirTemp("", "vgpu")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(runDir) })
	settings := Settings{
		RunDir: runDir, Executor: "/nonexistent", ModuleCache: runDir, SocketUID: os.Getuid(), SocketGID: -1, SocketMode: 0o600,
		SessionWindow: 64 << 20, KillAfter: time.Second, ReadyWithin: time.Second, HoldWithin: time.Minute,
		ReleaseWithin: time.Minute,
	}
	if change != nil {
		change(&settings)
	}
	cfg, err := config.Parse("default.toml", `gpus = ["soft"]`)
	if err != nil {
		t.Fatal(err)
	}
	log := logrus.New()
	log.SetOutput(io.Discard)
	s := &stage{T: t, describer: &fakeDescriber{}, observer: &fakeObserver{}, runDir: runDir}
	if s.Mediator, err = New(settings, []config.Pool{cfg}, noGPUs{}, s.describer, s.observer, log); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

func (s *stage) request(id window.UUID) ReserveRequest {
	return ReserveRequest{
		Domain: id, Name: "web", Metadata: `<vgpu:gpu xmlns:vgpu="urn:libvirt-vgpu:1" window="64MiB"/>`,
		SocketPath: filepath.Join(s.runDir, "domain-"+id.String(), "ivshmem.sock"),
	}
}

func (s *stage) expectClean() {
	s.Helper()
	if entries, err := os.ReadDir(s.runDir); err != nil || len(entries) != 1 {
		s.Errorf("runtime directory has %v, %v", entries, err)
	}
	if p, err := s.Pool("default"); err != nil || p.Used != 0 || p.Promised != 0 {
		s.Errorf("pool is %+v, %v", p, err)
	}
}

func TestObserverHearsOfSlots(t *testing.T) {
	s := newStage(t, nil)
	id := window.UUID{1}
	for range 2 {
		if err := s.Reserve(context.Background(), s.request(id)); err != nil {
			t.Fatal(err)
		}
	}
	s.Release(id)
	s.Release(id)
	if got := s.observer.list(); !slices.Equal(got, []string{"added 01000000", "removed 01000000"}) {
		t.Errorf("heard %q", got)
	}
	s.expectClean()
}

func TestReserveUndoesEverythingOnAnError(t *testing.T) {
	s := newStage(t, nil)
	r := s.request(window.UUID{2})
	// Too few descriptors for the eventfds: directory and window are made before.
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: uint64(len(entries)) + 30, Max: limit.Max}); err != nil {
		t.Fatal(err)
	}
	err = s.Reserve(context.Background(), r)
	if restoreErr := unix.Setrlimit(unix.RLIMIT_NOFILE, &limit); restoreErr != nil {
		t.Fatal(restoreErr)
	}
	if !errors.Is(err, unix.EMFILE) {
		t.Fatalf("error is %v", err)
	}
	s.expectClean()
	if after, err := os.ReadDir("/proc/self/fd"); err != nil || len(after) > len(entries) {
		t.Errorf("%d descriptors before, %d after: %v", len(entries), len(after), err)
	}
	if err := s.Reserve(context.Background(), r); err != nil {
		t.Errorf("with enough descriptors: %v", err)
	}
}

func TestGPUThatComesLater(t *testing.T) {
	s := newStage(t, nil)
	r := s.request(window.UUID{5})
	s.describer.err = errors.New("no driver")
	if err := s.Reserve(context.Background(), r); !errors.Is(err, refusal.ErrGPUUnavailable) || !strings.Contains(err.Error(), "no driver") {
		t.Errorf("error is %v", err)
	}
	s.expectClean()
	s.describer.err = nil
	if err := s.Reserve(context.Background(), r); err != nil {
		t.Errorf("after the driver came: %v", err)
	}
}

func TestReserveReleaseRace(t *testing.T) {
	s := newStage(t, nil)
	var all sync.WaitGroup
	for i := range 4 {
		id := window.UUID{byte(10 + i/2)}
		all.Go(func() {
			for range 15 {
				if err := s.Reserve(context.Background(), s.request(id)); err != nil {
					t.Error(err)
				}
				if err := s.Started(id); err != nil && !errors.Is(err, refusal.ErrNoSuchDomain) {
					t.Error(err)
				}
				_, _ = s.Slot(id)
				s.Stopped(id)
				s.Release(id)
			}
		})
	}
	all.Wait()
	s.expectClean()
	if len(s.domains.locks) != 0 {
		t.Errorf("%d locks are left", len(s.domains.locks))
	}
}

func TestSessionNobodyHoldsEnds(t *testing.T) {
	s := newStage(t, func(settings *Settings) { settings.HoldWithin = 50 * time.Millisecond })
	_, socket, err := s.OpenSession(context.Background(), SessionRequest{Name: "x", UID: uint32(os.Getuid())})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(socket); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(time.Minute); len(s.SlotIDs()) != 0; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the session did not end")
		}
	}
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(time.Millisecond) {
		if _, err := os.Stat(filepath.Dir(socket)); os.IsNotExist(err) {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("the session's directory is left")
		}
	}
}

func TestClosedMediatorTakesNoRequests(t *testing.T) {
	s := newStage(t, nil)
	if err := s.Reserve(context.Background(), s.request(window.UUID{3})); err != nil {
		t.Fatal(err)
	}
	s.Close()
	s.expectClean()
	if err := s.Reserve(context.Background(), s.request(window.UUID{4})); err == nil {
		t.Error("a closed mediator made a slot")
	}
	s.expectClean()
}
