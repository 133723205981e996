// Command demo shows the project's main job on a machine without a GPU: libvirt
// starts a VM whose CUDA programs compute on a vGPU of the software GPU. It says
// what happens as it happens, and ends with a table and "demo: N passed, M failed".
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"libvirt-vgpu/tests/stage"
)

const limit = 10 * time.Minute

func main() {
	os.Exit(run())
}

func run() int {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()

	d := &demo{out: os.Stdout}
	if err := d.play(ctx); err != nil {
		d.broken(err)
	}
	if d.stage != nil {
		if err := d.stage.Close(); err != nil {
			d.broken(err)
		}
	}
	return d.end()
}

// play is the demonstration.
func (d *demo) play(ctx context.Context) error {
	d.title("A private message bus, libvirtd and mediatord, with a GPU in software")
	started := time.Now()
	var err error
	d.stage, err = stage.Open(ctx, map[string]string{"default": "gpus = [\"soft\"]\n"})
	if err != nil {
		return err
	}
	d.say("they are up, after %.1f s; they lie in %s", time.Since(started).Seconds(), d.stage.Libvirt.Dir)

	g, err := d.start(ctx)
	if err != nil {
		return err
	}
	for _, act := range []func(context.Context, *stage.Guest) error{d.programs, d.two, d.kill, d.destroy} {
		if err := act(ctx, g); err != nil {
			fmt.Fprintf(d.out, "\nconsole of %s:\n%s\n", g.Name, g.Log())
			return err
		}
	}
	return d.refused(ctx)
}
