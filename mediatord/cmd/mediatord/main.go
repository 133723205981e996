// Command mediatord hands out slots of GPU pools to libvirt domains and host
// processes, serves their windows and supervises their executors.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"libvirt-vgpu/mediatord/internal/daemon"
)

// version is set by the build: -ldflags "-X main.version=1.2.3".
var version = "development"

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	// It has the configuration read again; one that comes before that can be heard must not end mediatord.
	signal.Ignore(syscall.SIGHUP)
	cmd := daemon.NewCommand(version, os.Stderr)
	addManpages(cmd)
	if err := cmd.ExecuteContext(ctx); err != nil {
		stop()
		os.Exit(1)
	}
}
