#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
set -e

name=libvirt-vgpu
version=@VERSION@

# Rules are read again, and a vGPU that is there already gets its driver and its node.
bring_up() {
	command -v udevadm >/dev/null && [ -S /run/udev/control ] || return 0
	udevadm control --reload || true
	udevadm trigger --action=add --subsystem-match=pci --attr-match=vendor=0x1af4 --attr-match=device=0x1110 || true
	udevadm trigger --action=change --subsystem-match=vgpu || true
}

module_away() {
	dkms remove -m $name -v $version --all >/dev/null || true
	# a program that has the device open keeps the module
	modprobe -q -r vgpu 2>/dev/null || true
}
