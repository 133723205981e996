// SPDX-License-Identifier: GPL-2.0
/* Finds the vGPUs among the ivshmem devices and makes /dev/vgpuN of each. */
#include "vgpu.h"
#include "compat.h"
#include <linux/idr.h>
#include <linux/module.h>
#include <linux/sizes.h>
#include <linux/slab.h>

#define VGPU_MINORS		16
#define IVSHMEM_REVISION	1
#define BAR_REGISTERS		0
#define BAR_WINDOW		2
#define REGISTERS_SIZE		0x100

static dev_t vgpu_devt;
static DEFINE_IDA(vgpu_numbers);

static char *vgpu_devnode(vgpu_devnode_device *dev, umode_t *mode)
{
	if (mode)
		*mode = 0660;
	return NULL;
}

static struct class vgpu_class = {
	.name = "vgpu",
	.devnode = vgpu_devnode,
};

static void vgpu_device_release(struct device *dev)
{
	struct vgpu_device *vdev = container_of(dev, struct vgpu_device, dev);

	vgpu_mapping_exit(vdev);
	ida_free(&vgpu_numbers, vdev->number);
	kvfree(vdev->chunks);
	kfree(vdev->channels);
	kfree(vdev);
}

/* The header is read through a mapping of its own: the device may not be ours. */
static int read_geometry(struct pci_dev *pdev, struct vgpu_geometry *geometry)
{
	u64 size = pci_resource_len(pdev, BAR_WINDOW);
	void *header;
	int err;

	if (pdev->revision != IVSHMEM_REVISION || size < SZ_4K ||
	    !(pci_resource_flags(pdev, BAR_WINDOW) & IORESOURCE_MEM))
		return -ENODEV;
	header = memremap(pci_resource_start(pdev, BAR_WINDOW), SZ_4K, MEMREMAP_WB);
	if (!header)
		return -ENOMEM;
	err = vgpu_geometry_read(&pdev->dev, header, size, geometry);
	memunmap(header);
	return err;
}

static struct vgpu_device *vgpu_device_alloc(struct pci_dev *pdev,
					     const struct vgpu_geometry *geometry)
{
	struct vgpu_device *vdev = kzalloc(sizeof(*vdev), GFP_KERNEL);
	int err;

	if (!vdev)
		return ERR_PTR(-ENOMEM);
	vdev->number = ida_alloc_max(&vgpu_numbers, VGPU_MINORS - 1, GFP_KERNEL);
	if (vdev->number < 0) {
		err = vdev->number;
		kfree(vdev);
		return ERR_PTR(err);
	}
	vdev->pdev = pdev;
	vdev->geometry = *geometry;
	vdev->pci_domain = pci_domain_nr(pdev->bus);
	vdev->pci_bus = pdev->bus->number;
	vdev->pci_device = PCI_SLOT(pdev->devfn);
	vdev->pci_function = PCI_FUNC(pdev->devfn);
	init_rwsem(&vdev->lock);
	init_waitqueue_head(&vdev->control_wait);

	device_initialize(&vdev->dev);
	vdev->dev.class = &vgpu_class;
	vdev->dev.parent = &pdev->dev;
	vdev->dev.devt = MKDEV(MAJOR(vgpu_devt), vdev->number);
	vdev->dev.release = vgpu_device_release;
	cdev_init(&vdev->cdev, &vgpu_fops);
	vdev->cdev.owner = THIS_MODULE;

	err = dev_set_name(&vdev->dev, "vgpu%d", vdev->number);
	if (err)
		goto put;
	err = -ENOMEM;
	vdev->channels = kcalloc(geometry->channel_count, sizeof(*vdev->channels), GFP_KERNEL);
	vdev->chunks = kvcalloc(geometry->chunk_count, sizeof(*vdev->chunks), GFP_KERNEL);
	if (!vdev->channels || !vdev->chunks)
		goto put;
	err = vgpu_mapping_init(vdev);
	if (err)
		goto put;
	return vdev;
put:
	put_device(&vdev->dev);
	return ERR_PTR(err);
}

static int map_bars(struct vgpu_device *vdev)
{
	struct pci_dev *pdev = vdev->pdev;

	if (pci_resource_len(pdev, BAR_REGISTERS) < REGISTERS_SIZE)
		return -ENODEV;
	vdev->registers = pci_iomap(pdev, BAR_REGISTERS, REGISTERS_SIZE);
	if (!vdev->registers)
		return -ENOMEM;
	vdev->window_start = pci_resource_start(pdev, BAR_WINDOW);
	vdev->window = memremap(vdev->window_start, vdev->geometry.window_size, MEMREMAP_WB);
	if (!vdev->window) {
		pci_iounmap(pdev, vdev->registers);
		return -ENOMEM;
	}
	if (vdev->window_start < SZ_4G)
		pci_info(pdev, "the window lies below 4 GiB, where firmware often forbids caching: a window of 1 GiB or more is faster\n");
	return 0;
}

static void unmap_bars(struct vgpu_device *vdev)
{
	memunmap(vdev->window);
	pci_iounmap(vdev->pdev, vdev->registers);
}

static int vgpu_probe(struct pci_dev *pdev, const struct pci_device_id *id)
{
	struct vgpu_geometry geometry;
	struct vgpu_device *vdev;
	int err;

	err = pci_enable_device(pdev);
	if (err)
		return err;
	err = read_geometry(pdev, &geometry);
	if (err)
		goto disable;
	err = pci_request_regions(pdev, "vgpu");
	if (err)
		goto disable;
	pci_set_master(pdev);
	vdev = vgpu_device_alloc(pdev, &geometry);
	if (IS_ERR(vdev)) {
		err = PTR_ERR(vdev);
		goto release;
	}
	err = map_bars(vdev);
	if (err)
		goto put;

	vgpu_channels_adopt(vdev);
	vgpu_chunks_adopt(vdev);
	err = vgpu_irq_request(vdev);
	if (err)
		goto unmap;
	vgpu_ring(vdev, VGPU_VECTOR_CONTROL);

	pci_set_drvdata(pdev, vdev);
	err = cdev_device_add(&vdev->cdev, &vdev->dev);
	if (err)
		goto irq;
	pci_info(pdev, "vgpu%d: %u channels, %u chunks, %u vectors\n", vdev->number,
		 geometry.channel_count, geometry.chunk_count, vdev->vector_count);
	return 0;
irq:
	vgpu_irq_free(vdev);
unmap:
	unmap_bars(vdev);
put:
	put_device(&vdev->dev);
release:
	pci_clear_master(pdev);
	pci_release_regions(pdev);
disable:
	pci_disable_device(pdev);
	return err;
}

/* From here on processes get -ENODEV from calls and SIGBUS from mappings. */
static void vgpu_kill(struct vgpu_device *vdev)
{
	down_write(&vdev->lock);
	if (!vdev->dead) {
		WRITE_ONCE(vdev->dead, true);
		vgpu_unmap(vdev, 0, 0);
		vgpu_channels_kill(vdev);
	}
	up_write(&vdev->lock);
}

static void vgpu_remove(struct pci_dev *pdev)
{
	struct vgpu_device *vdev = pci_get_drvdata(pdev);

	cdev_device_del(&vdev->cdev, &vdev->dev);
	vgpu_kill(vdev);
	vgpu_irq_free(vdev);
	unmap_bars(vdev);
	put_device(&vdev->dev);
	pci_clear_master(pdev);
	pci_release_regions(pdev);
	pci_disable_device(pdev);
}

/* A reboot ends every channel on the host at once. */
static void vgpu_shutdown(struct pci_dev *pdev)
{
	vgpu_kill(pci_get_drvdata(pdev));
}

static const struct pci_device_id vgpu_ids[] = {
	{ PCI_DEVICE(PCI_VENDOR_ID_REDHAT_QUMRANET, 0x1110) },
	{}
};
MODULE_DEVICE_TABLE(pci, vgpu_ids);

static struct pci_driver vgpu_driver = {
	.name = "vgpu",
	.id_table = vgpu_ids,
	.probe = vgpu_probe,
	.remove = vgpu_remove,
	.shutdown = vgpu_shutdown,
};

static int __init vgpu_init(void)
{
	int err = alloc_chrdev_region(&vgpu_devt, 0, VGPU_MINORS, "vgpu");

	if (err)
		return err;
	err = class_register(&vgpu_class);
	if (err)
		goto chrdev;
	err = pci_register_driver(&vgpu_driver);
	if (err)
		goto class;
	return 0;
class:
	class_unregister(&vgpu_class);
chrdev:
	unregister_chrdev_region(vgpu_devt, VGPU_MINORS);
	return err;
}
module_init(vgpu_init);

static void __exit vgpu_exit(void)
{
	pci_unregister_driver(&vgpu_driver);
	class_unregister(&vgpu_class);
	unregister_chrdev_region(vgpu_devt, VGPU_MINORS);
	ida_destroy(&vgpu_numbers);
}
module_exit(vgpu_exit);

MODULE_DESCRIPTION("Virtual GPU over an ivshmem window");
MODULE_LICENSE("GPL");
