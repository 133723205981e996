package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/pflag"
	"libvirt.org/go/libvirt"

	"libvirt-vgpu/mediatord/internal/domain/domaintest"
	vgpuxml "libvirt-vgpu/xml"
)

// fakeMediatord is a mediatord that says yes, or refusal.
type fakeMediatord struct {
	refusal error
	restart []string // what change leaves for the next start
	calls   *[]string
}

func (r fakeMediatord) note(format string, args ...any) error {
	*r.calls = append(*r.calls, fmt.Sprintf(format, args...))
	return r.refusal
}

func (r fakeMediatord) reserve(_ context.Context, domain vgpuxml.Domain, socket string) error {
	return r.note("reserve %s %s %s", domain.UUID, domain.GPU.Pool, socket)
}
func (r fakeMediatord) started(_ context.Context, uuid string) error {
	_ = r.note("started %s", uuid)
	return nil
}
func (r fakeMediatord) release(_ context.Context, uuid string) error {
	_ = r.note("release %s", uuid)
	return nil
}
func (r fakeMediatord) check(_ context.Context, g vgpuxml.GPU) error {
	return r.note("check %s", g.Snippet())
}
func (r fakeMediatord) change(_ context.Context, uuid string, g vgpuxml.GPU) ([]string, []string, error) {
	return []string{"memory"}, r.restart, r.note("change %s %s", uuid, g.Snippet())
}

// flags parses a command's settings.
func flags(t *testing.T, args ...string) *settings {
	t.Helper()
	set := pflag.NewFlagSet("test", pflag.ContinueOnError)
	s := addSettings(set)
	if err := set.Parse(args); err != nil {
		t.Fatal(err)
	}
	return s
}

// The names of libvirt's flags in domaintest's calls.
var (
	onConfig = fmt.Sprint(int(libvirt.DOMAIN_DEVICE_MODIFY_CONFIG))
	onLive   = fmt.Sprint(int(libvirt.DOMAIN_DEVICE_MODIFY_LIVE))
)

const reserveCall = "reserve " + domaintest.UUID + " gold /run/vgpu/domain-" + domaintest.UUID + "/ivshmem.sock"

func TestAttach(t *testing.T) {
	element, device := domaintest.Element(`pool="gold"`), domaintest.Device()
	with, without, plain := domaintest.XML(element, device), domaintest.XML(element, ""), domaintest.XML("", "")
	started, release := "started "+domaintest.UUID, "release "+domaintest.UUID
	admission := `check <gpu pool="gold"/>`
	noSlot := libvirt.Error{Message: "internal error: No more available PCI slots"}
	for _, tc := range []struct {
		name         string
		stored, live string
		running      bool
		wanted       []string
		unplugged    error // libvirt's refusal
		refused      error // mediatord's
		calls        []string
		says         string // its output or its error contains
		fails        bool
	}{
		{name: "added", stored: without, calls: []string{"attach " + onConfig, admission}, says: "web1: added the device vgpu0 to the persistent configuration\n"},
		{name: "there already", stored: with, calls: []string{admission}, says: "web1: the persistent configuration has the device vgpu0 already\n"},
		{name: "with an element that the pool refuses", stored: with, refused: errors.New("at most 80GiB"), calls: []string{admission},
			says: "web1: it will be refused at its next start: at most 80GiB"},
		{name: "there already, without mediatord", stored: with, refused: errNoMediatord, calls: []string{admission}, says: "has the device vgpu0 already\n"},
		{name: "running domain's device counts only live", stored: without, live: with, calls: []string{"attach " + onConfig, admission}, says: "added"},
		{name: "no element", stored: plain, says: `virsh metadata web1 --uri urn:libvirt-vgpu:1 --key vgpu --set '<gpu pool="default"/>' --config`, fails: true},
		{name: "bad element", stored: domaintest.XML(domaintest.Element(`weight="0"`), ""), says: `weight="0"`, fails: true},
		{name: "element of another version", stored: strings.ReplaceAll(without, "vgpu:1", "vgpu:2"), says: "virsh edit web1", fails: true},
		{name: "other device", stored: domaintest.XML(element, strings.Replace(device, `"33"`, `"4"`, 1)), says: `vectors is "4", must be "33"`, fails: true},
		{name: "transient", live: without, says: "use --live", fails: true},
		{name: "libvirt refuses", stored: without, unplugged: noSlot, says: "adding the device to the persistent configuration: internal error: No more available PCI slots", fails: true},

		{name: "with a new element", stored: plain, wanted: []string{"--pool", "gold", "--memory", "16GiB"},
			calls: []string{`check <gpu pool="gold" memory="16GiB"/>`, `metadata 2 <gpu pool="gold" memory="16GiB"/>`, "attach " + onConfig},
			says:  `web1: set the metadata of the persistent configuration to <gpu pool="gold" memory="16GiB"/>`},
		{name: "with a changed element", stored: with, wanted: []string{"--weight", "7"},
			calls: []string{`check <gpu pool="gold" weight="7"/>`, `metadata 2 <gpu pool="gold" weight="7"/>`}, says: "already"},
		{name: "with the same element", stored: with, wanted: []string{"--pool", "gold"}, says: "already"},
		{name: "with a bad value", stored: plain, wanted: []string{"--window", "3GiB"}, says: "--window \"3GiB\" is not valid", fails: true},
		{name: "that the pool refuses", stored: plain, wanted: []string{"--memory", "1TiB"}, refused: errors.New("at most 80GiB"),
			calls: []string{`check <gpu pool="default" memory="1TiB"/>`}, says: "at most 80GiB", fails: true},
		{name: "without mediatord", stored: plain, wanted: []string{"--pool", "gold"}, refused: errNoMediatord,
			calls: []string{`check <gpu pool="gold"/>`, `metadata 2 <gpu pool="gold"/>`, "attach " + onConfig}, says: "not checked against pool gold"},

		{name: "live", stored: without, live: without, running: true, calls: []string{reserveCall, "attach " + onLive, started, "attach " + onConfig, admission},
			says: "to the running domain\nweb1: added the device vgpu0 to the persistent"},
		{name: "live again", stored: with, live: with, running: true, calls: []string{admission}, says: "already"},
		{name: "live of a transient domain", live: without, running: true, calls: []string{reserveCall, "attach " + onLive, started}, says: "to the running domain\n"},
		{name: "live but shut off", stored: without, running: true, says: "does not run", fails: true},
		{name: "live without element", stored: without, live: plain, running: true, says: "--live", fails: true},
		{name: "live without a PCI slot", stored: without, live: without, running: true, unplugged: noSlot, calls: []string{reserveCall, release}, says: "No more available PCI slots", fails: true},
		{name: "live without a slot", stored: without, live: without, running: true, refused: errors.New("pool \"gold\" is full"), calls: []string{reserveCall}, says: "is full", fails: true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var calls []string
			var out bytes.Buffer
			a := attacher{
				name: "web1", target: &domaintest.Domain{Stored: tc.stored, Live: tc.live, Refusal: tc.unplugged, Calls: &calls},
				mediatord: fakeMediatord{refusal: tc.refused, calls: &calls}, wanted: flags(t, tc.wanted...), report: newReport("web1", &out, &out, false),
			}
			var err error
			if tc.running {
				err = a.running(t.Context())
			} else {
				err = a.persistent(t.Context())
			}
			checkSaid(t, out.String(), err, tc.says, tc.fails)
			if !slices.Equal(calls, tc.calls) {
				t.Errorf("calls %q, wanted %q", calls, tc.calls)
			}
		})
	}
}

func checkSaid(t *testing.T, said string, err error, wanted string, fails bool) {
	t.Helper()
	if err != nil {
		said += err.Error()
	}
	if (err != nil) != fails || !strings.Contains(said, wanted) {
		t.Errorf("error %v, said %q, wanted %q", err, said, wanted)
	}
}

func TestSet(t *testing.T) {
	device := domaintest.Device()
	have := domaintest.XML(domaintest.Element(`pool="gold" memory="2GiB"`), device)
	const to, full = `<gpu pool="gold" memory="3GiB"/>`, `<gpu pool="gold" priority="low" memory="3GiB"/>`
	change, check := "change "+domaintest.UUID+" ", "check "
	for _, tc := range []struct {
		name                 string
		stored, live         string
		config, alive, named bool
		wanted               []string
		restart              []string
		refused              error
		calls                []string
		says                 string
		fails                bool
	}{
		{name: "shut off", stored: have, config: true, alive: true, wanted: []string{"--memory", "3GiB"},
			calls: []string{check + to, "metadata 2 " + to}, says: "web1: set the metadata of the persistent configuration to " + to},
		{name: "running, both", stored: have, live: have, config: true, alive: true, wanted: []string{"--memory", "3GiB", "--priority", "low"},
			calls: []string{check + full, change + full, "metadata 1 " + full, "metadata 2 " + full}, says: "web1: memory is in force now\n"},
		{name: "running, live only", stored: have, live: have, alive: true, named: true, wanted: []string{"--memory", "3GiB"},
			calls: []string{change + to, "metadata 1 " + to}, says: "running domain"},
		{name: "running, persistent only", stored: have, live: have, config: true, named: true, wanted: []string{"--memory", "3GiB"},
			calls: []string{check + to, "metadata 2 " + to}, says: "persistent configuration"},
		{name: "a part with the next start", live: have, config: true, alive: true, wanted: []string{"--memory", "3GiB"}, restart: []string{"window", "pool"},
			calls: []string{change + to, "metadata 1 " + to}, says: "window and pool are in force with the next start: virsh shutdown web1"},
		{name: "refused, nothing changes", stored: have, live: have, config: true, alive: true, wanted: []string{"--memory", "3GiB"}, refused: errors.New("domain uses 4GiB"),
			calls: []string{check + to}, says: "uses 4GiB", fails: true},
		{name: "the same", stored: have, config: true, alive: true, wanted: []string{"--pool", "gold"},
			calls: []string{check + `<gpu pool="gold" memory="2GiB"/>`}, says: "says that already"},
		{name: "no vGPU", stored: domaintest.XML("", ""), config: true, wanted: []string{"--pool", "gold"}, says: "vgpuctl attach web1", fails: true},
		{name: "no vGPU in either", stored: domaintest.XML("", ""), live: domaintest.XML("", ""), config: true, alive: true, wanted: []string{"--pool", "gold"}, says: "the persistent configuration of web1 has no vGPU", fails: true},
		{name: "none in the running domain, that is named", stored: have, live: domaintest.XML("", ""), alive: true, named: true, wanted: []string{"--memory", "3GiB"},
			says: "the running domain of web1 has no vGPU: give it one with vgpuctl attach web1 --pool POOL --live", fails: true},
		{name: "attached, not yet started again", stored: have, live: domaintest.XML("", ""), config: true, alive: true, wanted: []string{"--memory", "3GiB"},
			calls: []string{check + to, "metadata 2 " + to}, says: "web1: set the metadata of the persistent configuration to " + to},
		{name: "detached, still running", stored: domaintest.XML("", ""), live: have, config: true, alive: true, wanted: []string{"--memory", "3GiB"},
			calls: []string{change + to, "metadata 1 " + to}, says: "running domain"},
		{name: "no device in the running domain", stored: have, live: domaintest.XML(domaintest.Element(""), ""), alive: true, wanted: []string{"--weight", "3"},
			calls: []string{`metadata 1 <gpu pool="default" weight="3"/>`}, says: "vgpuctl attach --live web1"},
		{name: "bad value", stored: have, config: true, wanted: []string{"--priority", "urgent"}, says: `--priority "urgent" is not valid: allowed is high, normal or low`, fails: true},
		{name: "--live of one that is shut off", stored: have, alive: true, named: true, wanted: []string{"--weight", "3"}, says: "leave --live out", fails: true},
		{name: "--config of a transient one", live: have, config: true, named: true, wanted: []string{"--weight", "3"}, says: "leave --config out", fails: true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var calls []string
			var out bytes.Buffer
			s := setter{
				name: "web1", target: &domaintest.Domain{Stored: tc.stored, Live: tc.live, Calls: &calls},
				mediatord: fakeMediatord{refusal: tc.refused, restart: tc.restart, calls: &calls}, wanted: flags(t, tc.wanted...), report: newReport("web1", &out, &out, false),
			}
			err := s.set(t.Context(), tc.config, tc.alive, tc.named)
			checkSaid(t, out.String(), err, tc.says, tc.fails)
			if !slices.Equal(calls, tc.calls) {
				t.Errorf("calls %q, wanted %q", calls, tc.calls)
			}
		})
	}
}

func TestDetach(t *testing.T) {
	with := domaintest.XML(domaintest.Element(`pool="gold"`), domaintest.Device())
	stored := []string{"metadata 2 ", "detach " + onConfig}
	for _, tc := range []struct {
		name         string
		stored, live string
		running      bool
		keeps        bool
		calls        []string
		says         string
		fails        bool
	}{
		{name: "shut off", stored: with, calls: stored, says: "removed the metadata of the persistent configuration\nweb1: removed the device vgpu0 from the persistent"},
		{name: "nothing there", stored: domaintest.XML("", ""), says: "has no metadata of a vGPU\nweb1: there is no device vgpu0"},
		{name: "running on", stored: with, live: with, calls: stored, says: "keeps its vGPU until it stops: take it now with --live"},
		{name: "live", stored: with, live: with, running: true, calls: append(slices.Clone(stored), "metadata 1 ", "detach "+onLive, "release "+domaintest.UUID), says: "its slot is free"},
		{name: "live, the guest keeps it", live: with, running: true, keeps: true, calls: []string{"metadata 1 ", "detach " + onLive}, says: "has not let go of the device within 10ms", fails: true},
		{name: "live but shut off", stored: with, running: true, says: "leave --live out", fails: true},
		{name: "transient", live: with, says: "use --live", fails: true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var calls []string
			var out bytes.Buffer
			d := detacher{
				name: "web1", target: &domaintest.Domain{Stored: tc.stored, Live: tc.live, KeepsDevice: tc.keeps, Calls: &calls},
				mediatord: fakeMediatord{calls: &calls}, report: newReport("web1", &out, &out, false), timeout: 10_000_000,
			}
			err := d.detach(t.Context(), tc.running)
			checkSaid(t, out.String(), err, tc.says, tc.fails)
			if !slices.Equal(calls, tc.calls) {
				t.Errorf("calls %q, wanted %q", calls, tc.calls)
			}
		})
	}
}

func TestReportAsJSON(t *testing.T) {
	var out bytes.Buffer
	r := newReport("web1", &out, &out, true)
	a := attacher{name: "web1", target: &domaintest.Domain{Stored: domaintest.XML(domaintest.Element(""), "")}, wanted: flags(t), report: r}
	if err := r.end(a.persistent(t.Context())); err != nil {
		t.Fatal(err)
	}
	var got report
	if err := json.Unmarshal(out.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	want := step{Action: "add-device", Configuration: "persistent", Changed: true, Text: "added the device vgpu0 to the persistent configuration"}
	if got.Domain != "web1" || len(got.Steps) != 1 || got.Steps[0] != want || got.NeedsRestart == nil {
		t.Errorf("got %s", out.String())
	}
}

// libvirt's own test driver is a hypervisor that needs no daemon.
func TestDomainsByLibvirt(t *testing.T) {
	for _, tc := range []struct {
		args     []string
		mentions string
	}{
		{[]string{"attach", "--connect", "test:///default", "nobody"}, `libvirt knows no domain "nobody"`},
		{[]string{"attach", "-c", "test:///default", "test"}, "has no vgpu:gpu metadata element"},
		{[]string{"attach", "--connect=test:///default", "6695eb01-f6a4-8304-79aa-97f2502e193f"}, "has no vgpu:gpu metadata element"},
		{[]string{"attach", "--connect", "nonsense:///x", "test"}, "cannot reach libvirt at nonsense:///x"},
		{[]string{"set", "--connect", "test:///default", "test"}, "nothing to change"},
		{[]string{"set", "--connect", "test:///default", "test", "--weight", "3"}, "has no vGPU"},
	} {
		if code, _, errs := vgpuctl(append(tc.args, "--bus", "unix:path=/nonexistent")...); code != 1 || !strings.Contains(errs, tc.mentions) {
			t.Errorf("%v: status %d, %q", tc.args, code, errs)
		}
	}
	code, out, errs := vgpuctl("detach", "--connect", "test:///default", "test")
	if code != 0 || !strings.Contains(out, "has no metadata of a vGPU") {
		t.Errorf("detach: status %d, %q, %q", code, out, errs)
	}
}
