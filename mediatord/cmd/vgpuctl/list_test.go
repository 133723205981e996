package main

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"libvirt-vgpu/mediatord/internal/daemontest"
	"libvirt-vgpu/mediatord/internal/domain/domaintest"
)

func TestDescribeDomain(t *testing.T) {
	device := domaintest.Device()
	xml := func(attributes string) string { return domaintest.XML(domaintest.Element(attributes), device) }
	slot := slotStatus{UUID: domaintest.UUID, DomainName: "web1", Kind: "domain", Pool: "gold", Priority: "normal", Weight: 100, Window: 1 << 30, MemoryQuota: 2 << 30, GPU: "0000:01:00.0"}
	gold := xml(`pool="gold" memory="2GiB"`)
	for _, tc := range []struct {
		name         string
		stored, live string
		slot         bool
		found        bool
		next         []string
		problem      string
	}{
		{name: "plain", stored: domaintest.XML("", "")},
		{name: "shut off", stored: gold, found: true},
		{name: "running as configured", stored: gold, live: gold, slot: true, found: true},
		{name: "transient", live: gold, slot: true, found: true},
		{name: "changed for the next start", stored: xml(`pool="silver" memory="3GiB" weight="7" window="2GiB" priority="low"`), live: gold, slot: true, found: true,
			next: []string{"pool silver", "priority low", "memory 3GiB", "weight 7", "window 2GiB"}},
		{name: "set while it runs", stored: xml(`pool="silver" memory="2GiB" window="128MiB"`), live: xml(`pool="silver" memory="2GiB" window="128MiB"`), slot: true, found: true,
			next: []string{"pool silver", "window 128MiB"}},
		{name: "the pool's default memory next", stored: xml(`pool="gold"`), live: gold, slot: true, found: true},
		{name: "element removed", stored: domaintest.XML("", ""), live: gold, slot: true, found: true, next: []string{"no vGPU"}},
		{name: "no device", stored: domaintest.XML(domaintest.Element(""), ""), found: true, problem: "no device in the persistent configuration: vgpuctl attach web1"},
		{name: "no device in the running domain", stored: gold, live: domaintest.XML(domaintest.Element(""), ""), found: true, problem: "vgpuctl attach --live web1"},
		{name: "no slot", stored: gold, live: gold, found: true, problem: "runs without a slot"},
		{name: "bad element", stored: xml(`weight="0"`), found: true, problem: `weight="0" is not valid`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var slots []slotStatus
			if tc.slot {
				slots = append(slots, slot)
			}
			l, found, err := describeDomain(&domaintest.Domain{Stored: tc.stored, Live: tc.live}, slots)
			if err != nil || found != tc.found || !slices.Equal(l.NextStart, tc.next) && len(tc.next)+len(l.NextStart) > 0 {
				t.Errorf("got %+v, %v, %v", l, found, err)
			}
			if tc.problem == "" && l.Problem != "" || !strings.Contains(l.Problem, tc.problem) {
				t.Errorf("problem is %q", l.Problem)
			}
			if tc.slot && (l.Memory != 2<<30 || l.GPU != slot.GPU || l.State != "running") {
				t.Errorf("got %+v", l)
			}
		})
	}
}

// A domain that cannot be read has no terms to show, one that its pool would refuse says so.
func TestListSaysWhoWillNotStart(t *testing.T) {
	d := daemontest.Start(t, daemontest.Bus(t), map[string]string{"default": `gpus = ["soft"]`})
	var all []listed
	for _, attributes := range []string{`memory="1TiB"`, `pool="silver"`, "", `weight="0"`} {
		l, _, err := describeDomain(&domaintest.Domain{Stored: domaintest.XML(domaintest.Element(attributes), domaintest.Device())}, nil)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, l)
	}
	checkAdmission(t.Context(), d.Address, all)
	var out strings.Builder
	if err := printList(&out, all); err != nil {
		t.Fatal(err)
	}
	golden(t, "list-refused.golden", out.String())
}

func TestListShowsSessionsWithoutLibvirtAndSaysWhatIsMissing(t *testing.T) {
	d := daemontest.Start(t, daemontest.Bus(t), map[string]string{"default": `gpus = ["soft"]`})
	_, hold, err := openSession(t.Context(), d.Address, "", "high", 1<<30, "training")
	if err != nil {
		t.Fatal(err)
	}
	defer hold.Close()
	code, out, errs := vgpuctl("list", "--json", "--bus", d.Address, "--connect", "nonsense:///x")
	var all []listed
	if err := json.Unmarshal([]byte(out), &all); err != nil || code != 0 || len(all) != 1 || all[0].Name != "training" || all[0].Kind != "session" || all[0].Memory != 1<<30 {
		t.Errorf("status %d, %v, %s", code, err, out)
	}
	if !strings.Contains(errs, "the list is not whole: cannot reach libvirt") {
		t.Errorf("said %q", errs)
	}
	if code, out, errs := vgpuctl("list", "--bus", d.Address, "--connect", "test:///default"); code != 0 || !strings.Contains(out, "training") || errs != "" {
		t.Errorf("status %d, %q, %s", code, errs, out)
	}
	if code, _, errs := vgpuctl("list", "--bus", "unix:path=/nonexistent", "--connect", "nonsense:///x"); code != 1 || !strings.Contains(errs, "cannot reach the message bus") {
		t.Errorf("status %d, %q", code, errs)
	}
}

// What is parked shows per domain, in words and for programs.
func TestListShowsWhatIsParked(t *testing.T) {
	const gib = 1 << 30
	away := channelStatus{State: "ready", MemoryUsed: 3 * gib, Parked: 2 * gib, ContextParked: true}
	s := status{Slots: []slotStatus{
		{DomainName: "awake", UUID: "1", Kind: "domain", State: "running", Pool: "gold", Priority: "high", Weight: 100, GPU: "0000:01:00.0",
			MemoryQuota: 8 * gib, MemoryUsed: gib, Channels: []channelStatus{{State: "ready", MemoryUsed: gib}}},
		{DomainName: "memory", UUID: "2", Kind: "domain", State: "running", Pool: "gold", Priority: "normal", Weight: 100, GPU: "0000:01:00.0",
			MemoryQuota: 8 * gib, MemoryUsed: 5 * gib, MemoryParked: 3*gib + gib/2, Channels: []channelStatus{{State: "ready", MemoryUsed: 5 * gib, Parked: 3*gib + gib/2}}},
		{DomainName: "both", UUID: "3", Kind: "domain", State: "running", Pool: "gold", Priority: "low", Weight: 50, GPU: "0000:01:00.0",
			MemoryQuota: 16 * gib, MemoryUsed: 6 * gib, MemoryParked: 4 * gib, Channels: []channelStatus{away, away, {State: "ready"}}},
		{DomainName: "context", UUID: "4", Kind: "session", State: "running", Pool: "default", Priority: "low", Weight: 1, GPU: "soft",
			MemoryQuota: gib, MemoryUsed: 600 << 20, Channels: []channelStatus{{State: "ready", MemoryUsed: 600 << 20, ContextParked: true}}},
	}}
	all := append(others(s, nil), listed{Name: "off", UUID: "5", Kind: "domain", State: "shut off", Pool: "gold", Priority: "normal", Weight: 100, NextStart: []string{}})
	var out, tables strings.Builder
	if err := printList(&out, all); err != nil {
		t.Fatal(err)
	}
	golden(t, "list.golden", out.String())
	text, err := json.MarshalIndent(all, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "list.json", string(text)+"\n")
	if err := s.print(&tables); err != nil {
		t.Fatal(err)
	}
	golden(t, "status-parked.golden", tables.String())
}
