// Package vm boots guests for tests: a Debian cloud kernel with an initramfs
// made here, under QEMU without hardware virtualization, started directly or by
// a private libvirtd. A test says which files the guest holds and which steps
// it does (package manifest), and reads exit statuses and output from the
// serial console.
//
// packages.txt lists what must be installed.
package vm
