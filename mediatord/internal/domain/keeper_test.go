package domain

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	logtest "github.com/sirupsen/logrus/hooks/test"
	"libvirt.org/go/libvirt"

	"libvirt-vgpu/mediatord/internal/domain/domaintest"
	"libvirt-vgpu/mediatord/internal/mediator"
	"libvirt-vgpu/mediatord/internal/refusal"
	"libvirt-vgpu/plugin/window"
)

// fakeMediator answers every change alike.
type fakeMediator struct {
	change mediator.Change
	err    error
	calls  *[]string
}

func (f fakeMediator) Change(_ context.Context, id window.UUID, metadata string) (mediator.Change, error) {
	*f.calls = append(*f.calls, fmt.Sprintf("change %s %s", id, metadata))
	return f.change, f.err
}

func TestKeeper(t *testing.T) {
	device, element := domaintest.Device(), domaintest.Element(`pool="gold" memory="2GiB"`)
	with, without, plain := domaintest.XML(element, device), domaintest.XML(element, ""), domaintest.XML("", device)
	older := domaintest.XML(element, strings.Replace(device, `"33"`, `"4"`, 1))
	foreign := domaintest.XML(element, `<shmem name="vgpu0"><model type="ivshmem-plain"/><size unit="M">4</size></shmem>`)
	attach, detach := fmt.Sprintf("attach %d", libvirt.DOMAIN_DEVICE_MODIFY_CONFIG), fmt.Sprintf("detach %d", libvirt.DOMAIN_DEVICE_MODIFY_CONFIG)
	change := "change " + domaintest.UUID + ` <vgpu:gpu xmlns:vgpu="urn:libvirt-vgpu:1" pool="gold" priority="normal" memory="2GiB" weight="100" window="1GiB"/>`
	noSlot := refusal.Because(refusal.ErrNoSuchDomain, "no slot; start it")
	for _, tc := range []struct {
		name         string
		stored, live string
		reason       Reason
		change       mediator.Change
		refused      error // by mediatord
		libvirt      error // libvirt's refusal
		calls        []string
		logs         string // in a line of the log
		fails        bool
	}{
		{name: "element without device", stored: without, calls: []string{attach}, logs: "added the device"},
		{name: "all there", stored: with},
		{name: "device of other vectors", stored: older, calls: []string{detach, attach}, logs: "added the device"},
		{name: "a device that we did not make", stored: foreign, logs: "remove it with virsh edit web1"},
		{name: "device before its element", stored: plain},
		{name: "element removed", stored: plain, reason: MetadataChanged, calls: []string{detach}, logs: "removed the device"},
		{name: "element removed, no device", stored: domaintest.XML("", ""), reason: MetadataChanged},
		{name: "bad element", stored: domaintest.XML(domaintest.Element(`weight="0"`), ""), logs: "refused at its next start"},
		{name: "libvirt refuses", stored: without, libvirt: errors.New("no more slots"), fails: true},

		{name: "running, settings in force", stored: with, live: with, calls: []string{change}},
		{name: "running, a part with the next start", live: with, change: mediator.Change{Restart: []string{"window", "pool"}}, calls: []string{change}, logs: "window and pool of the running domain changes with its next start"},
		{name: "running, refused", live: with, refused: refusal.Because(refusal.ErrMemoryExceedsPool, "too much"), calls: []string{change}, logs: "new ones are refused"},
		{name: "running without a vGPU", live: without, refused: noSlot, reason: MetadataChanged, calls: []string{change}, logs: "vgpuctl attach --live web1"},
		{name: "starting", live: with, refused: noSlot, reason: MetadataChanged, calls: []string{change}},
		{name: "running, element removed", live: plain, reason: MetadataChanged, logs: "vgpuctl detach --live web1"},
		{name: "running, bad element", live: domaintest.XML(domaintest.Element(`weight="0"`), device), logs: "keeps what it has"},
		{name: "running, no vGPU at all", live: domaintest.XML("", ""), reason: Seen},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var calls []string
			log, hook := logtest.NewNullLogger()
			k := Keeper{Mediator: fakeMediator{change: tc.change, err: tc.refused, calls: &calls}, Log: log}
			err := k.Follow(t.Context(), &domaintest.Domain{Stored: tc.stored, Live: tc.live, Refusal: tc.libvirt, Calls: &calls}, tc.reason)
			if (err != nil) != tc.fails {
				t.Errorf("error %v", err)
			}
			if !slices.Equal(calls, tc.calls) {
				t.Errorf("calls %q, wanted %q", calls, tc.calls)
			}
			said := ""
			for _, e := range hook.AllEntries() {
				said += e.Message + "\n"
			}
			if !strings.Contains(said, tc.logs) || (tc.logs == "") != (said == "") {
				t.Errorf("logged %q, wanted %q", said, tc.logs)
			}
		})
	}
}

type uuid string

func (u uuid) GetUUIDString() (string, error) { return string(u), nil }

func TestQueueHoldsEachDomainOnceWithItsBestReason(t *testing.T) {
	q := newQueue()
	for _, e := range []struct {
		uuid   uuid
		reason Reason
	}{{"a", Seen}, {"b", MetadataChanged}, {"a", MetadataChanged}, {"b", Seen}} {
		q.add(e.uuid, e.reason)
	}
	for _, want := range []string{"a", "b"} {
		if got, reason, ok := q.next(t.Context(), nil); got != want || reason != MetadataChanged || !ok {
			t.Errorf("got %s, %v, %v; want %s", got, reason, ok, want)
		}
	}
	broken := make(chan struct{})
	close(broken)
	if got, _, ok := q.next(t.Context(), broken); ok {
		t.Errorf("a broken connection gave %q", got)
	}
}

func TestTextKeepsWhatWasDone(t *testing.T) {
	failure := libvirt.Error{Code: 1, Domain: 10, Message: "no such thing"}
	for _, err := range []error{fmt.Errorf("adding: %w", failure), failure, errors.New("plain")} {
		want := map[bool]string{true: "adding: no such thing", false: "no such thing"}[err.Error() != failure.Error()]
		if err.Error() == "plain" {
			want = "plain"
		}
		if got := Text(err); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}
