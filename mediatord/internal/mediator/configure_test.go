package mediator

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"libvirt-vgpu/mediatord/internal/config"
	"libvirt-vgpu/mediatord/internal/refusal"
	"libvirt-vgpu/plugin/window"
)

// pools parses the texts of pool files, by the pools' names.
func pools(t *testing.T, texts map[string]string) []config.Pool {
	t.Helper()
	var all []config.Pool
	for name, text := range texts {
		cfg, err := config.Parse(name+".toml", text)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, cfg)
	}
	return all
}

const soft = "gpus = [\"soft\"]\n"

func (s *stage) in(pool string, id window.UUID) ReserveRequest {
	r := s.request(id)
	r.Metadata = fmt.Sprintf(`<vgpu:gpu xmlns:vgpu="urn:libvirt-vgpu:1" window="64MiB" memory="64MiB" pool=%q/>`, pool)
	return r
}

func TestConfigure(t *testing.T) {
	for _, tc := range []struct {
		name    string
		domains int // in the pool "default", with soft as its file
		after   map[string]string
		applied []string
		later   []string
	}{
		{"nothing", 1, map[string]string{"default": soft}, nil, nil},
		{"added", 1, map[string]string{"default": soft, "gold": soft}, []string{"pool gold: added"}, nil},
		{"removed", 0, map[string]string{}, []string{"pool default: removed"}, nil},
		{
			"removed under a domain", 1, map[string]string{}, []string{"pool default: removed"},
			[]string{"pool default is removed: its one domain goes on until it ends, no other starts there"},
		},
		{
			"what is live", 1, map[string]string{"default": soft + "slots = 4\nweight = 7\nmemory = \"64MiB\"\n[sharing]\nturn = \"9ms\"\n"},
			[]string{"pool default: slots, memory, weight, sharing.turn"}, nil,
		},
		{
			"what is not", 2, map[string]string{"default": soft + "walls = \"off\"\nslots = 3\n[sharing]\nleases = false\n"},
			[]string{"pool default: slots"},
			[]string{"pool default: sharing.leases, walls: its 2 domains go on as before until they end, others have it from their start on"},
		},
		{"what is not, without domains", 0, map[string]string{"default": soft + "walls = \"off\"\n"}, []string{"pool default: walls"}, nil},
		{
			"fewer slots than domains", 2, map[string]string{"default": soft + "slots = 1\n"}, []string{"pool default: slots"},
			[]string{"pool default: 2 of 1 slots are in use: no domain starts there until there are fewer"},
		},
		{
			"a pool that is not isolated", 0, map[string]string{"default": soft, "gold": `gpus = ["0000:01:00.0"]`}, []string{"pool gold: added"},
			[]string{"pool gold is not as isolated as it demands, no domain starts in it until it is: see vgpuctl pool check gold"},
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := newStage(t, func(settings *Settings) { settings.Sysfs = t.TempDir() })
			for i := range tc.domains {
				if err := s.Reserve(t.Context(), s.in("default", window.UUID{byte(i + 1)})); err != nil {
					t.Fatal(err)
				}
			}
			got := s.Configure(pools(t, tc.after))
			slices.Sort(got.Applied)
			if !slices.Equal(got.Applied, tc.applied) || !slices.Equal(got.Later, tc.later) {
				t.Errorf("got %q, %q\nwant %q, %q", got.Applied, got.Later, tc.applied, tc.later)
			}
			if again := s.Configure(pools(t, tc.after)); len(again.Applied) > 0 {
				t.Errorf("the same again changed %q", again.Applied)
			}
			if names := s.PoolNames(); len(names) != len(tc.after) {
				t.Errorf("the pools are %q", names)
			}
			if slots := s.SlotIDs(); len(slots) != tc.domains {
				t.Errorf("%d slots are left, of %d", len(slots), tc.domains)
			}
		})
	}
}

func TestConfiguredPoolsAdmitByTheirNewFiles(t *testing.T) {
	s := newStage(t, nil)
	reserve := func(pool string, id byte) error { return s.Reserve(t.Context(), s.in(pool, window.UUID{id})) }
	if err := reserve("gold", 1); !errors.Is(err, refusal.ErrNoSuchPool) {
		t.Errorf("a pool that is not there yet: %v", err)
	}
	s.Configure(pools(t, map[string]string{"default": soft, "gold": soft + "slots = 2\n"}))
	for id := byte(1); id <= 2; id++ {
		if err := reserve("gold", id); err != nil {
			t.Fatal(err)
		}
	}
	if err := reserve("gold", 3); !errors.Is(err, refusal.ErrPoolFull) {
		t.Errorf("a third domain in two slots: %v", err)
	}

	s.Configure(pools(t, map[string]string{"default": soft}))
	if err := reserve("gold", 3); !errors.Is(err, refusal.ErrNoSuchPool) {
		t.Errorf("a pool that is gone: %v", err)
	}
	change := `<vgpu:gpu xmlns:vgpu="urn:libvirt-vgpu:1" window="64MiB" memory="96MiB" pool="gold"/>`
	if done, err := s.Change(t.Context(), window.UUID{1}, change); err != nil || !slices.Equal(done.Applied, []string{"memory"}) {
		t.Errorf("a domain that is left in the pool may not change: %+v, %v", done, err)
	}

	// back again, it counts those that were left
	s.Configure(pools(t, map[string]string{"default": soft, "gold": soft + "slots = 3\nweight = 300\n"}))
	if p, err := s.Pool("gold"); err != nil || p.Used != 2 || p.Promised != 160<<20 || p.Weight != 300 {
		t.Errorf("the pool is %+v, %v", p, err)
	}
	if err := reserve("gold", 3); err != nil {
		t.Error(err)
	}
	if err := reserve("gold", 4); !errors.Is(err, refusal.ErrPoolFull) {
		t.Errorf("a fourth domain in three slots: %v", err)
	}
	heard := strings.Join(s.observer.list(), "; ")
	for _, want := range []string{"pool gold added; added 01", "pool gold removed", "pool gold added; added 03"} {
		if !strings.Contains(heard, want) {
			t.Errorf("the observer heard %s", heard)
		}
	}
	for id := byte(1); id <= 3; id++ {
		s.Release(window.UUID{id})
	}
	s.expectClean()
}

func TestConfigureBesideReservations(t *testing.T) {
	s := newStage(t, nil)
	ctx, cancel := context.WithCancel(t.Context())
	configured := make(chan int)
	go func() {
		rounds := 0
		for ; ctx.Err() == nil; rounds++ {
			s.Configure(pools(t, map[string]string{"default": fmt.Sprintf("%sslots = %d\n", soft, 2+rounds%2)}))
		}
		configured <- rounds
	}()
	for round := range 50 {
		id := window.UUID{byte(round + 1)}
		if err := s.Reserve(t.Context(), s.in("default", id)); err != nil {
			t.Fatal(err)
		}
		s.Release(id)
	}
	cancel()
	if rounds := <-configured; rounds == 0 {
		t.Error("nothing was configured meanwhile")
	}
	s.expectClean()
}
