// Command vgpu-qemu-hook is the executable below /etc/libvirt/hooks/qemu.d. It reserves a slot at mediatord before a domain with a
// vgpu element starts and gives it back when the domain is gone.
package main

import (
	"context"
	"os"

	"libvirt-vgpu/hooks"
)

// busAddressFile can be set at link time with -ldflags "-X main.busAddressFile=PATH".
var busAddressFile = hooks.AddressFile

func main() {
	hook := hooks.Hook{
		Connect: func(ctx context.Context) (hooks.Mediator, error) {
			address, err := hooks.BusAddress(os.Getenv(hooks.AddressVariable), busAddressFile)
			if err != nil {
				return nil, err
			}
			return hooks.ConnectMediator(ctx, address)
		},
		Stdin:   os.Stdin,
		Stderr:  os.Stderr,
		Prepare: hooks.PrepareDeadline,
		Other:   hooks.OtherDeadline,
	}
	os.Exit(hook.Run(context.Background(), os.Args[1:]))
}
