package mediator

import (
	"context"
	"errors"
	"flag"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/sirupsen/logrus"

	"libvirt-vgpu/mediatord/internal/authority"
	"libvirt-vgpu/mediatord/internal/config"
	"libvirt-vgpu/mediatord/internal/isolationtest"
	"libvirt-vgpu/mediatord/internal/pool"
	"libvirt-vgpu/mediatord/internal/refusal"
	"libvirt-vgpu/plugin/window"
)

var update = flag.Bool("update", false, "write golden files instead of comparing with them")

// nobody is a caller whom polkit lets do nothing.
type nobody struct{ polkit error }

func (nobody) Credentials(context.Context, string) (authority.Credentials, error) {
	return authority.Credentials{UID: 1000}, nil
}

func (n nobody) Authorized(context.Context, string, authority.Action, bool) (bool, error) {
	return false, n.polkit
}

// refusalStage is a mediator with pools for every way to be refused.
func refusalStage(t *testing.T) *stage {
	t.Helper()
	shared := isolationtest.Group{Type: "DMA", Devices: append(
		isolationtest.Addresses(isolationtest.GPU3D, "nvidia", "0000:01:00.0"), isolationtest.Addresses(isolationtest.NVMe, "nvme", "0000:03:00.0", "0000:04:00.0")...)}
	sysfs := isolationtest.Sysfs(t, []isolationtest.Group{shared})
	var pools []config.Pool
	for name, text := range map[string]string{
		"default": "gpus = [\"soft\"]\npriorities = [\"normal\"]\nmax_memory = \"4GiB\"",
		"full":    "gpus = [\"soft\"]\nslots = 1", "left": "gpus = [\"soft\"]\nmemory = \"6GiB\"",
		"exclusive": "gpus = [\"soft\"]\nmode = \"exclusive\"",
		"shared":    `gpus = ["01:00.0"]`, "uuid": `gpus = ["GPU-6ba7b810-9dad-11d1-80b4-00c04fd430c8"]`,
	} {
		cfg, err := config.Parse("/etc/vgpu/pools.d/"+name+".toml", text)
		if err != nil {
			t.Fatal(err)
		}
		pools = append(pools, cfg)
	}
	runDir, err := os.MkdirTemp("", "vgpu") // short: a socket's path has 107 bytes
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(runDir) })
	log := logrus.New()
	log.SetOutput(io.Discard)
	s := &stage{T: t, describer: &fakeDescriber{}, observer: &fakeObserver{}, runDir: runDir}
	settings := Settings{RunDir: runDir, Executor: "/nonexistent", ModuleCache: runDir, Sysfs: sysfs, SocketUID: os.Getuid(), SocketGID: -1, SocketMode: 0o600, SessionWindow: 64 << 20}
	if s.Mediator, err = New(settings, pools, fakeInventory{}, s.describer, s.observer, log); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

// TestRefusals holds the name and the text of every refusal, one golden file each.
func TestRefusals(t *testing.T) {
	s := refusalStage(t)
	ctx := t.Context()
	n := byte(0)
	reserve := func(attributes string) error {
		n++
		r := s.request(window.UUID{n})
		r.Metadata = `<vgpu:gpu xmlns:vgpu="urn:libvirt-vgpu:1" window="64MiB" ` + attributes + `/>`
		return s.Reserve(ctx, r)
	}
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(reserve(`pool="full" memory="1GiB"`))
	must(reserve(`pool="left"`))
	must(reserve(`pool="exclusive" memory="1GiB"`))
	seen := []error{refusal.ErrMemoryInUse, refusal.ErrInvalidConfiguration} // packages slot and daemon have their texts
	for _, tc := range []struct {
		name  string
		cause func() error
	}{
		{"no-such-pool", func() error { return reserve(`pool="gold"`) }},
		{"pool-full", func() error { return reserve(`pool="full"`) }},
		{"priority", func() error { return reserve(`priority="high"`) }},
		{"memory-over-maximum", func() error { return reserve(`memory="5GiB"`) }},
		{"memory-not-left", func() error { return reserve(`pool="left" memory="3GiB"`) }},
		{"memory-below-a-context", func() error {
			d := s.prober.Found("soft").Description
			d.ContextMemory = 518 << 20
			defer func() { d.ContextMemory = 0 }()
			return reserve(`memory="256MiB"`)
		}},
		{"pool-exclusive", func() error { return reserve(`pool="exclusive"`) }},
		{"element", func() error { return reserve(`weight="0"`) }},
		{"element-unreadable", func() error {
			r := s.request(window.UUID{99})
			r.Metadata = "<gpu"
			return s.Reserve(ctx, r)
		}},
		{"socket-elsewhere", func() error {
			r := s.request(window.UUID{99})
			r.SocketPath = "/tmp/ivshmem.sock"
			return s.Reserve(ctx, r)
		}},
		{"isolation", func() error { return reserve(`pool="shared"`) }},
		{"no-gpu", func() error { return reserve(`pool="uuid"`) }},
		{"not-started", func() error { return s.Started(window.UUID{99}) }},
		{"change-without-slot", func() error {
			_, err := s.Change(ctx, window.UUID{99}, `<gpu xmlns="urn:libvirt-vgpu:1"/>`)
			return err
		}},
		{"reserved-twice", func() error {
			_, err := s.pools["left"].Acquire(ctx, poolRequest("02000000-0000-0000-0000-000000000000"))
			return err
		}},
		{"session-name", func() error { _, _, err := s.OpenSession(ctx, SessionRequest{Name: "a\nb"}); return err }},
		{"session-priority", func() error {
			_, _, err := s.OpenSession(ctx, SessionRequest{Name: "x", Priority: "urgent"})
			return err
		}},
		{"not-authorized", func() error {
			_, err := authority.Authority{SessionGroup: -1}.Check(ctx, nobody{}, ":1.7", authority.ManageSlots, false)
			return err
		}},
		{"no-polkit", func() error {
			_, err := authority.Authority{SessionGroup: -1}.Check(ctx, nobody{polkit: authority.ErrNoPolkit}, ":1.7", authority.OpenSession, false)
			return err
		}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			err := tc.cause()
			if err == nil {
				t.Fatal("not refused")
			}
			name := ""
			for kind, its := range refusal.Names() {
				if errors.Is(err, kind) {
					name = its
					seen = append(seen, kind)
				}
			}
			text := strings.ReplaceAll(err.Error(), s.runDir, "RUN-DIR")
			if name == "" || !strings.Contains(text, "; ") || strings.ContainsAny(text, "\n\t") || len(text) > 900 {
				t.Errorf("%q, of kind %q, is no sentence with what to do", text, name)
			}
			path := filepath.Join("testdata", "refusals", tc.name+".golden")
			got := name + ": " + text + "\n"
			if *update {
				if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(path)
			if err != nil {
				t.Fatalf("%v; run go test -update", err)
			}
			if got != string(want) {
				t.Errorf("got  %swant %s", got, want)
			}
		})
	}
	for kind, name := range refusal.Names() {
		if !slices.Contains(seen, kind) {
			t.Errorf("no golden file has a %s", name)
		}
	}
}

func poolRequest(owner string) pool.Request { return pool.Request{Owner: owner, Priority: "normal"} }
