// Package vm boots guests for tests: a Debian cloud kernel with an initramfs
// made here, under QEMU without hardware virtualization, started directly or by
// a private libvirtd. A test says which files the guest holds and which steps
// it does (package manifest), and reads exit statuses and output from the
// serial console:
//
//	kernel, err := vm.FindKernel()
//	module, err := vm.BuildModule(ctx)
//	guestInit, err := vm.BuildGuestInit(ctx, dir)
//	initramfs := vm.Initramfs{
//		Init:  guestInit,
//		Files: []vm.File{{Guest: "/lib/modules/vgpu.ko", Host: module}, {Guest: "/usr/bin/prog", Host: program}},
//		Manifest: manifest.Manifest{
//			Modules: []string{"/lib/modules/vgpu.ko"},
//			Steps:   []manifest.Step{{Name: "prog", Argv: []string{"/usr/bin/prog"}}},
//			Hold:    true, // the test destroys the domain
//		},
//	}
//	err = initramfs.Write(image)
//
//	l, err := vm.StartLibvirt(ctx, vm.LibvirtOptions{Hook: hookBinary, BusPolicies: []string{policy}})
//	defer l.Close()
//	daemon := l.Command(ctx, mediatord) // sees libvirt, the bus, /etc/vgpu and /run/vgpu in their usual places
//	kernelCopy, err := l.Image(kernel.Image)
//	imageCopy, err := l.Image(image)
//	domain, err := vm.Domain{Name: "a", Kernel: kernelCopy, Initramfs: imageCopy, Console: l.Console("a").Path}.XML()
//	err = l.Define(ctx, domain)
//	err = l.SetMetadata(ctx, "a", "urn:libvirt-vgpu:1", "vgpu", "<gpu pool='gold'/>")
//	_, err = l.Virsh(ctx, "start", "a")
//	results, err := l.Console("a").WaitEnd(ctx) // results["prog"].Exit, .Output
//
// packaging/develop/packages.txt lists what must be installed.
package vm
