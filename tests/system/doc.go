// Package system tests what the packages make of a machine: Debian 12 with
// systemd as PID 1, D-Bus, libvirtd and QEMU in a container without network, on
// which apt installs, upgrades and removes them. An operator's commands are
// those of docs/operating.md, taken from the page and typed.
//
// It takes root, systemd-nspawn, mmdebstrap, and what `make build` and
// `make packages` make. The container's root is made once, from Debian's
// archive, in build/cache; each container writes into memory of its own.
package system
