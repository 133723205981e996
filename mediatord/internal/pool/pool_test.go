package pool

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"libvirt-vgpu/mediatord/internal/config"
	"libvirt-vgpu/mediatord/internal/refusal"
	"libvirt-vgpu/plugin/window"
)

// fakeProber has GPUs of the given sizes in bytes; others do not exist.
type fakeProber map[string]uint64

func (f fakeProber) Probe(_ context.Context, _ config.Backend, name string) (*Device, error) {
	memory, found := f[name]
	if !found {
		return nil, fmt.Errorf("GPU %s is not in this host", name)
	}
	return &Device{Name: name, Argument: name, Description: &window.Description{TotalMemory: memory}}, nil
}

// noGuard lets every pool pass; it refuses the pool named in it.
type noGuard struct{ refused string }

func (g noGuard) Check(pool string) error {
	if pool == g.refused {
		return refusal.Because(refusal.ErrIsolationRefused, "pool %q is not isolated; mend it", pool)
	}
	return nil
}

func testPool(t *testing.T, gpus fakeProber, text string) *Pool {
	t.Helper()
	cfg, err := config.Parse("gold.toml", text)
	if err != nil {
		t.Fatal(err)
	}
	return New(cfg, gpus, noGuard{})
}

const oneGPU = "gpus = [\"01:00.0\"]\n"

func TestAcquire(t *testing.T) {
	big := fakeProber{"0000:01:00.0": 80 << 30}
	for _, tc := range []struct {
		name, pool string
		gpus       fakeProber
		before     int // slots of the default size taken already
		request    Request
		memory     uint64
		err        error
		mentions   string
	}{
		{"even share", oneGPU, big, 0, Request{Priority: "normal"}, 10 << 30, nil, ""},
		{"pool's default", oneGPU + `memory = "3GiB"`, big, 0, Request{Priority: "normal"}, 3 << 30, nil, ""},
		{"asked for", oneGPU, big, 0, Request{Priority: "low", Memory: 80 << 30}, 80 << 30, nil, ""},
		{"priority", oneGPU + `priorities = ["low"]`, big, 0, Request{Priority: "high"}, 0, refusal.ErrPriorityNotAllowed, "use low"},
		{"full", oneGPU + "slots = 2", big, 2, Request{Priority: "high"}, 0, refusal.ErrPoolFull, "2 of 2"},
		{"over max_memory", oneGPU + `max_memory = "4GiB"`, big, 0, Request{Priority: "high", Memory: 5 << 30}, 0, refusal.ErrMemoryExceedsPool, "at most 4GiB"},
		{"over the GPU", oneGPU, big, 0, Request{Priority: "high", Memory: 81 << 30}, 0, refusal.ErrMemoryExceedsPool, "at most 80GiB"},
		{"over what is left", oneGPU, big, 7, Request{Priority: "high", Memory: 11 << 30}, 0, refusal.ErrMemoryExceedsPool, "10GiB of GPU memory left"},
		{"overcommitted", oneGPU + "overcommit = 2.0", big, 7, Request{Priority: "high", Memory: 80 << 30}, 80 << 30, nil, ""},
		{"default over the maximum", oneGPU + `max_memory = "1GiB"`, big, 0, Request{Priority: "high"}, 1 << 30, nil, ""},
		{"exclusive", oneGPU + `mode = "exclusive"`, big, 0, Request{Priority: "high"}, 80 << 30, nil, ""},
		{"exclusive and taken", oneGPU + `mode = "exclusive"`, big, 1, Request{Priority: "high", Memory: 1 << 30}, 0, refusal.ErrPoolFull, "is exclusive"},
		{"no GPU", oneGPU, fakeProber{}, 0, Request{Priority: "high"}, 0, refusal.ErrGPUUnavailable, "not in this host"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			p := testPool(t, tc.gpus, tc.pool)
			for i := range tc.before {
				if _, err := p.Acquire(context.Background(), Request{Owner: fmt.Sprint(i), Priority: "normal"}); err != nil {
					t.Fatal(err)
				}
			}
			tc.request.Owner = "me"
			grant, err := p.Acquire(context.Background(), tc.request)
			if !errors.Is(err, tc.err) {
				t.Fatalf("error is %v", err)
			}
			if err != nil {
				if !strings.Contains(err.Error(), tc.mentions) || !strings.Contains(err.Error(), "gold") {
					t.Errorf("%q does not mention the pool and %q", err, tc.mentions)
				}
				if slots, _ := p.Used(); slots != tc.before {
					t.Errorf("%d slots in use after a refusal", slots)
				}
				return
			}
			if grant.Memory != tc.memory {
				t.Errorf("quota is %d, want %d", grant.Memory, tc.memory)
			}
		})
	}
}

func TestAcquireSpreadsOverGPUsAndReleaseGivesBack(t *testing.T) {
	p := testPool(t, fakeProber{"0000:01:00.0": 10 << 30, "0000:02:00.0": 10 << 30},
		`gpus = ["01:00.0", "02:00.0", "03:00.0"]`)
	seen := map[string]int{}
	for i := range 4 {
		g, err := p.Acquire(context.Background(), Request{Owner: fmt.Sprint(i), Priority: "normal", Memory: 5 << 30})
		if err != nil {
			t.Fatal(err)
		}
		seen[g.Device.Name]++
	}
	if seen["0000:01:00.0"] != 2 || seen["0000:02:00.0"] != 2 {
		t.Errorf("placed %v", seen)
	}
	if _, err := p.Acquire(context.Background(), Request{Owner: "0", Priority: "normal"}); !errors.Is(err, refusal.ErrAlreadyReserved) {
		t.Errorf("second slot for one owner: %v", err)
	}
	if _, err := p.Acquire(context.Background(), Request{Owner: "5", Priority: "normal", Memory: 1 << 30}); !errors.Is(err, refusal.ErrMemoryExceedsPool) {
		t.Errorf("both GPUs are promised away: %v", err)
	}
	p.Release("0")
	p.Release("nobody")
	if slots, memory := p.Used(); slots != 3 || memory != 15<<30 {
		t.Errorf("used %d slots, %d bytes", slots, memory)
	}
	if got := fmt.Sprint(slices.Sorted(maps.Keys(p.grants))); got != "[1 2 3]" {
		t.Errorf("owners are %s", got)
	}
}

func TestChange(t *testing.T) {
	p := testPool(t, fakeProber{"0000:01:00.0": 40 << 30, "0000:02:00.0": 80 << 30},
		`gpus = ["01:00.0", "02:00.0"]`+"\nslots = 4\nmemory = \"10GiB\"\npriorities = [\"normal\", \"low\"]")
	ctx := context.Background()
	if _, err := p.Change(ctx, Request{Owner: "a", Priority: "low"}); !errors.Is(err, refusal.ErrNoSuchDomain) {
		t.Errorf("changing nobody's slot: %v", err)
	}
	for _, r := range []Request{{Owner: "a", Priority: "normal", Memory: 79 << 30}, {Owner: "b", Priority: "normal", Memory: 30 << 30}} { // on one GPU each
		if _, err := p.Acquire(ctx, r); err != nil {
			t.Fatal(err)
		}
	}
	for _, tc := range []struct {
		name    string
		request Request
		memory  uint64
		err     error
	}{
		{"all of its GPU", Request{Owner: "b", Priority: "low", Memory: 40 << 30}, 40 << 30, nil},
		{"room on another GPU only", Request{Owner: "b", Priority: "low", Memory: 41 << 30}, 0, refusal.ErrMemoryExceedsPool},
		{"less", Request{Owner: "b", Priority: "low", Memory: 1 << 30}, 1 << 30, nil},
		{"the pool's default", Request{Owner: "b", Priority: "low"}, 10 << 30, nil},
		{"priority", Request{Owner: "b", Priority: "high", Memory: 2 << 30}, 0, refusal.ErrPriorityNotAllowed},
	} {
		t.Run(tc.name, func(t *testing.T) {
			before, _ := p.Granted("b")
			grant, err := p.Change(ctx, tc.request)
			if !errors.Is(err, tc.err) || grant.Memory != tc.memory {
				t.Errorf("got %+v, %v", grant, err)
			}
			if after, _ := p.Granted("b"); err != nil && after != before {
				t.Errorf("a refused change left %+v", after)
			}
		})
	}
	before, _ := p.Granted("b")
	if _, err := p.Change(ctx, Request{Owner: "b", Priority: "low", Memory: 20 << 30}); err != nil {
		t.Fatal(err)
	}
	p.Restore(before)
	if after, _ := p.Granted("b"); after != before {
		t.Errorf("restored %+v", after)
	}
}

func TestIsolationIsLookedAtBeforeEveryGrant(t *testing.T) {
	p := testPool(t, fakeProber{"0000:01:00.0": 80 << 30}, oneGPU)
	if _, err := p.Acquire(context.Background(), Request{Owner: "a", Priority: "normal"}); err != nil {
		t.Fatal(err)
	}
	p.guard = noGuard{refused: "gold"}
	if _, err := p.Acquire(context.Background(), Request{Owner: "b", Priority: "normal"}); !errors.Is(err, refusal.ErrIsolationRefused) {
		t.Errorf("error is %v", err)
	}
	if used, _ := p.Used(); used != 1 {
		t.Errorf("%d slots in use", used)
	}
}

// In an exclusive pool every domain has a GPU to itself, however little it asks for.
func TestExclusive(t *testing.T) {
	p := testPool(t, fakeProber{"0000:01:00.0": 80 << 30, "0000:02:00.0": 40 << 30}, "gpus = [\"01:00.0\", \"02:00.0\"]\nmode = \"exclusive\"")
	seen := map[string]bool{}
	for i := range 2 {
		grant, err := p.Acquire(context.Background(), Request{Owner: fmt.Sprint(i), Priority: "normal", Memory: 1 << 30})
		if err != nil || seen[grant.Device.Name] {
			t.Fatalf("domain %d: %+v, %v", i, grant, err)
		}
		seen[grant.Device.Name] = true
	}
	p.Release("0")
	if grant, err := p.Acquire(context.Background(), Request{Owner: "2", Priority: "normal"}); err != nil || grant.Memory < 40<<30 {
		t.Errorf("after a release: %+v, %v", grant, err)
	}
}

// A domain must be able to begin.
func TestQuotaBelowAContext(t *testing.T) {
	p := testPool(t, fakeProber{"0000:01:00.0": 80 << 30}, oneGPU)
	devices, err := p.Devices(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	devices[0].Description.ContextMemory = 518<<20 + 1
	if _, err := p.place(Request{Owner: "me", Memory: 518 << 20}, devices, 1); !errors.Is(err, refusal.ErrMemoryExceedsPool) || !strings.Contains(err.Error(), "at least 583MiB") {
		t.Errorf("error is %v", err)
	}
	if _, err := p.place(Request{Owner: "me", Memory: 519 << 20}, devices, 1); err != nil {
		t.Error(err)
	}
}
