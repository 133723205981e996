// SPDX-License-Identifier: Apache-2.0
/*
 * Life of the process: attached (channel open, description mapped) by the first
 * call that needs the host's driver version, initialised by cuInit, dead in a
 * forked child and after exit.
 */
#include "process.h"

#include <stdbool.h>
#include <stdlib.h>

#include "calls.h"
#include "channel.h"
#include "description.h"
#include "register.h"
#include "spaces.h"
#include "text.h"
#include "visible.h"

struct vg_process vg_process = { .result = VG_UNINITIALISED };

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static _Atomic int driver_version;	/* 0: not attached yet */

static void on_exit_of_process(void)
{
	if (!vg_process_ready() && vg_thread_get())
		vg_text_end(vg_thread_get());
	atomic_store_explicit(&vg_process.exiting, 1, memory_order_relaxed);
	vg_refused_report();
}

static void before_fork(void)
{
	pthread_mutex_lock(&lock);
}

static void after_fork_in_parent(void)
{
	pthread_mutex_unlock(&lock);
}

/*
 * The channel belongs to the parent and its mappings were not inherited. A child of
 * an initialised parent is dead to CUDA, as with the driver; any other child
 * starts afresh.
 */
static void after_fork_in_child(void)
{
	struct vg_channel *channel = vg_process.channel;

	pthread_mutex_unlock(&lock);
	if (channel)
		channel->transport->ops->close(channel->transport);
	if (atomic_load_explicit(&vg_process.result, memory_order_relaxed) == 0) {
		atomic_store_explicit(&vg_process.forked, 1, memory_order_relaxed);
		return;
	}
	if (channel)
		vg_spaces_drop();
	vg_process.channel = NULL;
	vg_process.description = NULL;
}

/* Needs the lock. Not being the only user of the process, the hooks come with the first work. */
static int register_hooks(void)
{
	static bool done;

	if (done)
		return 0;
	if (pthread_atfork(vg_register_before_fork, vg_register_after_fork_in_parent, vg_register_after_fork_in_child) ||
	    pthread_atfork(before_fork, after_fork_in_parent, after_fork_in_child) || atexit(on_exit_of_process))
		return CUDA_ERROR_OUT_OF_MEMORY;
	done = true;
	return 0;
}

/* Needs the lock. */
static int attach(void)
{
	const char *reason = "no reason given";
	const struct vgpu_description *d;
	int result = register_hooks();

	if (result || vg_process.description)
		return result;
	if (!vg_process.channel)
		vg_process.channel = vg_channel_open(&reason);
	if (!vg_process.channel) {
		vg_log("no vGPU: %s", reason);
		return CUDA_ERROR_NO_DEVICE;
	}
	d = vg_channel_description(vg_process.channel);
	reason = d ? vg_description_fault(d) : "mapping the description failed";
	if (reason) {
		vg_log("no vGPU: %s", reason);
		return d ? CUDA_ERROR_SYSTEM_DRIVER_MISMATCH : CUDA_ERROR_OPERATING_SYSTEM;
	}
	vg_process.description = d;
	atomic_store_explicit(&driver_version,
			      d->driver_version && d->driver_version < VG_API_VERSION ? (int)d->driver_version :
										       VG_API_VERSION,
			      memory_order_relaxed);
	return 0;
}

int vg_process_driver_version(void)
{
	int version = atomic_load_explicit(&driver_version, memory_order_relaxed);

	if (version)
		return version;
	pthread_mutex_lock(&lock);
	if (!atomic_load_explicit(&vg_process.forked, memory_order_relaxed))
		(void)attach();
	pthread_mutex_unlock(&lock);
	version = atomic_load_explicit(&driver_version, memory_order_relaxed);
	return version ? version : VG_API_VERSION;
}

/* As the driver: anything else, the empty word too, is an error. */
static bool order_known(const char *order)
{
	return !order || strcmp(order, "FASTEST_FIRST") == 0 || strcmp(order, "PCI_BUS_ID") == 0;
}

static int initialise(void)
{
	int visible, result = attach();
	const char *blocking;

	if (result)
		return result;
	const struct vg_transport_info *info = &vg_process.channel->transport->info;
	const struct vgpu_description *d = vg_process.description;

	vg_process.pci_domain = info->has_pci ? info->pci_domain : d->pci_domain;
	vg_process.pci_bus = info->has_pci ? info->pci_bus : d->pci_bus;
	vg_process.pci_device = info->has_pci ? info->pci_device : d->pci_device;
	if (!order_known(getenv("CUDA_DEVICE_ORDER"))) {
		vg_log("no vGPU: CUDA_DEVICE_ORDER is neither FASTEST_FIRST nor PCI_BUS_ID");
		return CUDA_ERROR_INVALID_DEVICE;
	}
	visible = d->device_count ? vg_visible(getenv("CUDA_VISIBLE_DEVICES"), d->uuid) : 0;
	if (visible < 0) {
		vg_log("no vGPU: CUDA_VISIBLE_DEVICES names it twice");
		return CUDA_ERROR_INVALID_DEVICE;
	}
	vg_process.device_count = visible;
	blocking = getenv("CUDA_LAUNCH_BLOCKING");
	vg_process.launch_blocking = blocking && atoi(blocking) != 0;
	if (!visible) {
		vg_log("no vGPU: %s", d->device_count ? "CUDA_VISIBLE_DEVICES hides it" : "the host has none for us");
		return CUDA_ERROR_NO_DEVICE;
	}
	return 0;
}

int vg_process_init(void)
{
	int result = vg_process_ready();

	/* a failure is tried again: a channel may have become free */
	if (result != CUDA_ERROR_NOT_INITIALIZED || atomic_load_explicit(&vg_process.forked, memory_order_relaxed))
		return result;
	pthread_mutex_lock(&lock);
	result = atomic_load_explicit(&vg_process.result, memory_order_relaxed);
	if (result != 0) {
		result = initialise();
		atomic_store_explicit(&vg_process.result, result, memory_order_release);
	}
	pthread_mutex_unlock(&lock);
	return result;
}

int vg_process_unready(void)
{
	if (atomic_load_explicit(&vg_process.forked, memory_order_relaxed))
		return CUDA_ERROR_NOT_INITIALIZED;
	if (atomic_load_explicit(&vg_process.exiting, memory_order_relaxed))
		return CUDA_ERROR_DEINITIALIZED;
	return atomic_load_explicit(&vg_process.result, memory_order_acquire) ? CUDA_ERROR_NOT_INITIALIZED : 0;
}
