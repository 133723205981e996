package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	logtest "github.com/sirupsen/logrus/hooks/test"
	"libvirt.org/go/libvirt"

	"libvirt-vgpu/hooks"
	"libvirt-vgpu/mediatord/internal/domain"
	"libvirt-vgpu/mediatord/internal/domain/domaintest"
	"libvirt-vgpu/mediatord/internal/mediator"
	"libvirt-vgpu/mediatord/internal/refusal"
	"libvirt-vgpu/plugin/window"
	vgpuxml "libvirt-vgpu/xml"
)

// race is a domain on which several people and mediatord work at once.
type race struct {
	*testing.T
	target *domaintest.Domain
	keeper domain.Keeper
	events int      // of changed metadata, which the keeper has not seen yet
	wrong  []string // starts that went half
}

// SetMetadata is the target's, and an event for the keeper.
func (r *race) SetMetadata(kind libvirt.DomainMetadataType, metadata, key, uri string, flags libvirt.DomainModificationImpact) error {
	err := r.target.SetMetadata(kind, metadata, key, uri, flags)
	if err == nil {
		r.events++
	}
	return err
}
func (r *race) GetXMLDesc(flags libvirt.DomainXMLFlags) (string, error) {
	return r.target.GetXMLDesc(flags)
}
func (r *race) IsActive() (bool, error)     { return r.target.IsActive() }
func (r *race) IsPersistent() (bool, error) { return r.target.IsPersistent() }
func (r *race) AttachDeviceFlags(xml string, flags libvirt.DomainDeviceModifyFlags) error {
	return r.target.AttachDeviceFlags(xml, flags)
}
func (r *race) DetachDeviceFlags(xml string, flags libvirt.DomainDeviceModifyFlags) error {
	return r.target.DetachDeviceFlags(xml, flags)
}

// idle is a mediator without slots.
type idle struct{}

func (idle) Change(context.Context, window.UUID, string) (mediator.Change, error) {
	return mediator.Change{}, refusal.Because(refusal.ErrNoSuchDomain, "it has no slot; start it")
}

// moves are what somebody may do to the domain, by name. Errors are for those who
// did it; what counts is what is left.
func (r *race) moves() map[string]func() {
	quiet := func() *report { return newReport("web1", io.Discard, io.Discard, false) }
	calls := []string{}
	attach := func(args ...string) func() {
		return func() {
			a := attacher{name: "web1", target: r, mediatord: fakeMediatord{calls: &calls}, wanted: flags(r.T, args...), report: quiet()}
			_ = a.persistent(r.Context())
		}
	}
	set := func(metadata string) func() {
		return func() {
			_ = r.SetMetadata(libvirt.DOMAIN_METADATA_ELEMENT, metadata, "vgpu", vgpuxml.Namespace, libvirt.DOMAIN_AFFECT_CONFIG)
		}
	}
	return map[string]func(){
		"attach":          attach(),
		"attach --pool":   attach("--pool", "gold"),
		"detach":          func() { _ = detacher{name: "web1", target: r, report: quiet()}.detach(r.Context(), false) },
		"metadata set":    set(`<gpu pool="silver"/>`),
		"metadata remove": set(""),
		"keeper":          r.keep,
		"start":           r.start,
	}
}

// keep is the keeper's turn: it works its events off.
func (r *race) keep() {
	for range 10 { // it may be the cause of none
		if r.events == 0 {
			return
		}
		r.events = 0
		if err := r.keeper.Follow(r.Context(), r, domain.MetadataChanged); err != nil {
			r.wrong = append(r.wrong, "the keeper: "+err.Error())
		}
	}
}

// start runs the hook with the configuration of this moment, as libvirt does.
func (r *race) start() {
	document := r.target.Stored
	asked := &asked{}
	var said bytes.Buffer
	hook := hooks.Hook{
		Connect: func(context.Context) (hooks.Mediator, error) { return asked, nil },
		Stdin:   strings.NewReader(document), Stderr: &said, Prepare: time.Minute, Other: time.Minute,
	}
	status := hook.Run(r.Context(), []string{"web1", "prepare", "begin", "-"})
	element, device := has(document)
	switch {
	case status == 1 && strings.Count(said.String(), "\n") == 1 && asked.reserved == 0 && element != device:
	case status == 0 && asked.reserved == 1 && element && device:
	case status == 0 && asked.reserved == 0 && !element && !device:
	default:
		r.wrong = append(r.wrong, fmt.Sprintf("a start with element %v and device %v: status %d, %d reservations, %q", element, device, status, asked.reserved, said.String()))
	}
}

func has(document string) (element, device bool) {
	return strings.Contains(document, "<vgpu:gpu"), strings.Contains(document, `<shmem name="vgpu0"`)
}

// asked is a mediatord that counts reservations.
type asked struct {
	hooks.Mediator
	reserved int
}

func (a *asked) Reserve(context.Context, string, string, string, string) error {
	a.reserved++
	return nil
}
func (a *asked) Close() error { return nil }

// run does one thing and, before its call number at, others in turn; it says whether
// there was such a call. In the end the keeper has had all its turns.
func (r *race) run(first string, at int, others []string) (interrupted bool) {
	moves, calls := r.moves(), 0
	r.target.Before = func() {
		calls++
		if calls != at {
			return
		}
		interrupted = true
		before := r.target.Before
		r.target.Before = nil
		for _, other := range others {
			moves[other]()
		}
		r.target.Before = before
	}
	moves[first]()
	r.target.Before = nil
	r.keep()
	return interrupted
}

// TestNothingIsLeftHalf lets each thing that may happen to a domain be interrupted
// before each of its calls by one or two others. Whoever starts the domain meanwhile
// gets a slot or one line that says what to do, and at last there are element and
// device, or neither.
func TestNothingIsLeftHalf(t *testing.T) {
	log, _ := logtest.NewNullLogger()
	element, device := domaintest.Element(`pool="gold"`), domaintest.Device()
	var names []string
	for name := range (&race{T: t}).moves() {
		names = append(names, name)
	}
	slices.Sort(names)
	var sequences [][]string
	for _, one := range names {
		sequences = append(sequences, []string{one})
		for _, two := range names {
			sequences = append(sequences, []string{one, two})
		}
	}
	tried := 0
	for _, stored := range []string{domaintest.XML("", ""), domaintest.XML(element, device)} {
		for _, first := range names {
			for _, others := range sequences {
				for at, more := 1, true; more; at++ {
					r := &race{T: t, target: &domaintest.Domain{Stored: stored}, keeper: domain.Keeper{Mediator: idle{}, Log: log}}
					more = r.run(first, at, others)
					tried++
					element, device := has(r.target.Stored)
					if element != device {
						r.wrong = append(r.wrong, fmt.Sprintf("left are element %v and device %v", element, device))
					}
					if strings.Count(r.target.Stored, "<shmem") > 1 {
						r.wrong = append(r.wrong, "two devices are left")
					}
					if len(r.wrong) > 0 {
						hadElement, _ := has(stored)
						t.Errorf("%s of a domain with a vGPU %v, with %q before its call %d: %s", first, hadElement, others, at, strings.Join(r.wrong, "; "))
					}
				}
			}
		}
	}
	if tried < 1000 {
		t.Errorf("only %d ways were tried", tried)
	}
}
