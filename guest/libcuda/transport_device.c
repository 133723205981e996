// SPDX-License-Identifier: Apache-2.0
/* The channel inside a VM: /dev/vgpu0 of vgpu.ko, see vgpu_uapi.h. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "../include/vgpu_uapi.h"
#include "channel.h"

struct device_transport {
	struct vg_transport base;
	int fd;
};

static int device_call(struct vg_transport *t, unsigned long request, void *argument)
{
	struct device_transport *d = (struct device_transport *)t;

	return ioctl(d->fd, request, argument) < 0 ? -errno : 0;
}

static int device_start(struct vg_transport *t)
{
	return device_call(t, VGPU_IOC_START, NULL);
}

static int device_alloc(struct vg_transport *t, uint32_t count, uint64_t *offset)
{
	struct vgpu_chunks chunks = { .count = count };
	int error;

	do
		error = device_call(t, VGPU_IOC_ALLOC, &chunks);
	while (error == -EINTR);
	*offset = chunks.offset;
	return error;
}

static int device_free(struct vg_transport *t, uint64_t offset, uint32_t count)
{
	struct vgpu_chunks chunks = { .count = count, .offset = offset };

	return device_call(t, VGPU_IOC_FREE, &chunks);
}

static int device_ring(struct vg_transport *t)
{
	return device_call(t, VGPU_IOC_RING, NULL);
}

static int device_look(struct vg_transport *t)
{
	return device_call(t, VGPU_IOC_LOOK, NULL);
}

static int device_wait(struct vg_transport *t, uint32_t *seen, uint32_t timeout_us)
{
	struct vgpu_wait wait = { .seen = *seen, .timeout_us = timeout_us };
	int error = device_call(t, VGPU_IOC_WAIT, &wait);

	*seen = wait.seen;
	return error;
}

static void *device_map(struct vg_transport *t, void *at, uint64_t offset, size_t size, int protection)
{
	struct device_transport *d = (struct device_transport *)t;

	return mmap(at, size, protection, MAP_SHARED | (at ? MAP_FIXED : 0), d->fd, (off_t)offset);
}

static void *device_map_channel(struct vg_transport *t, void *at, size_t offset, size_t size)
{
	return device_map(t, at, VGPU_MMAP_CHANNEL + offset, size, PROT_READ | PROT_WRITE);
}

static void *device_map_description(struct vg_transport *t)
{
	return device_map(t, NULL, VGPU_MMAP_DESCRIPTION, VGPU_DESCRIPTION_SIZE, PROT_READ);
}

static void *device_map_chunks(struct vg_transport *t, void *at, uint64_t offset, size_t size)
{
	return device_map(t, at, VGPU_MMAP_ARENA + offset, size, PROT_READ | PROT_WRITE);
}

static void device_close(struct vg_transport *t)
{
	struct device_transport *d = (struct device_transport *)t;

	close(d->fd);
	free(d);
}

static const struct vg_transport_ops device_ops = {
	.start = device_start,
	.alloc = device_alloc,
	.free = device_free,
	.ring = device_ring,
	.look = device_look,
	.wait = device_wait,
	.map_channel = device_map_channel,
	.map_description = device_map_description,
	.map_chunks = device_map_chunks,
	.close = device_close,
};

struct vg_transport *vg_transport_open_device(const char *path, const char **reason)
{
	struct device_transport *d = calloc(1, sizeof *d);
	struct vgpu_info info = { 0 };

	if (!d) {
		*reason = "out of memory";
		return NULL;
	}
	d->base.ops = &device_ops;
	d->fd = open(path, O_RDWR | O_CLOEXEC);
	if (d->fd < 0) {
		*reason = errno == ENOENT ? "there is no /dev/vgpu0: the domain has no vGPU or vgpu.ko is not loaded" :
			  errno == EBUSY ? "all channels of this domain's vGPU are in use by other processes" :
			  errno == EACCES ? "no permission for /dev/vgpu0: add the user to group vgpu" :
					    "opening /dev/vgpu0 failed";
		free(d);
		return NULL;
	}
	if (ioctl(d->fd, VGPU_IOC_INFO, &info) < 0 || info.layout_version != VGPU_LAYOUT_VERSION ||
	    info.channel_size != VGPU_CHANNEL_SIZE || info.chunk_size != VGPU_CHUNK_SIZE) {
		*reason = "vgpu.ko speaks another version of the window layout: install matching packages";
		device_close(&d->base);
		return NULL;
	}
	d->base.info = (struct vg_transport_info){
		.channel = info.channel,
		.pci_domain = info.pci_domain,
		.pci_bus = info.pci_bus,
		.pci_device = info.pci_device,
		.has_pci = true,
	};
	return &d->base;
}
