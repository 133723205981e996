// Package stage sets up what the end-to-end tests and the demonstration play
// on: a private system bus, libvirtd with the real hook, mediatord with pools of
// the software GPU, and an initramfs with the guest's module, libraries and test
// programs, NVIDIA's unmodified runtimes among them. Everything lies at the
// paths of a real host, inside the mounts of vm.Libvirt.
//
// It takes root, the Debian packages of packaging/develop/packages.txt and what
// `make build` makes.
package stage
