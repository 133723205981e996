// Package hooks is the libvirt qemu hook: domain XML in, D-Bus calls to mediatord out.
//
// libvirtd runs the hook for every domain of the host, holds the domain's lock while it runs and sets no time limit. So the package keeps
// four promises:
//
//   - A domain without a vgpu element is left alone: exit 0, no D-Bus, whatever state the rest of the host is in. One that has the
//     element's device all the same, whose QEMU would find nobody at the socket, is refused with what to do.
//   - Every operation has a deadline: 10 s for prepare, 2 s for the others.
//   - Only prepare, started and migrate can stop a domain; reconnect, whose failure would kill a running domain, always succeeds.
//   - A refusal is one plain line on standard error, which libvirt shows to whoever asked for the start.
//
// The hook never calls libvirt: a call for the same domain would wait for the lock that waits for the hook.
// Nothing is ever written to standard output, which for migrate and restore means that the XML stays as it is.
package hooks

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	vgpuxml "libvirt-vgpu/xml"
)

// Deadlines of the operations.
const (
	PrepareDeadline = 10 * time.Second
	OtherDeadline   = 2 * time.Second
)

// maxDocument bounds the XML read from standard input, in bytes. Real domains have 3 to 100 kB.
const maxDocument = 16 << 20

// Mediator is the part of mediatord's D-Bus interface that the hook calls. Every call is idempotent by domain UUID.
type Mediator interface {
	// Reserve takes a slot and returns when the socket listens.
	Reserve(ctx context.Context, domainUUID, domainName, element, socketPath string) error
	Started(ctx context.Context, domainUUID string) error
	Stopped(ctx context.Context, domainUUID string) error
	// Release gives the slot back; an unknown domain is not an error.
	Release(ctx context.Context, domainUUID string) error
	Close() error
}

// Hook is one invocation by libvirtd.
type Hook struct {
	// Connect is called at most once, and only for a domain with a vgpu element.
	Connect func(context.Context) (Mediator, error)
	Stdin   io.Reader
	Stderr  io.Writer
	// Prepare and Other are the deadlines; PrepareDeadline and OtherDeadline outside of tests.
	Prepare, Other time.Duration
}

// Run executes one operation; args are libvirt's NAME, OPERATION, SUBOPERATION, EXTRA. It returns the exit status: 0, 1 for a
// refusal (or a failure that libvirt only logs), 2 for a call that is not libvirt's.
func (h Hook) Run(ctx context.Context, args []string) int {
	if len(args) != 4 {
		fmt.Fprintln(h.Stderr, "vgpu: usage: vgpu-qemu-hook NAME OPERATION SUBOPERATION EXTRA <DOMAIN-XML; it is run by libvirt")
		return 2
	}
	operation, known := operations()[args[1]+" "+args[2]]
	if !known || operation.run == nil {
		return 0
	}
	document, readErr := io.ReadAll(io.LimitReader(h.Stdin, maxDocument))
	c := call{hook: h, name: args[0], document: document}
	if !bytes.Contains(document, []byte(vgpuxml.NamespaceStem)) {
		return c.withoutElement(operation)
	}
	c.domain, c.elementErr = vgpuxml.ParseDomain(document)
	if errors.Is(c.elementErr, vgpuxml.ErrNoGPU) {
		return c.withoutElement(operation)
	}
	if readErr != nil {
		c.elementErr = fmt.Errorf("reading domain XML: %w", readErr)
	}

	deadline := h.Other
	if operation.long {
		deadline = h.Prepare
	}
	ctx, cancel := context.WithTimeout(ctx, deadline)
	defer cancel()
	err := within(ctx, func() error { return operation.run(ctx, c) })
	if err == nil {
		return 0
	}
	refusal := explain(err, deadline)
	fmt.Fprintln(h.Stderr, refusal.line(args[0]))
	if operation.advisory || operation.onlyMediator && !refusal.byMediator {
		return 0
	}
	return 1
}

// within returns the context's error if work does not end in time; the process is about to end, so work may be left behind.
func within(ctx context.Context, work func() error) error {
	done := make(chan error, 1)
	go func() { done <- work() }()
	select {
	case err := <-done:
		if ctx.Err() != nil && err != nil {
			return ctx.Err()
		}
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}
