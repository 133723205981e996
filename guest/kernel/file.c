// SPDX-License-Identifier: GPL-2.0
/* /dev/vgpuN: what vgpu_uapi.h promises. */
#include "vgpu.h"
#include <linux/ktime.h>
#include <linux/module.h>
#include <linux/uaccess.h>

#define WAIT_MAX_US	1000000

static int vgpu_open(struct inode *inode, struct file *file)
{
	struct vgpu_device *vdev = container_of(inode->i_cdev, struct vgpu_device, cdev);
	struct vgpu_channel *chan = vgpu_channel_open(vdev, file->f_flags & O_NONBLOCK);

	if (IS_ERR(chan))
		return PTR_ERR(chan);
	get_device(&vdev->dev);
	file->private_data = chan;
	file->f_mapping = vdev->inode->i_mapping;
	return nonseekable_open(inode, file);
}

static int vgpu_release(struct inode *inode, struct file *file)
{
	struct vgpu_channel *chan = file->private_data;
	struct vgpu_device *vdev = chan->vdev;

	vgpu_channel_close(chan);
	put_device(&vdev->dev);
	return 0;
}

static int ioctl_info(struct vgpu_channel *chan, void __user *arg)
{
	struct vgpu_device *vdev = chan->vdev;
	struct vgpu_info info = {
		.layout_version = VGPU_LAYOUT_VERSION,
		.channel = chan->index,
		.window_size = vdev->geometry.window_size,
		.channel_size = VGPU_CHANNEL_SIZE,
		.chunk_size = VGPU_CHUNK_SIZE,
		.description_size = VGPU_DESCRIPTION_SIZE,
		.pci_domain = vdev->pci_domain,
		.pci_bus = vdev->pci_bus,
		.pci_device = vdev->pci_device,
		.pci_function = vdev->pci_function,
	};

	return copy_to_user(arg, &info, sizeof(info)) ? -EFAULT : 0;
}

static int ioctl_alloc(struct vgpu_channel *chan, struct vgpu_chunks __user *arg)
{
	struct vgpu_chunks chunks;
	int err;

	if (copy_from_user(&chunks, arg, sizeof(chunks)))
		return -EFAULT;
	if (chunks.reserved)
		return -EINVAL;
	err = vgpu_chunks_alloc(chan, chunks.count, &chunks.offset);
	if (err)
		return err;
	if (copy_to_user(arg, &chunks, sizeof(chunks))) {
		vgpu_chunks_free(chan, chunks.count, chunks.offset);
		return -EFAULT;
	}
	return 0;
}

static int ioctl_free(struct vgpu_channel *chan, const struct vgpu_chunks __user *arg)
{
	struct vgpu_chunks chunks;

	if (copy_from_user(&chunks, arg, sizeof(chunks)))
		return -EFAULT;
	if (chunks.reserved)
		return -EINVAL;
	return vgpu_chunks_free(chan, chunks.count, chunks.offset);
}

static int ioctl_ring(struct vgpu_device *vdev, u32 vector)
{
	int err = -ENODEV;

	down_read(&vdev->lock);
	if (!vdev->dead) {
		vgpu_ring(vdev, vector);
		err = 0;
	}
	up_read(&vdev->lock);
	return err;
}

/* dead is set before the wake-up that goes with it and never cleared */
static bool wait_is_over(const struct vgpu_channel *chan, u32 seen)
{
	return (u32)atomic_read(&chan->interrupts) != seen || READ_ONCE(chan->vdev->dead);
}

static int ioctl_wait(struct vgpu_channel *chan, struct vgpu_wait __user *arg)
{
	struct vgpu_device *vdev = chan->vdev;
	struct vgpu_wait wait;
	ktime_t timeout;
	int ret;

	if (copy_from_user(&wait, arg, sizeof(wait)))
		return -EFAULT;
	if (wait.timeout_us > WAIT_MAX_US)
		return -EINVAL;
	timeout = ns_to_ktime((u64)wait.timeout_us * NSEC_PER_USEC);
	ret = wait_event_interruptible_hrtimeout(chan->wait, wait_is_over(chan, wait.seen),
						 timeout);
	if (READ_ONCE(vdev->dead))
		return -ENODEV;
	if (ret)
		return ret == -ETIME ? -ETIMEDOUT : -EINTR;
	wait.seen = atomic_read(&chan->interrupts);
	return copy_to_user(arg, &wait, sizeof(wait)) ? -EFAULT : 0;
}

static long vgpu_ioctl(struct file *file, unsigned int command, unsigned long arg)
{
	struct vgpu_channel *chan = file->private_data;
	void __user *user = (void __user *)arg;

	switch (command) {
	case VGPU_IOC_INFO:
		return ioctl_info(chan, user);
	case VGPU_IOC_START:
		return vgpu_channel_start(chan);
	case VGPU_IOC_ALLOC:
		return ioctl_alloc(chan, user);
	case VGPU_IOC_FREE:
		return ioctl_free(chan, user);
	case VGPU_IOC_RING:
		return ioctl_ring(chan->vdev, vgpu_vector_of(chan->vdev, chan->index));
	case VGPU_IOC_WAIT:
		return ioctl_wait(chan, user);
	case VGPU_IOC_LOOK:
		return ioctl_ring(chan->vdev, VGPU_VECTOR_CONTROL);
	default:
		return -ENOTTY;
	}
}

const struct file_operations vgpu_fops = {
	.owner = THIS_MODULE,
	.open = vgpu_open,
	.release = vgpu_release,
	.unlocked_ioctl = vgpu_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
	.mmap = vgpu_mmap,
};
