/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A vGPU is an ivshmem-doorbell device whose BAR2 is the domain's shared
 * window. One open file of /dev/vgpuN is one channel of that window.
 *
 * Locking: vgpu_device.lock is the only lock. Written by whatever changes who
 * owns a channel or a chunk and by removal; read by whatever touches the window
 * or inserts a page. Order: mmap_lock, lock, i_mmap_rwsem; so nothing copies
 * from or to user space under it.
 */
#ifndef VGPU_H
#define VGPU_H

#include <linux/atomic.h>
#include <linux/cdev.h>
#include <linux/device.h>
#include <linux/fs.h>
#include <linux/io.h>
#include <linux/pci.h>
#include <linux/rwsem.h>
#include <linux/types.h>
#include <linux/wait.h>
#include <asm/barrier.h>

#include "vgpu_layout.h"
#include "vgpu_uapi.h"

/* Validated copy of the window's header; the header is never read again. */
struct vgpu_geometry {
	u64 window_size;
	u64 channels;
	u64 arena;
	u64 control;
	u64 chunk_table;
	u64 description;
	u32 channel_count;
	u32 chunk_count;
};

struct vgpu_channel {
	struct vgpu_device *vdev;
	u32 index;
	u32 state;		/* VGPU_GUEST_*, guarded by vgpu_device.lock */
	u32 generation;
	atomic_t interrupts;
	wait_queue_head_t wait;
};

/* Who has a chunk: nobody, channel + 1, or the host until it is punched. */
#define VGPU_CHUNK_FREE		0
#define VGPU_CHUNK_WITH_HOST	0xff

struct vgpu_vector {
	struct vgpu_device *vdev;
	u32 index;
};

struct vgpu_device {
	struct device dev;
	struct cdev cdev;
	struct pci_dev *pdev;
	int number;
	u32 pci_domain, pci_bus, pci_device, pci_function;

	void __iomem *registers;
	void *window;
	phys_addr_t window_start;
	struct vgpu_geometry geometry;

	struct rw_semaphore lock;
	bool dead;
	struct vgpu_channel *channels;
	u8 *chunks;

	struct inode *inode;	/* address space of every mapping of the device */

	u32 vector_count;
	struct vgpu_vector *vectors;
	atomic_t control_interrupts;
	wait_queue_head_t control_wait;
};

/*
 * The other side is another machine as far as this kernel knows, so the virt_
 * barriers are needed even where the kernel has one processor.
 */
static inline u32 vgpu_load(const struct vgpu_device *vdev, u64 offset)
{
	/* pairs with the host's release store of the word that it guards */
	return le32_to_cpu(virt_load_acquire((__le32 *)(vdev->window + offset)));
}

static inline u64 vgpu_load_pair(const struct vgpu_device *vdev, u64 offset)
{
	/* two words of one store of the host's, seen together */
	return le64_to_cpu(virt_load_acquire((__le64 *)(vdev->window + offset)));
}

static inline void vgpu_store(const struct vgpu_device *vdev, u64 offset, u32 value)
{
	/* what was stored before is seen by a host that sees this word */
	virt_store_release((__le32 *)(vdev->window + offset), cpu_to_le32(value));
}

/* geometry.c */
int vgpu_geometry_read(struct device *dev, const void *header, u64 bar_size,
		       struct vgpu_geometry *geometry);

/* irq.c */
int vgpu_irq_request(struct vgpu_device *vdev);
void vgpu_irq_free(struct vgpu_device *vdev);
u32 vgpu_vector_of(const struct vgpu_device *vdev, u32 channel);
void vgpu_ring(struct vgpu_device *vdev, u32 vector);
int vgpu_control_wait(struct vgpu_device *vdev, int seen);

/* channel.c */
void vgpu_channels_adopt(struct vgpu_device *vdev);
void vgpu_channels_reap(struct vgpu_device *vdev);
void vgpu_channels_kill(struct vgpu_device *vdev);
struct vgpu_channel *vgpu_channel_open(struct vgpu_device *vdev, bool nonblock);
int vgpu_channel_start(struct vgpu_channel *chan);
void vgpu_channel_close(struct vgpu_channel *chan);

/* chunk.c */
void vgpu_chunks_adopt(struct vgpu_device *vdev);
int vgpu_chunks_alloc(struct vgpu_channel *chan, u32 count, u64 *offset);
int vgpu_chunks_free(struct vgpu_channel *chan, u32 count, u64 offset);
void vgpu_chunks_return(struct vgpu_channel *chan, u32 first, u32 count);
bool vgpu_chunks_owned(const struct vgpu_channel *chan, u64 offset, u64 size);

/* mapping.c */
int vgpu_mapping_init(struct vgpu_device *vdev);
void vgpu_mapping_exit(struct vgpu_device *vdev);
int vgpu_mmap(struct file *file, struct vm_area_struct *vma);
void vgpu_unmap(struct vgpu_device *vdev, u64 offset, u64 size);

/* file.c */
extern const struct file_operations vgpu_fops;

#endif
