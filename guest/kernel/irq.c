// SPDX-License-Identifier: GPL-2.0
/*
 * Vectors and doorbells. Vector 0 is control, 1 + channel the channel's own; a
 * device with fewer vectors shares them round robin, in both directions.
 * Handlers count and wake, nothing else: the tables in the window are level
 * triggered, so whoever is woken looks at them.
 */
#include "vgpu.h"
#include <linux/interrupt.h>
#include <linux/jiffies.h>
#include <linux/slab.h>

/* ivshmem's doorbell register: peer << 16 | vector */
#define IVSHMEM_DOORBELL	0xc

#define CONTROL_POLL_MS		20

u32 vgpu_vector_of(const struct vgpu_device *vdev, u32 channel)
{
	if (vdev->vector_count == 1)
		return VGPU_VECTOR_CONTROL;
	return 1 + channel % (vdev->vector_count - 1);
}

/* Lock held and device alive. */
void vgpu_ring(struct vgpu_device *vdev, u32 vector)
{
	writel(VGPU_PEER_HOST << 16 | vector, vdev->registers + IVSHMEM_DOORBELL);
}

static irqreturn_t vgpu_interrupt(int irq, void *data)
{
	struct vgpu_vector *vector = data;
	struct vgpu_device *vdev = vector->vdev;
	u32 i;

	for (i = 0; i < vdev->geometry.channel_count; i++) {
		if (vgpu_vector_of(vdev, i) != vector->index)
			continue;
		atomic_inc(&vdev->channels[i].interrupts);
		wake_up_all(&vdev->channels[i].wait);
	}
	if (vector->index != VGPU_VECTOR_CONTROL)
		return IRQ_HANDLED;
	atomic_inc(&vdev->control_interrupts);
	wake_up_all(&vdev->control_wait);
	return IRQ_WAKE_THREAD;
}

static irqreturn_t vgpu_control_thread(int irq, void *data)
{
	struct vgpu_vector *vector = data;
	struct vgpu_device *vdev = vector->vdev;

	down_write(&vdev->lock);
	if (!vdev->dead)
		vgpu_channels_reap(vdev);
	up_write(&vdev->lock);
	return IRQ_HANDLED;
}

/*
 * Sleeps until vector 0 was raised after seen was read, but not for long: the
 * table may have changed without an interrupt. -ERESTARTSYS on a signal.
 */
int vgpu_control_wait(struct vgpu_device *vdev, int seen)
{
	long ret = wait_event_interruptible_timeout(vdev->control_wait,
			atomic_read(&vdev->control_interrupts) != seen,
			msecs_to_jiffies(CONTROL_POLL_MS));

	return ret < 0 ? ret : 0;
}

int vgpu_irq_request(struct vgpu_device *vdev)
{
	struct pci_dev *pdev = vdev->pdev;
	int table = pci_msix_vec_count(pdev);
	u32 i, want;
	int err;

	if (table < 1) {
		pci_err(pdev, "the device has no MSI-X vectors: it needs ivshmem-doorbell with vectors set\n");
		return -ENODEV;
	}
	want = min_t(u32, table, 1 + vdev->geometry.channel_count);
	err = pci_alloc_irq_vectors(pdev, want, want, PCI_IRQ_MSIX);
	if (err < 0) {
		pci_err(pdev, "getting %u MSI-X vectors: %d\n", want, err);
		return err;
	}
	vdev->vectors = kcalloc(want, sizeof(*vdev->vectors), GFP_KERNEL);
	if (!vdev->vectors) {
		pci_free_irq_vectors(pdev);
		return -ENOMEM;
	}
	vdev->vector_count = want;
	for (i = 0; i < want; i++) {
		vdev->vectors[i].vdev = vdev;
		vdev->vectors[i].index = i;
		err = pci_request_irq(pdev, i, vgpu_interrupt,
				      i == VGPU_VECTOR_CONTROL ? vgpu_control_thread : NULL,
				      &vdev->vectors[i], "vgpu%d-%u", vdev->number, i);
		if (err) {
			pci_err(pdev, "requesting MSI-X vector %u: %d\n", i, err);
			break;
		}
	}
	if (!err)
		return 0;
	while (i--)
		pci_free_irq(pdev, i, &vdev->vectors[i]);
	pci_free_irq_vectors(pdev);
	kfree(vdev->vectors);
	return err;
}

void vgpu_irq_free(struct vgpu_device *vdev)
{
	u32 i;

	for (i = 0; i < vdev->vector_count; i++)
		pci_free_irq(vdev->pdev, i, &vdev->vectors[i]);
	pci_free_irq_vectors(vdev->pdev);
	kfree(vdev->vectors);
}
