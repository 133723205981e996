package e2e

import (
	"context"
	"encoding/json"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"libvirt-vgpu/tests/stage"
	"libvirt-vgpu/tests/vm"
	"libvirt-vgpu/tests/vm/manifest"
)

// topDomain is what `vgpuctl top --json` shows of a domain.
type topDomain struct {
	Name        string   `json:"name"`
	Priority    string   `json:"priority"`
	Weight      int      `json:"weight"`
	MemoryQuota uint64   `json:"memory_quota"`
	Share       *float64 `json:"gpu_share"`
}

// changesShow changes priority, weight and quota of a running domain, by virsh and by
// vgpuctl, beside a process of the host that has normal priority and weight 100. Both always
// have work.
func (s *show) changesShow(t *testing.T, g *stage.Guest) {
	const depth = "200" // kernels, so that even an emulated processor posts them sooner than they run
	must(t, g.Begin(manifest.Step{Name: "busy", Argv: []string{"/usr/bin/steady", "600", depth}, Background: true, Timeout: 10 * time.Minute}))
	must(t, g.Said(s.within(t, time.Minute), "busy", "started"))
	ctx, stop := context.WithCancel(s.ctx)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		build := filepath.Join(vm.Root(), "build")
		_, _ = s.Vgpuctl(ctx, "run", "--lib-dir", filepath.Join(build, "guest"), "--", filepath.Join(build, "tests", "steady"), "600", depth)
	}()
	defer func() {
		stop()
		<-ended
	}()

	s.untilTop(t, g.Name, "high beside normal", func(d topDomain, part float64) bool {
		return d.Priority == "high" && d.Weight == 200 && part > .6
	})
	s.metadata(t, g.Name, "--live", "--set", `<gpu pool="default" priority="normal" memory="1GiB" weight="20" window="256MiB"/>`)
	s.untilTop(t, g.Name, "weight 20 beside 100", func(d topDomain, part float64) bool {
		return d.Priority == "normal" && d.Weight == 20 && part > .02 && part < .4
	})
	_, err := s.Vgpuctl(s.ctx, "set", g.Name, "--weight", "900", "--memory", "768MiB")
	must(t, err)
	s.untilTop(t, g.Name, "weight 900 beside 100", func(d topDomain, part float64) bool {
		return d.Weight == 900 && d.MemoryQuota == 768*mib && part > .5
	})
	must(t, g.Begin(manifest.Step{Name: "end busy", Kill: "busy", Signal: int(syscall.SIGTERM)}))
	result, err := g.Result(s.within(t, time.Minute), "busy")
	must(t, err)
	if result.Exit != 0 {
		t.Errorf("the guest's program ended with %d: %q", result.Exit, result.Output)
	}
}

// untilTop waits until top shows a domain as it should be; part is its part of the GPU time
// that was used.
func (s *show) untilTop(t *testing.T, domain, what string, right func(d topDomain, part float64) bool) {
	t.Helper()
	var last string
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); {
		out, err := s.Vgpuctl(s.ctx, "top", "--json", "--interval", "1s")
		must(t, err)
		var top struct {
			Domains []topDomain `json:"domains"`
		}
		must(t, json.Unmarshal([]byte(out), &top))
		var sum float64
		var found topDomain
		for _, d := range top.Domains {
			if d.Share == nil {
				continue
			}
			sum += *d.Share
			if d.Name == domain {
				found = d
			}
		}
		if len(top.Domains) == 2 && found.Share != nil && sum > 0 && right(found, *found.Share/sum) {
			t.Logf("%s: %s has %.3f of what is used", what, domain, *found.Share/sum)
			return
		}
		last = out
	}
	t.Errorf("%s: top does not show it; last it showed\n%s", what, last)
}
