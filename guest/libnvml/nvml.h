/* SPDX-License-Identifier: Apache-2.0 */
/*
 * libnvidia-ml.so.1: what monitoring tools ask about a GPU, answered from the
 * host's description of the vGPU alone. It holds a channel while it is initialised and
 * never asks for an executor.
 */
#ifndef VGPU_NVML_H
#define VGPU_NVML_H

#include <stdbool.h>
#include <stdint.h>

#include "../include/vgpu_layout.h"

#define VN_EXPORT __attribute__((visibility("default")))

typedef int nvmlReturn_t;
typedef struct vn_device *nvmlDevice_t;

enum {
	NVML_SUCCESS = 0,
	NVML_ERROR_UNINITIALIZED = 1,
	NVML_ERROR_INVALID_ARGUMENT = 2,
	NVML_ERROR_NOT_SUPPORTED = 3,
	NVML_ERROR_NO_PERMISSION = 4,
	NVML_ERROR_NOT_FOUND = 6,
	NVML_ERROR_INSUFFICIENT_SIZE = 7,
	NVML_ERROR_DRIVER_NOT_LOADED = 9,
	NVML_ERROR_TIMEOUT = 10,
	NVML_ERROR_FUNCTION_NOT_FOUND = 13,
	NVML_ERROR_MEMORY = 20,
	NVML_ERROR_ARGUMENT_VERSION_MISMATCH = 25,
};

/* first member of a versioned structure: its size and version */
#define VN_VERSION(type, version) ((uint32_t)(sizeof(type) | (version) << 24))

/* A private copy of what the host says now. */
struct vn_view {
	struct vgpu_description description;
	uint32_t pci_domain, pci_bus, pci_device;
	int in_vm;
};

/* Fills the view: 0, or UNINITIALIZED, or DRIVER_NOT_LOADED when the host says nonsense. */
nvmlReturn_t vn_view(struct vn_view *view);
/* The same for a call about a device with a place for its answer. */
nvmlReturn_t vn_view_device(struct vn_view *view, nvmlDevice_t device, const void *out);

/* The same for a call about what changes: if the host has stopped looking, it is asked to. */
nvmlReturn_t vn_view_now(struct vn_view *view, nvmlDevice_t device, const void *out);

/* Reads the word VGPU_DESC_LOOKS; ask: has the host look, too. false: nobody can be asked. */
bool vn_looks(bool ask, uint32_t *word);

/* Waits for a look if the host has stopped looking, once and not for long. */
void vn_refresh(void);

/* The domain's processes that use the device, by channel. */
nvmlReturn_t vn_users(nvmlDevice_t device, struct vgpu_process users[VGPU_MAX_CHANNELS], unsigned int *count);

/* The answer to a call about a device that is the same for every vGPU. */
nvmlReturn_t vn_constant(nvmlDevice_t device, unsigned int *out, unsigned int value);

/* The device, there is at most one. */
nvmlDevice_t vn_device(void);

/* NOT_SUPPORTED, or UNINITIALIZED. */
nvmlReturn_t vn_refuse(const char *name);

/* text and its NUL to a place of size bytes; INSUFFICIENT_SIZE */
nvmlReturn_t vn_text(char *to, unsigned int size, const char *text);

/* A device attribute as an unsigned number; NOT_SUPPORTED when the GPU has none. */
nvmlReturn_t vn_attribute(const struct vn_view *view, int id, unsigned int *value);

#endif
