package daemon_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"libvirt-vgpu/mediatord/internal/bus"
	"libvirt-vgpu/mediatord/internal/daemontest"
	"libvirt-vgpu/mediatord/internal/executortest"
	"libvirt-vgpu/mediatord/internal/metrics"
	"libvirt-vgpu/plugin/window"
)

func (s *stage) events(since uint64) []bus.Event {
	s.Helper()
	var all []bus.Event
	if err := s.conn.Object(bus.Service, bus.Root).Call(bus.ManagerInterface+".Events", 0, since).Store(&all); err != nil {
		s.Fatal(err)
	}
	return all
}

func TestWhatHappenedShowsOnTheBus(t *testing.T) {
	s := start(t, onePool())
	s.mustReserve(uuid)
	g := s.boot(uuid)
	defer g.off()
	if err := s.call("Started", uuid); err != nil {
		t.Fatal(err)
	}
	g.window.SetProcess(0, window.Process{PID: 77, UID: 1000, Comm: "python"})
	g.set(0, window.GuestStart, 1)
	g.untilHost(0, window.HostReady, 1)
	g.order(0, executortest.OrderAllocate)
	s.until("the call's count", func() bool {
		return s.property(uuid, "Statistics").(map[string]uint64)["Calls"] == 1
	})
	g.order(0, executortest.OrderFault)
	g.untilHost(0, window.HostFailed, 1)
	if faults := s.property(uuid, "Faults").(map[uint32]uint64); faults[700] != 1 || len(faults) != 1 {
		t.Errorf("faults are %v", faults)
	}
	if started, died := s.property(uuid, "ExecutorsStarted"), s.property(uuid, "ExecutorsDied"); started != uint64(1) || died != uint64(1) {
		t.Errorf("%v executors started, %v died", started, died)
	}
	if calls := s.property(uuid, "Statistics").(map[string]uint64)["Calls"]; calls != 1 {
		t.Errorf("%d calls after the executor's end", calls)
	}
	if err := s.call("Release", uuid); err != nil {
		t.Fatal(err)
	}
	if err := s.reserve(uuid, `pool="lead"`); err == nil {
		t.Fatal("a pool that does not exist was found")
	}
	var all []bus.Event // without the scheduler's
	var kinds []string
	for i, e := range s.events(0) {
		if e.Kind != "lease-granted" {
			all, kinds = append(all, e), append(kinds, e.Kind)
		}
		if e.Domain != "web" || e.DomainUUID != uuid || e.Sequence != uint64(i)+1 || e.Time == 0 {
			t.Errorf("event is %+v", e)
		}
	}
	want := []string{"slot-reserved", "domain-started", "executor-started", "executor-ready", "fault", "executor-ended", "channel-failed", "slot-released", "slot-refused"}
	if !slices.Equal(kinds, want) {
		t.Fatalf("happened: %v", kinds)
	}
	if e := all[2]; e.Channel != 0 || e.Process != 77 || e.Command != "python" || e.Executor == 0 || e.Pool != "default" || e.GPU != "soft" {
		t.Errorf("the start is %+v", e)
	}
	if e := all[0]; e.Channel != -1 {
		t.Errorf("the reservation is of channel %d", e.Channel)
	}
	if rest := s.events(all[len(all)-2].Sequence); len(rest) != 1 || rest[0].Kind != "slot-refused" || rest[0].Text == "" {
		t.Errorf("after the last but one came %+v", rest)
	}
}

func TestMetricsFollowTheDomains(t *testing.T) {
	path := filepath.Join(t.TempDir(), "metrics.sock")
	d := daemontest.Start(t, daemontest.Bus(t), onePool(), "--metrics", "unix:"+path+",127.0.0.1:0")
	s := &stage{T: t, Daemon: d, conn: d.Connect(t)}
	client := http.Client{Transport: &http.Transport{DialContext: func(context.Context, string, string) (net.Conn, error) {
		return net.Dial("unix", path)
	}}}
	shown := func(line string) bool {
		response, err := client.Get("http://mediatord/metrics")
		if err != nil {
			t.Fatal(err)
		}
		defer response.Body.Close()
		text, err := io.ReadAll(response.Body)
		if err != nil {
			t.Fatal(err)
		}
		return strings.Contains(string(text), line)
	}
	s.mustReserve(uuid)
	g := s.boot(uuid)
	defer g.off()
	g.set(0, window.GuestStart, 1)
	g.untilHost(0, window.HostReady, 1)
	g.order(0, executortest.OrderAllocate)
	line := `vgpu_domain_calls_total{domain="web",domain_uuid="` + uuid + `",pool="default"} 1`
	s.until("the call in the metrics", func() bool { return shown(line) })
	if !shown(`vgpu_pool_slots_used{pool="default"} 1`) || !shown(`vgpu_events_total{kind="executor-ready"} 1`) {
		t.Error("pool or events are not shown")
	}
	if err := s.call("Release", uuid); err != nil {
		t.Fatal(err)
	}
	if shown(uuid) {
		t.Error("a domain that is gone is shown")
	}
	d.Stop(t)
	if _, err := os.Stat(path); !os.IsNotExist(err) {
		t.Errorf("the socket is left: %v", err)
	}
}

func TestMetricsAddressThatOthersReach(t *testing.T) {
	_, err := daemontest.Run([]string{"--bus", daemontest.Bus(t), "--pools", t.TempDir(), "--run-dir", t.TempDir(), "--executor", "/bin/true",
		"--module-cache", t.TempDir(), "--metrics", "0.0.0.0:9835"})
	if !errors.Is(err, metrics.ErrAddress) {
		t.Errorf("error is %v", err)
	}
}
