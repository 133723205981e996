package hooks

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"

	vgpuxml "libvirt-vgpu/xml"
)

// operation says what one of libvirt's operations does and what its failure means.
type operation struct {
	// run is nil where there is nothing to do.
	run func(context.Context, call) error
	// long selects the prepare deadline.
	long bool
	// advisory failures are told but exit 0.
	advisory bool
	// onlyMediator makes a failure fatal only if mediatord itself refused: an absent or slow mediatord is no reason to kill a domain.
	onlyMediator bool
}

// operations lists every operation of libvirt's qemu driver. One that is not listed, of a later libvirt, does nothing.
func operations() map[string]operation {
	return map[string]operation{
		"prepare begin":   {run: prepare, long: true},
		"start begin":     {},
		"started begin":   {run: started, onlyMediator: true},
		"stopped end":     {run: stopped},
		"release end":     {run: release},
		"migrate begin":   {run: migrate},
		"restore begin":   {},
		"reconnect begin": {run: reserve, advisory: true},
		"attach begin":    {},
	}
}

// call is what an operation works on.
type call struct {
	hook     Hook
	name     string
	document []byte
	domain   vgpuxml.Domain
	// elementErr is why the element or the document could not be read.
	elementErr error
}

// prepare runs before anything of the domain exists. libvirt follows its failure with stopped and release.
func prepare(ctx context.Context, c call) error {
	if c.elementErr != nil {
		return c.badElement()
	}
	report, err := vgpuxml.FindDevice(c.document, vgpuxml.DefaultChannels)
	if err != nil {
		return c.unreadable(err)
	}
	switch report.State {
	case vgpuxml.DeviceMissing:
		return refusal{
			reason: fmt.Sprintf("its vGPU needs the shared memory device %s, which is not in the domain XML", vgpuxml.DeviceName),
			remedy: "add it with: " + c.attachCommand(),
		}
	case vgpuxml.DeviceDiffers:
		return refusal{
			reason: fmt.Sprintf("the shared memory device %s in the domain XML does not fit its vGPU: %s", vgpuxml.DeviceName, report),
			remedy: fmt.Sprintf("remove it with: virsh edit %s, then add the right one with: %s", shellQuote(c.name), c.attachCommand()),
		}
	case vgpuxml.DevicePresent:
	}
	return reserve(ctx, c)
}

// withoutElement is the exit status for a domain without the element. Between element and device there is no order for whoever starts
// the domain meanwhile: with the device alone QEMU would fail with a message of its own.
func (c call) withoutElement(o operation) int {
	if !o.long || !bytes.Contains(c.document, []byte(vgpuxml.DeviceName)) {
		return 0
	}
	if _, found, err := vgpuxml.OwnDevice(c.document); err != nil || !found {
		return 0
	}
	refused := refusal{
		reason: fmt.Sprintf("the shared memory device %s is in the domain XML, but no vgpu:gpu metadata element", vgpuxml.DeviceName),
		remedy: fmt.Sprintf("give it the element with: vgpuctl attach %s --pool POOL, or take the device away with: vgpuctl detach %s", shellQuote(c.name), shellQuote(c.name)),
	}
	fmt.Fprintln(c.hook.Stderr, refused.line(c.name))
	return 1
}

// reserve is the whole of reconnect, where mediatord learns again of a domain that it may have forgotten.
func reserve(ctx context.Context, c call) error {
	if c.elementErr != nil {
		return c.badElement()
	}
	socket, err := vgpuxml.SocketPath(c.domain.UUID)
	if err != nil {
		return c.unreadable(err)
	}
	return c.connected(ctx, func(m Mediator) error {
		return m.Reserve(ctx, c.domain.UUID, c.domain.Name, c.domain.GPU.Element(), socket)
	})
}

func started(ctx context.Context, c call) error {
	return c.notify(ctx, Mediator.Started)
}

func stopped(ctx context.Context, c call) error {
	return c.notify(ctx, Mediator.Stopped)
}

func release(ctx context.Context, c call) error {
	return c.notify(ctx, Mediator.Release)
}

// migrate runs on the destination, before anything happens there.
func migrate(_ context.Context, c call) error {
	if c.elementErr != nil && !errors.Is(c.elementErr, vgpuxml.ErrBadElement) {
		return c.unreadable(c.elementErr)
	}
	return refusal{
		reason: "a domain with a vGPU cannot be migrated while it runs",
		remedy: "shut it down and start it on the other host",
	}
}

// notify needs only the domain's UUID: an element that went bad while the domain ran must not keep its slot.
func (c call) notify(ctx context.Context, method func(Mediator, context.Context, string) error) error {
	if c.domain.UUID == "" {
		if c.elementErr != nil {
			return c.badElement()
		}
		return c.unreadable(errors.New("it has no valid <uuid>"))
	}
	return c.connected(ctx, func(m Mediator) error { return method(m, ctx, c.domain.UUID) })
}

func (c call) connected(ctx context.Context, work func(Mediator) error) error {
	mediator, err := c.hook.Connect(ctx)
	if err != nil {
		return err
	}
	defer mediator.Close()
	return work(mediator)
}

func (c call) badElement() error {
	if errors.Is(c.elementErr, vgpuxml.ErrOtherNamespace) {
		return refusal{reason: c.elementErr.Error(), remedy: "correct it with: virsh edit " + shellQuote(c.name)}
	}
	if errors.Is(c.elementErr, vgpuxml.ErrBadElement) {
		return refusal{
			reason: c.elementErr.Error(),
			remedy: fmt.Sprintf("correct it with: virsh metadata %s --uri %s --key vgpu --edit --config", shellQuote(c.name), vgpuxml.Namespace),
		}
	}
	return c.unreadable(c.elementErr)
}

func (c call) unreadable(err error) error {
	return refusal{
		reason: fmt.Sprintf("its XML from libvirt cannot be read: %v", err),
		remedy: "compare it with: virsh dumpxml " + shellQuote(c.name),
	}
}

// attachCommand gives both ways to add the device to the persistent configuration.
func (c call) attachCommand() string {
	socket, err := vgpuxml.SocketPath(c.domain.UUID)
	if err != nil {
		return "vgpuctl attach " + shellQuote(c.name)
	}
	name := shellQuote(c.name)
	return fmt.Sprintf("vgpuctl attach %s (or: virt-xml %s --add-device --shmem name=%s,model.type=ivshmem-doorbell,server.path=%s,msi.vectors=%d,msi.ioeventfd=on)",
		name, name, vgpuxml.DeviceName, socket, vgpuxml.Vectors(vgpuxml.DefaultChannels))
}

// shellQuote makes a word safe to paste into a shell.
func shellQuote(word string) string {
	plain := func(r rune) bool {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("-_.+:@", r)
	}
	if word != "" && !strings.HasPrefix(word, "-") && strings.TrimFunc(word, plain) == "" {
		return word
	}
	return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
}
