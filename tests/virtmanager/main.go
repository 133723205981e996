// Command virtmanager drives virt-manager as a person would, on a display of its
// own and against the private libvirtd of tests/stage, and keeps pictures of it:
// metadata typed into its XML editor gives a domain its device, the domain starts,
// and a start that is refused shows why.
//
//	virtmanager --out docs/pictures
//
// It takes what `make build` makes and the Debian packages of
// packaging/develop/packages-screenshots.txt. It ends with a status other than 0
// if libvirt or virt-manager did anything else than that.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"libvirt-vgpu/tests/stage"
)

const (
	domain = "web"
	uuid   = "6ba7b810-9dad-11d1-80b4-00c04fd430c8"

	within = 20 * time.Second // one step of a person's
	poll   = 100 * time.Millisecond
)

func main() {
	out := flag.String("out", "docs/pictures", "directory of the pictures")
	flag.Parse()
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	if err := run(ctx, *out); err != nil {
		fmt.Fprintln(os.Stderr, "virtmanager:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, out string) (err error) {
	s, err := stage.Open(ctx, map[string]string{"default": "gpus = [\"soft\"]\nslots = 4\n"})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	if err := s.Define(ctx, stage.Domain{Name: domain, UUID: uuid}); err != nil {
		return err
	}
	d, err := openDisplay(ctx)
	if err != nil {
		return err
	}
	defer d.close()
	m, err := openManager(ctx, s, d)
	if err != nil {
		return err
	}
	defer m.close()
	p := &person{stage: s, display: d, manager: m, out: out}
	for _, step := range []struct {
		name string
		do   func(context.Context) error
	}{
		{"typing metadata into the XML editor", p.typeMetadata},
		{"finding the device in the XML", p.findDevice},
		{"starting the domain", p.start},
		{"asking for a pool that does not exist", p.refusedStart},
	} {
		if err := step.do(ctx); err != nil {
			keep := filepath.Join(os.TempDir(), "virtmanager-failed.png")
			_ = d.picture(ctx, keep)
			return fmt.Errorf("%s: %w; the display is in %s", step.name, err, keep)
		}
		fmt.Println("ok", step.name)
	}
	return nil
}

// person uses virt-manager's window, whose size is fixed, and looks at the
// result with virsh.
type person struct {
	stage   *stage.Stage
	display *display
	manager *manager
	out     string
}

// Places in the window.
var (
	tabDetails = point{235, 117}
	tabXML     = point{305, 117}
	editor     = point{700, 640} // a corner of it
	apply      = point{905, 691}
	play       = point{125, 66}
)

func (p *person) typeMetadata(ctx context.Context) error {
	err := p.display.do(ctx,
		click(tabXML), click(editor), keys("ctrl+Home", "Down", "Down", "End", "Return"),
		text("<metadata>"), keys("Return"),
		text(`  <vgpu:gpu xmlns:vgpu="urn:libvirt-vgpu:1" pool="default" memory="2GiB"/>`), keys("Return", "BackSpace", "BackSpace"),
		text("</metadata>"), keys("ctrl+Home"))
	if err != nil {
		return err
	}
	if err := p.display.picture(ctx, filepath.Join(p.out, "virt-manager-metadata.png")); err != nil {
		return err
	}
	if err := p.display.do(ctx, click(apply)); err != nil {
		return err
	}
	return p.untilXML(ctx, `memory="2GiB"`)
}

func (p *person) findDevice(ctx context.Context) error {
	if err := p.untilXML(ctx, "<shmem name='vgpu0'>"); err != nil {
		return err
	}
	// the editor shows what libvirt has when the tab is opened anew
	if err := p.display.do(ctx, click(tabDetails), click(tabXML), click(editor), keys("ctrl+End")); err != nil {
		return err
	}
	return p.display.picture(ctx, filepath.Join(p.out, "virt-manager-device.png"))
}

func (p *person) start(ctx context.Context) error {
	if err := p.display.do(ctx, click(tabDetails), click(play)); err != nil {
		return err
	}
	if err := p.untilState(ctx, "running"); err != nil {
		return err
	}
	status, err := p.stage.Status(ctx)
	if err != nil {
		return err
	}
	if len(status.Slots) != 1 || status.Slots[0].DomainName != domain {
		return fmt.Errorf("slots are %+v", status.Slots)
	}
	if _, err := p.stage.Virsh(ctx, "destroy", domain); err != nil {
		return err
	}
	return p.untilState(ctx, "shut off")
}

func (p *person) refusedStart(ctx context.Context) error {
	if _, err := p.stage.Virsh(ctx, "metadata", domain, "--config", "--uri", "urn:libvirt-vgpu:1", "--key", "vgpu",
		"--set", `<gpu pool="platinum" memory="2GiB"/>`); err != nil {
		return err
	}
	if err := p.display.do(ctx, click(play)); err != nil {
		return err
	}
	if err := p.until(ctx, "virt-manager's message", func() (bool, error) {
		said, err := p.manager.said()
		at := strings.Index(said, "summary=Error starting domain")
		return at >= 0 && strings.Contains(said[at:], `there is no pool "platinum"; name one that there is (default)`), err
	}); err != nil {
		return err
	}
	time.Sleep(time.Second) // it is said before it is drawn
	if err := p.display.picture(ctx, filepath.Join(p.out, "virt-manager-refused.png")); err != nil {
		return err
	}
	return p.untilState(ctx, "shut off")
}

func (p *person) untilXML(ctx context.Context, part string) error {
	return p.until(ctx, part+" in the domain's XML", func() (bool, error) {
		xml, err := p.stage.Virsh(ctx, "dumpxml", "--inactive", domain)
		return strings.Contains(xml, part), err
	})
}

func (p *person) untilState(ctx context.Context, state string) error {
	return p.until(ctx, "state "+state, func() (bool, error) {
		now, err := p.stage.Virsh(ctx, "domstate", domain)
		return strings.TrimSpace(now) == state, err
	})
}

func (p *person) until(ctx context.Context, what string, happened func() (bool, error)) error {
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	for {
		yes, err := happened()
		switch {
		case err != nil && ctx.Err() == nil:
			return err
		case yes:
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("waiting for %s: %w", what, ctx.Err())
		case <-time.After(poll):
		}
	}
}
