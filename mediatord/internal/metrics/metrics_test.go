package metrics

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/sirupsen/logrus"

	"libvirt-vgpu/mediatord/internal/events"
	"libvirt-vgpu/mediatord/internal/gpu"
	"libvirt-vgpu/mediatord/internal/mediator"
	"libvirt-vgpu/mediatord/internal/reconcile"
	"libvirt-vgpu/mediatord/internal/slot"
	"libvirt-vgpu/plugin/window"
)

var update = flag.Bool("update", false, "write the golden files")

// host is a Source and a Telemetry.
type host struct {
	slots map[window.UUID]slot.Status
}

func (h *host) PoolNames() []string { return []string{"gold", "gone"} }

func (h *host) Pool(name string) (mediator.PoolStatus, error) {
	if name == "gone" {
		return mediator.PoolStatus{}, errors.New("no such pool")
	}
	return mediator.PoolStatus{Name: name, Slots: 8, Used: 2, Promised: 48 << 30, Weight: 200}, nil
}

func (h *host) SlotIDs() []window.UUID {
	ids := []window.UUID{{0xff}} // released since it was listed
	for id := range h.slots {
		ids = append(ids, id)
	}
	return ids
}

func (h *host) Slot(id window.UUID) (slot.Status, error) {
	s, found := h.slots[id]
	if !found {
		return s, errors.New("no such slot")
	}
	return s, nil
}

func (h *host) GPUs() []mediator.GPUStatus {
	return []mediator.GPUStatus{
		{Name: "NVIDIA H200", UUID: "GPU-1", PCI: "0000:01:00.0", Memory: 141 << 30, Driver: "580.159.04", Available: true},
		{Name: "Software GPU", UUID: "soft", Memory: 8 << 30, Driver: "580.159.04"},
		{PCI: "0000:02:00.0"},
	}
}

func (h *host) Xids(pci string) (map[uint64]uint64, uint64) {
	if pci != "0000:01:00.0" {
		return nil, 0
	}
	return map[uint64]uint64{31: 2, 43: 1}, 43
}

func (h *host) EventCounts() map[events.Kind]uint64 {
	return map[events.Kind]uint64{events.SlotReserved: 3, events.SlotRefused: 1}
}

func (h *host) Telemetry(pci string) (gpu.Telemetry, error) {
	if pci != "0000:01:00.0" {
		return gpu.Telemetry{}, gpu.ErrNotFound
	}
	known := func(v float64) gpu.Reading { return gpu.Reading{Value: v, Known: true} }
	return gpu.Telemetry{
		Utilization: known(0.75), MemoryUtilization: known(0.5), MemoryUsed: known(1 << 30), MemoryTotal: known(141 << 30),
		Temperature: known(41), Power: known(350.5), PowerLimit: known(700), Energy: known(1000), SMClock: known(1.98e9), MemoryClock: known(3.2e9), ECCErrors: known(2),
	}, nil
}

func testHost() *host {
	return &host{slots: map[window.UUID]slot.Status{
		{1}: {
			UUID: "01000000-0000-0000-0000-000000000000", Name: "web", Kind: slot.Domain, Pool: "gold", Priority: "high", Weight: 200,
			State: slot.Running, Connected: true, GPU: "GPU-1", Quota: 16 << 30, MemoryUsed: 3 << 20, Parked: 2 << 20,
			Channels: []reconcile.ChannelStatus{
				{Channel: 0, State: "ready", Queued: 640}, {Channel: 1, State: "ready", Queued: 64}, {Channel: 2, State: "failed"},
			},
			Refused: map[string]uint64{"cuMemAllocManaged": 4, "rm -rf": 1, "\x00": 2},
			Totals: reconcile.Totals{
				Statistics: window.Statistics{Calls: 100, Waits: 40, Launches: 50, GraphLaunches: 5, BytesIn: 1 << 20, BytesOut: 2 << 20, BytesWithin: 3 << 20, GPUTime: 2_500_000_000},
				Started:    3, Died: 1, Faults: map[uint32]uint64{700: 1},
			},
		},
		{2}: {
			UUID: "02000000-0000-0000-0000-000000000000", Name: "bench\xff", Kind: slot.Session, Pool: "gold", Priority: "normal", Weight: 100,
			State: slot.Reserved, GPU: "GPU-1", Quota: 32 << 30,
		},
	}}
}

func registry(t *testing.T, h *host) *prometheus.Registry {
	t.Helper()
	r, err := NewRegistry(h, h, "1.2.3")
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// exposition is what a Prometheus would read, without what Go itself shows.
func exposition(t *testing.T, h *host) string {
	t.Helper()
	listener, err := Listen("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	text := scrape(t, listener, registry(t, h), func() (net.Conn, error) { return net.Dial("tcp", listener.Addr().String()) })
	var own strings.Builder
	for line := range strings.Lines(text) {
		if strings.Contains(line, "vgpu_") {
			own.WriteString(line)
		}
	}
	return own.String()
}

// scrape serves, asks once, and stops serving.
func scrape(t *testing.T, listener net.Listener, r *prometheus.Registry, dial func() (net.Conn, error)) string {
	t.Helper()
	log := logrus.New()
	log.SetOutput(io.Discard)
	ctx, cancel := context.WithCancel(t.Context())
	served := make(chan error, 1)
	go func() { served <- Serve(ctx, listener, r, log) }()
	client := http.Client{Transport: &http.Transport{
		DialContext: func(context.Context, string, string) (net.Conn, error) { return dial() }, DisableKeepAlives: true,
	}}
	response, err := client.Get("http://mediatord/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode != http.StatusOK {
		t.Fatalf("%s: %s, %v", response.Status, text, err)
	}
	cancel()
	if err := <-served; err != nil {
		t.Error(err)
	}
	return string(text)
}

func TestExposition(t *testing.T) {
	got := exposition(t, testHost())
	golden := filepath.Join("testdata", "exposition.golden")
	if *update {
		if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s differs; -update writes it\n%s", golden, got)
	}
}

func TestMetricsAreWellNamed(t *testing.T) {
	problems, err := testutil.GatherAndLint(registry(t, testHost()))
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		t.Errorf("%s: %s", p.Metric, p.Text)
	}
	promtool := exec.Command("promtool", "check", "metrics")
	promtool.Stdin = strings.NewReader(exposition(t, testHost()))
	if out, err := promtool.CombinedOutput(); err != nil || len(bytes.TrimSpace(out)) > 0 {
		t.Errorf("promtool (Debian package prometheus): %v\n%s", err, out)
	}
}

func TestWhatIsGoneIsNotShown(t *testing.T) {
	h := testHost()
	r := registry(t, h)
	count := func() int {
		n, err := testutil.GatherAndCount(r, "vgpu_domain_calls_total", "vgpu_domain_refused_calls_total")
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	if n := count(); n != 4 { // two domains, one carried name, and "other"
		t.Errorf("%d series", n)
	}
	clear(h.slots)
	if n := count(); n != 0 {
		t.Errorf("%d series of domains that are gone", n)
	}
}

func TestListen(t *testing.T) {
	for _, bad := range []string{"", ":9100", "0.0.0.0:9100", "192.0.2.1:9100", "localhost:9100", "[::]:9100", "unix:here", "/run/x"} {
		if l, err := Listen(bad); !errors.Is(err, ErrAddress) {
			t.Errorf("%q: %v, %v", bad, l, err)
		}
	}
	path := filepath.Join(t.TempDir(), "metrics.sock")
	for range 2 { // the second one replaces what the first one left
		l, err := Listen("unix:" + path)
		if err != nil {
			t.Fatal(err)
		}
		l.(*net.UnixListener).SetUnlinkOnClose(false)
		text := scrape(t, l, registry(t, testHost()), func() (net.Conn, error) { return net.Dial("unix", path) })
		if !strings.Contains(text, "vgpu_build_info{version=\"1.2.3\"} 1") || !strings.Contains(text, "process_open_fds") {
			t.Error(text)
		}
	}
	if err := os.WriteFile(path+"x", nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Listen("unix:" + path + "x"); err == nil {
		t.Error("a file was replaced")
	}
}
