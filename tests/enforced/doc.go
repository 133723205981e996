// Package enforced tests the packages on machines whose kernels enforce a security
// policy: whole VMs, since a container has its host's kernel. A VM is a Debian with
// systemd, libvirtd and QEMU on an emulated processor that has AMD's
// virtualization, so that the domains in it run on KVM.
//
// It takes root, QEMU, mmdebstrap, mke2fs, and what `make build` and `make packages`
// make.
package enforced
