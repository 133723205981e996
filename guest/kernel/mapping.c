// SPDX-License-Identifier: GPL-2.0
/*
 * What a process may map: its channel, the description read-only, chunks that
 * its channel owns. Pages are inserted by the fault handler under the device's
 * lock, so that none appears after its chunk was freed or the device removed.
 * The memory type is that of the driver's own write-back mapping.
 */
#include "vgpu.h"
#include "compat.h"
#include <linux/fs_context.h>
#include <linux/mm.h>
#include <linux/mount.h>
#include <linux/pseudo_fs.h>

#define VGPU_FS_MAGIC	0x76677075

/*
 * Every mapping goes through one address space per device, whatever device
 * node was opened, so that they can all be found and removed.
 */
static struct vfsmount *vgpu_mount;
static int vgpu_mount_count;

static int vgpu_fs_init_context(struct fs_context *fc)
{
	return init_pseudo(fc, VGPU_FS_MAGIC) ? 0 : -ENOMEM;
}

/* No owner: the mount ends with the devices, and must not keep the module loaded. */
static struct file_system_type vgpu_fs_type = {
	.name = "vgpu",
	.init_fs_context = vgpu_fs_init_context,
	.kill_sb = kill_anon_super,
};

int vgpu_mapping_init(struct vgpu_device *vdev)
{
	int err = simple_pin_fs(&vgpu_fs_type, &vgpu_mount, &vgpu_mount_count);

	if (err)
		return err;
	vdev->inode = alloc_anon_inode(vgpu_mount->mnt_sb);
	if (IS_ERR(vdev->inode)) {
		err = PTR_ERR(vdev->inode);
		vdev->inode = NULL;
		simple_release_fs(&vgpu_mount, &vgpu_mount_count);
	}
	return err;
}

void vgpu_mapping_exit(struct vgpu_device *vdev)
{
	if (!vdev->inode)
		return;
	iput(vdev->inode);
	simple_release_fs(&vgpu_mount, &vgpu_mount_count);
}

/* offset as mmap takes it; size 0 is everything from offset on. */
void vgpu_unmap(struct vgpu_device *vdev, u64 offset, u64 size)
{
	unmap_mapping_range(vdev->inode->i_mapping, offset, size, 1);
}

/*
 * Lock held. Offset in the window of the size bytes that mmap calls offset;
 * -EINVAL if there is no such thing, -EACCES if it is not the channel's.
 */
static s64 window_offset(const struct vgpu_channel *chan, u64 offset, u64 size)
{
	const struct vgpu_geometry *g = &chan->vdev->geometry;
	u64 arena_size = (u64)g->chunk_count * VGPU_CHUNK_SIZE;

	if (offset >= VGPU_MMAP_ARENA) {
		offset -= VGPU_MMAP_ARENA;
		if (size > arena_size || offset > arena_size - size)
			return -EINVAL;
		return vgpu_chunks_owned(chan, offset, size) ? g->arena + offset : -EACCES;
	}
	if (offset >= VGPU_MMAP_DESCRIPTION) {
		offset -= VGPU_MMAP_DESCRIPTION;
		if (size > VGPU_DESCRIPTION_SIZE || offset > VGPU_DESCRIPTION_SIZE - size)
			return -EINVAL;
		return g->description + offset;
	}
	if (size > VGPU_CHANNEL_SIZE || offset > VGPU_CHANNEL_SIZE - size)
		return -EINVAL;
	return g->channels + (u64)chan->index * VGPU_CHANNEL_SIZE + offset;
}

/*
 * Inserts the page and, as they are sure to be wanted, its neighbours in the
 * same chunk, the channel or the description.
 */
static vm_fault_t insert_pages(struct vm_fault *vmf, const struct vgpu_channel *chan)
{
	const struct vgpu_device *vdev = chan->vdev;
	struct vm_area_struct *vma = vmf->vma;
	u64 offset = (u64)vmf->pgoff << PAGE_SHIFT;
	s64 window = window_offset(chan, offset, PAGE_SIZE);
	unsigned long page = vmf->address & PAGE_MASK;
	unsigned long pfn, start, end, addr;
	vm_fault_t ret;

	if (window < 0)
		return VM_FAULT_SIGBUS;
	pfn = PHYS_PFN(vdev->window_start + window);
	ret = vmf_insert_pfn(vma, page, pfn);
	if (ret != VM_FAULT_NOPAGE)
		return ret;

	start = page - min_t(u64, page - vma->vm_start, offset % VGPU_CHUNK_SIZE);
	end = page + min_t(u64, vma->vm_end - page,
			   VGPU_CHUNK_SIZE - offset % VGPU_CHUNK_SIZE);
	pfn -= (page - start) >> PAGE_SHIFT;
	for (addr = start; addr < end; addr += PAGE_SIZE, pfn++)
		if (vmf_insert_pfn(vma, addr, pfn) != VM_FAULT_NOPAGE)
			break;
	return ret;
}

static vm_fault_t vgpu_fault(struct vm_fault *vmf)
{
	struct vgpu_channel *chan = vmf->vma->vm_private_data;
	struct vgpu_device *vdev = chan->vdev;
	vm_fault_t ret = VM_FAULT_SIGBUS;

	down_read(&vdev->lock);
	if (!vdev->dead)
		ret = insert_pages(vmf, chan);
	up_read(&vdev->lock);
	return ret;
}

static const struct vm_operations_struct vgpu_vm_ops = {
	.fault = vgpu_fault,
};

int vgpu_mmap(struct file *file, struct vm_area_struct *vma)
{
	struct vgpu_channel *chan = file->private_data;
	struct vgpu_device *vdev = chan->vdev;
	u64 offset = (u64)vma->vm_pgoff << PAGE_SHIFT;
	u64 size = vma->vm_end - vma->vm_start;
	bool description = offset >= VGPU_MMAP_DESCRIPTION && offset < VGPU_MMAP_ARENA;
	s64 window;

	if (!(vma->vm_flags & VM_MAYSHARE))
		return -EINVAL;
	if (vma->vm_flags & VM_EXEC || (description && vma->vm_flags & VM_WRITE))
		return -EACCES;

	down_read(&vdev->lock);
	window = vdev->dead ? -ENODEV : window_offset(chan, offset, size);
	up_read(&vdev->lock);
	if (window < 0)
		return window;

	vgpu_vm_flags(vma, VM_IO | VM_PFNMAP | VM_DONTCOPY | VM_DONTEXPAND | VM_DONTDUMP,
		      VM_MAYEXEC | (description ? VM_MAYWRITE : 0));
	/* no-op unless the guest's memory is encrypted, which the host's is not */
	vma->vm_page_prot = pgprot_decrypted(vma->vm_page_prot);
	vma->vm_ops = &vgpu_vm_ops;
	vma->vm_private_data = chan;
	return 0;
}
