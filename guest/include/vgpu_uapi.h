/* SPDX-License-Identifier: GPL-2.0 WITH Linux-syscall-note */
/*
 * /dev/vgpuN. One open file is one channel of the domain's window; it is freed
 * when the last reference (file or mapping) is gone, however the process ends.
 * Mappings are never inherited by fork. A channel that was just closed is waited
 * for, 2 s at most and not with O_NONBLOCK; then open fails with EBUSY. Once the
 * device is removed, calls fail with ENODEV and mappings raise SIGBUS.
 */
#ifndef VGPU_UAPI_H
#define VGPU_UAPI_H

#include <linux/ioctl.h>
#include <linux/types.h>

struct vgpu_info {
	__u32 layout_version;
	__u32 channel;
	__u64 window_size;
	__u32 channel_size;
	__u32 chunk_size;
	__u32 description_size;
	__u32 pci_domain;
	__u32 pci_bus;
	__u32 pci_device;
	__u32 pci_function;
	__u32 reserved;
};

/* count chunks in a row; offset is what mmap and the op map_pinned take */
struct vgpu_chunks {
	__u32 count;		/* in, 1.. */
	__u32 reserved;
	__u64 offset;		/* ALLOC: out, FREE: in; bytes from the start of the arena */
};

/* sleeps until the channel's interrupt count differs from seen, a signal, or the time is over */
struct vgpu_wait {
	__u32 seen;		/* in: last count known; out: count now */
	__u32 timeout_us;	/* in, at most 1000000 */
};

#define VGPU_IOC_INFO	_IOR('V', 0, struct vgpu_info)
/* wants an executor; read VGPU_CH_STATE for the answer */
#define VGPU_IOC_START	_IO('V', 1)
/* ENOMEM: no such run of free chunks, nor within 1 s from what is being returned; EINTR */
#define VGPU_IOC_ALLOC	_IOWR('V', 2, struct vgpu_chunks)
/* EINVAL: not yours; mappings of it are removed */
#define VGPU_IOC_FREE	_IOW('V', 3, struct vgpu_chunks)
#define VGPU_IOC_RING	_IO('V', 4)
#define VGPU_IOC_WAIT	_IOWR('V', 5, struct vgpu_wait)	/* ETIMEDOUT, EINTR */
/* has the host refresh the description, which may take a while; see VGPU_DESC_LOOKS */
#define VGPU_IOC_LOOK	_IO('V', 6)

/*
 * mmap offsets; MAP_SHARED only, EINVAL for ranges that are none of these, EACCES
 * for what is not yours or PROT_EXEC
 */
#define VGPU_MMAP_CHANNEL	0ULL		/* channel_size bytes or pages of them, read-write */
#define VGPU_MMAP_DESCRIPTION	(1ULL << 40)	/* description_size bytes, read-only */
#define VGPU_MMAP_ARENA		(1ULL << 41)	/* + offset of an owned chunk, read-write */

#endif
