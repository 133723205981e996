// SPDX-License-Identifier: Apache-2.0
/* Start and end of the library, and the view of the device. */
#include <pthread.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>

#include "../libcuda/channel.h"
#include "../libcuda/description.h"
#include "../libcuda/process.h"
#include "nvml.h"

static struct {
	pthread_mutex_t lock;
	unsigned int initialised;	/* nvmlInit without nvmlShutdown */
	bool hooked;
	struct vg_transport *transport;
	const struct vgpu_description *description;
} library = { .lock = PTHREAD_MUTEX_INITIALIZER };

struct vn_device {
	char unused;
};
static struct vn_device device;

nvmlDevice_t vn_device(void)
{
	return &device;
}

static void before_fork(void)
{
	pthread_mutex_lock(&library.lock);
}

static void after_fork_in_parent(void)
{
	pthread_mutex_unlock(&library.lock);
}

/* As with the driver's library a child starts uninitialised; mapping and channel are the parent's. */
static void after_fork_in_child(void)
{
	if (library.transport)
		library.transport->ops->close(library.transport);
	library.transport = NULL;
	library.description = NULL;
	library.initialised = 0;
	pthread_mutex_unlock(&library.lock);
}

/* Needs the lock. */
static void detach(void)
{
	if (library.description)
		munmap((void *)library.description, VGPU_DESCRIPTION_SIZE);
	if (library.transport)
		library.transport->ops->close(library.transport);
	library.description = NULL;
	library.transport = NULL;
}

/* Needs the lock. */
static nvmlReturn_t attach(void)
{
	const char *reason = "no reason given";
	void *p;

	if (library.description)
		return NVML_SUCCESS;
	if (!library.hooked && pthread_atfork(before_fork, after_fork_in_parent, after_fork_in_child))
		return NVML_ERROR_MEMORY;
	library.hooked = true;
	library.transport = vg_transport_open(&reason);
	if (!library.transport) {
		vg_log("no vGPU: %s", reason);
		return NVML_ERROR_DRIVER_NOT_LOADED;
	}
	p = library.transport->ops->map_description(library.transport);
	library.description = p == MAP_FAILED ? NULL : p;
	reason = library.description ? vg_description_fault(library.description) : "mapping the description failed";
	if (reason) {
		vg_log("no vGPU: %s", reason);
		detach();
		return NVML_ERROR_DRIVER_NOT_LOADED;
	}
	return NVML_SUCCESS;
}

VN_EXPORT nvmlReturn_t nvmlInitWithFlags(unsigned int flags)
{
	nvmlReturn_t result;

	(void)flags;	/* how to treat GPUs without a driver: there are none */
	pthread_mutex_lock(&library.lock);
	result = attach();
	if (!result)
		library.initialised++;
	pthread_mutex_unlock(&library.lock);
	return result;
}

VN_EXPORT nvmlReturn_t nvmlInit_v2(void)
{
	return nvmlInitWithFlags(0);
}

VN_EXPORT nvmlReturn_t nvmlInit(void)
{
	return nvmlInitWithFlags(0);
}

VN_EXPORT nvmlReturn_t nvmlShutdown(void)
{
	nvmlReturn_t result = NVML_ERROR_UNINITIALIZED;

	pthread_mutex_lock(&library.lock);
	if (library.initialised) {
		result = NVML_SUCCESS;
		if (--library.initialised == 0)
			detach();
	}
	pthread_mutex_unlock(&library.lock);
	return result;
}

nvmlReturn_t vn_view(struct vn_view *view)
{
	nvmlReturn_t result = NVML_ERROR_UNINITIALIZED;

	pthread_mutex_lock(&library.lock);
	if (library.initialised) {
		const struct vg_transport_info *info = &library.transport->info;
		struct vgpu_description *d = &view->description;

		memcpy(d, library.description, sizeof *d);
		d->name[sizeof d->name - 1] = 0;
		d->driver_string[sizeof d->driver_string - 1] = 0;
		view->in_vm = info->has_pci;
		view->pci_domain = info->has_pci ? info->pci_domain : d->pci_domain;
		view->pci_bus = info->has_pci ? info->pci_bus : d->pci_bus;
		view->pci_device = info->has_pci ? info->pci_device : d->pci_device;
		result = vg_description_fault(d) ? NVML_ERROR_DRIVER_NOT_LOADED : NVML_SUCCESS;
	}
	pthread_mutex_unlock(&library.lock);
	return result;
}

nvmlReturn_t vn_view_device(struct vn_view *view, nvmlDevice_t handle, const void *out)
{
	nvmlReturn_t result = vn_view(view);

	if (result)
		return result;
	return handle == &device && out && view->description.device_count ? NVML_SUCCESS : NVML_ERROR_INVALID_ARGUMENT;
}

nvmlReturn_t vn_view_now(struct vn_view *view, nvmlDevice_t handle, const void *out)
{
	vn_refresh();
	return vn_view_device(view, handle, out);
}

bool vn_looks(bool ask, uint32_t *word)
{
	bool there;

	pthread_mutex_lock(&library.lock);
	there = library.initialised;
	if (there)
		*word = VG_LIVE(*(const uint32_t *)((const char *)library.description + VGPU_DESC_LOOKS));
	if (there && ask)
		there = library.transport->ops->look(library.transport) == 0;
	pthread_mutex_unlock(&library.lock);
	return there;
}

nvmlReturn_t vn_users(nvmlDevice_t handle, struct vgpu_process users[VGPU_MAX_CHANNELS], unsigned int *count)
{
	struct vn_view view;
	nvmlReturn_t result = vn_view_now(&view, handle, count);

	if (result)
		return result;
	pthread_mutex_lock(&library.lock);
	result = library.initialised ? NVML_SUCCESS : NVML_ERROR_UNINITIALIZED;	/* another thread may have ended it */
	*count = 0;
	for (unsigned int i = 0; !result && i < VGPU_MAX_CHANNELS; i++) {
		const struct vgpu_process *now = (const struct vgpu_process *)((const char *)library.description +
									       VGPU_DESC_PROCESSES) + i;
		struct vgpu_process *user = &users[*count];

		user->pid = VG_LIVE(now->pid);
		user->used_memory = VG_LIVE(now->used_memory);
		*count += user->pid != 0;
	}
	pthread_mutex_unlock(&library.lock);
	return result;
}

nvmlReturn_t vn_constant(nvmlDevice_t handle, unsigned int *out, unsigned int value)
{
	struct vn_view view;
	nvmlReturn_t result = vn_view_device(&view, handle, out);

	if (!result)
		*out = value;
	return result;
}

nvmlReturn_t vn_refuse(const char *name)
{
	bool initialised;

	pthread_mutex_lock(&library.lock);
	initialised = library.initialised > 0;
	pthread_mutex_unlock(&library.lock);
	if (!initialised)
		return NVML_ERROR_UNINITIALIZED;
	vg_log("%s is not carried", name);
	return NVML_ERROR_NOT_SUPPORTED;
}

nvmlReturn_t vn_text(char *to, unsigned int size, const char *text)
{
	size_t n = strlen(text) + 1;

	if (n > size)
		return NVML_ERROR_INSUFFICIENT_SIZE;
	memcpy(to, text, n);
	return NVML_SUCCESS;
}

nvmlReturn_t vn_attribute(const struct vn_view *view, int id, unsigned int *value)
{
	int signed_value;

	if (vg_description_attribute(&view->description, id, &signed_value))
		return NVML_ERROR_NOT_SUPPORTED;
	*value = (unsigned int)signed_value;
	return NVML_SUCCESS;
}
