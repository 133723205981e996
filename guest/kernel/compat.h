/* SPDX-License-Identifier: GPL-2.0 */
/* What changed between the kernels that this module builds on, 6.1 and later. */
#ifndef VGPU_COMPAT_H
#define VGPU_COMPAT_H

#include <linux/mm.h>
#include <linux/version.h>

#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 2, 0)
#define vgpu_devnode_device const struct device
#else
#define vgpu_devnode_device struct device
#endif

static inline void vgpu_vm_flags(struct vm_area_struct *vma, unsigned long set,
				 unsigned long clear)
{
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 3, 0)
	vm_flags_mod(vma, set, clear);
#else
	vma->vm_flags = (vma->vm_flags | set) & ~clear;
#endif
}

#endif
