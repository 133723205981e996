// Package describe asks the executor what a GPU is and keeps the answer.
package describe

import (
	"bytes"
	"context"
	"crypto/sha1" //nolint:gosec // names a vGPU, protects nothing
	"encoding/json"
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"sync"
	"time"

	"libvirt-vgpu/plugin/window"
)

// timeout bounds one run of the executor; a first CUDA start takes seconds.
const timeout = 8 * time.Second

// Describer runs `vgpu-executor --describe` once per GPU. A failed run is not
// kept, so that a later request tries again.
type Describer struct {
	executor string

	mu    sync.Mutex // held during a run, so that two callers share it
	known map[key]*window.Description
}

type key struct{ backend, gpu string }

// New uses the executor binary at the given path.
func New(executor string) *Describer {
	return &Describer{executor: executor, known: map[key]*window.Description{}}
}

// Describe returns a private copy of the description of the GPU that the
// executor calls by this name ("0000:01:00.0", "0").
func (d *Describer) Describe(ctx context.Context, backend, gpu string) (*window.Description, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	k := key{backend, gpu}
	if d.known[k] == nil {
		description, err := d.run(ctx, backend, gpu)
		if err != nil {
			return nil, fmt.Errorf("describing %s GPU %s: %w", backend, gpu, err)
		}
		d.known[k] = description
	}
	private := *d.known[k]
	private.Attributes = append([]window.Attribute(nil), private.Attributes...)
	return &private, nil
}

func (d *Describer) run(ctx context.Context, backend, gpu string) (*window.Description, error) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, d.executor, "--backend", backend, "--gpu", gpu, "--describe")
	cmd.WaitDelay = time.Second
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		if ctx.Err() != nil {
			err = ctx.Err()
		}
		if text := strings.TrimSpace(stderr.String()); text != "" {
			return nil, fmt.Errorf("running %s: %w: %.300s", d.executor, err, text)
		}
		return nil, fmt.Errorf("running %s: %w", d.executor, err)
	}
	description := new(window.Description)
	if err := json.Unmarshal(stdout.Bytes(), description); err != nil {
		return nil, fmt.Errorf("reading answer of %s: %w", d.executor, err)
	}
	if _, err := description.MarshalBinary(); err != nil {
		return nil, fmt.Errorf("reading answer of %s: %w", d.executor, err)
	}
	if description.DeviceCount != 1 || description.TotalMemory == 0 {
		return nil, errors.New("the executor describes no GPU")
	}
	return description, nil
}

// VirtualUUID derives the UUID of a domain's vGPU: always the same one for the
// same domain, and another one than the physical GPU's.
func VirtualUUID(domain window.UUID) window.UUID {
	// A name-based UUID (RFC 9562 version 5) in a name space of our own.
	sum := sha1.Sum(append([]byte("libvirt-vgpu vgpu\x00"), domain[:]...)) //nolint:gosec // as above
	var u window.UUID
	copy(u[:], sum[:])
	u[6] = u[6]&0x0f | 0x50
	u[8] = u[8]&0x3f | 0x80
	return u
}
