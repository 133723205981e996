/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The token with which a CUDA runtime recognises a driver library that
 * implements the handshake: it computes the same value and compares.
 */
#ifndef VGPU_INTEGRITY_H
#define VGPU_INTEGRITY_H

#include <stdint.h>

/* What is signed, little endian and packed, followed by the devices. */
struct vg_integrity_claim {
	uint32_t driver_version;
	uint32_t runtime_version;	/* as the caller says; its last digit picks the answer */
	uint32_t pid;
	uint32_t thread;		/* low half of pthread_self() */
	uint64_t runtime_table;		/* address of the runtime's export table */
	uint64_t integrity_table;
	uint64_t integrity_function;
	uint64_t seconds;		/* as the caller says */
} __attribute__((packed));

struct vg_integrity_device {
	uint8_t uuid[16];
	int32_t pci_domain, pci_bus, pci_device;
} __attribute__((packed));

#define VG_INTEGRITY_DEVICES 16

/* count at most VG_INTEGRITY_DEVICES */
void vg_integrity_token(const struct vg_integrity_claim *claim, const struct vg_integrity_device *devices,
			unsigned int count, uint8_t token[16]);

#endif
