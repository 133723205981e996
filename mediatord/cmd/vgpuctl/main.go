// Command vgpuctl shows and changes the vGPUs of libvirt domains, and runs host
// processes on a vGPU.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"
)

// version is set by the build: -ldflags "-X main.version=1.2.3".
var version = "development"

func main() {
	os.Exit(execute(context.Background(), os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}

// exitCode is an error that is no message but the status to end with.
type exitCode int

func (e exitCode) Error() string { return fmt.Sprintf("exit status %d", int(e)) }

// execute runs vgpuctl and returns its exit status.
func execute(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	cmd := newCommand()
	cmd.SetArgs(args)
	cmd.SetIn(stdin)
	cmd.SetOut(stdout)
	cmd.SetErr(stderr)
	err := cmd.ExecuteContext(ctx)
	var code exitCode
	switch {
	case err == nil:
		return 0
	case errors.As(err, &code):
		return int(code)
	}
	fmt.Fprintln(stderr, "vgpuctl:", unknownCommand(err))
	return 1
}

// newCommand is vgpuctl with all subcommands, one file each.
func newCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:           "vgpuctl",
		Short:         "Look at, change and use the host's vGPUs",
		Version:       version,
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	cmd.SetFlagErrorFunc(badFlag)
	bus := cmd.PersistentFlags().String("bus", "system", `message bus of mediatord: "system", "session" or a D-Bus address`)
	connect := cmd.PersistentFlags().StringP("connect", "c", defaultConnect(os.Getenv(connectVariable)),
		"libvirt URI; qemu+ssh://USER@HOST/system does everything on that host (environment variable "+connectVariable+")")
	cmd.PersistentPreRunE = func(cmd *cobra.Command, args []string) error {
		if cmd.Hidden || cmd.Parent().Name() == "completion" {
			return nil // about this vgpuctl
		}
		host, err := remoteHost(*connect)
		if err != nil || host == nil {
			return err
		}
		return host.run(cmd, args)
	}
	cmd.AddCommand(newStatusCommand(bus), newListCommand(bus, connect), newPoolCommand(bus), newAttachCommand(bus, connect),
		newDetachCommand(bus, connect), newSetCommand(bus, connect), newRunCommand(bus), newAPICommand(), newDoctorCommand(bus, connect))
	cmd.AddCommand(newTopCommand(bus), newEventsCommand(bus), newCapacityCommand(bus), newParkCommand(bus), newDomainXMLCommand(), newReloadCommand(bus))
	addManpages(cmd)
	return cmd
}
