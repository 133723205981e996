// SPDX-License-Identifier: Apache-2.0
/*
 * A stand-in for Ollama's CUDA backend (libggml-cuda.so), which needs NVIDIA's compiler. It computes nothing; for a
 * discovery of GPUs it asks libcuda and NVML what that backend asks, and hands the answers to Ollama through the same
 * interface. Built against the headers in Ollama's Go module.
 */
#include <dlfcn.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ggml-backend-impl.h"

enum { ATTRIBUTE_INTEGRATED = 18, ATTRIBUTE_PCI_BUS = 33, ATTRIBUTE_PCI_DEVICE = 34, ATTRIBUTE_PCI_DOMAIN = 50, ATTRIBUTE_MAJOR = 75,
       ATTRIBUTE_MINOR = 76 };

struct gpu {
	char name[256], id[48], pci[20];
	int major, minor, integrated, driver;
};

static struct gpu gpu;
static int gpu_count;
static void *driver, *nvml;

#define CALL(library, name, ...) \
	({ \
		int (*function_)() = (int (*)())dlsym(library, name); \
\
		function_ ? function_(__VA_ARGS__) : -1; \
	})

static bool asked(const char *what, int result)
{
	if (result)
		fprintf(stderr, "backend: %s: %d\n", what, result);
	return result == 0;
}

static void describe(void)
{
	unsigned char uuid[16];
	int domain = 0, bus = 0, device = 0, count = 0, n;

	driver = dlopen("libcuda.so.1", RTLD_NOW);
	if (!driver || !asked("cuInit", CALL(driver, "cuInit", 0)) || !asked("cuDeviceGetCount", CALL(driver, "cuDeviceGetCount", &count)) ||
	    count < 1 || !asked("cuDriverGetVersion", CALL(driver, "cuDriverGetVersion", &gpu.driver)) ||
	    !asked("cuDeviceGetName", CALL(driver, "cuDeviceGetName", gpu.name, (int)sizeof(gpu.name), 0)) ||
	    !asked("cuDeviceGetUuid_v2", CALL(driver, "cuDeviceGetUuid_v2", uuid, 0)))
		return;
	CALL(driver, "cuDeviceGetAttribute", &gpu.major, ATTRIBUTE_MAJOR, 0);
	CALL(driver, "cuDeviceGetAttribute", &gpu.minor, ATTRIBUTE_MINOR, 0);
	CALL(driver, "cuDeviceGetAttribute", &gpu.integrated, ATTRIBUTE_INTEGRATED, 0);
	CALL(driver, "cuDeviceGetAttribute", &domain, ATTRIBUTE_PCI_DOMAIN, 0);
	CALL(driver, "cuDeviceGetAttribute", &bus, ATTRIBUTE_PCI_BUS, 0);
	CALL(driver, "cuDeviceGetAttribute", &device, ATTRIBUTE_PCI_DEVICE, 0);
	n = sprintf(gpu.id, "GPU-");
	for (int i = 0; i < 16; i++)
		n += sprintf(gpu.id + n, i == 4 || i == 6 || i == 8 || i == 10 ? "-%02x" : "%02x", uuid[i]);
	snprintf(gpu.pci, sizeof(gpu.pci), "%04x:%02x:%02x.0", domain & 0xffff, bus & 0xff, device & 0xff);
	gpu_count = 1;
}

/* What the second look at a device does: real work, which a device that only looks usable fails. */
static bool work(void)
{
	void *context;
	unsigned long long memory;
	unsigned int word = 0;

	return asked("cuDevicePrimaryCtxRetain", CALL(driver, "cuDevicePrimaryCtxRetain", &context, 0)) &&
	       asked("cuCtxSetCurrent", CALL(driver, "cuCtxSetCurrent", context)) &&
	       asked("cuMemAlloc_v2", CALL(driver, "cuMemAlloc_v2", &memory, (size_t)4096)) &&
	       asked("cuMemsetD32_v2", CALL(driver, "cuMemsetD32_v2", memory, 0xabcd1234u, (size_t)1024)) &&
	       asked("cuMemcpyDtoH_v2", CALL(driver, "cuMemcpyDtoH_v2", &word, memory + 4092, (size_t)4)) && word == 0xabcd1234u &&
	       asked("cuMemFree_v2", CALL(driver, "cuMemFree_v2", memory));
}

static const char *device_name(ggml_backend_dev_t device)
{
	(void)device;
	return "CUDA0";
}

static const char *device_description(ggml_backend_dev_t device)
{
	(void)device;
	return gpu.name;
}

/* By NVML, which makes no context. */
static void device_memory(ggml_backend_dev_t device, size_t *free, size_t *total)
{
	struct { unsigned long long total, free, used; } memory = { 0 };
	void *handle;

	(void)device;
	*free = *total = 0;
	if (!nvml)
		nvml = dlopen("libnvidia-ml.so.1", RTLD_NOW);
	if (!nvml || !asked("nvmlInit_v2", CALL(nvml, "nvmlInit_v2")))
		return;
	if (asked("nvmlDeviceGetHandleByUUID", CALL(nvml, "nvmlDeviceGetHandleByUUID", gpu.id, &handle)) &&
	    asked("nvmlDeviceGetMemoryInfo", CALL(nvml, "nvmlDeviceGetMemoryInfo", handle, &memory))) {
		*free = memory.free;
		*total = memory.total;
	}
	CALL(nvml, "nvmlShutdown");
}

static enum ggml_backend_dev_type device_type(ggml_backend_dev_t device)
{
	(void)device;
	return GGML_BACKEND_DEVICE_TYPE_GPU;
}

static void device_props(ggml_backend_dev_t device, struct ggml_backend_dev_props *props)
{
	memset(props, 0, sizeof(*props));
	props->name = device_name(device);
	props->description = gpu.name;
	props->id = gpu.id;
	props->device_id = gpu.pci;
	props->type = device_type(device);
	props->driver_major = gpu.driver / 1000;
	props->driver_minor = gpu.driver % 1000 / 10;
	props->compute_major = gpu.major;
	props->compute_minor = gpu.minor;
	props->integrated = gpu.integrated;
	props->library = "CUDA";
}

static const char *buffer_name(ggml_backend_buffer_type_t type)
{
	(void)type;
	return "CUDA0";
}

static size_t buffer_alignment(ggml_backend_buffer_type_t type)
{
	(void)type;
	return 128;
}

static struct ggml_backend_buffer_type buffer_type = { .iface = { .get_name = buffer_name, .get_alignment = buffer_alignment } };

static ggml_backend_buffer_type_t device_buffer_type(ggml_backend_dev_t device)
{
	buffer_type.device = device;
	return &buffer_type;
}

static bool supports_op(ggml_backend_dev_t device, const struct ggml_tensor *op)
{
	(void)device;
	(void)op;
	return false;
}

static bool supports_buffer(ggml_backend_dev_t device, ggml_backend_buffer_type_t type)
{
	(void)device;
	return type == &buffer_type;
}

static const char *backend_name(ggml_backend_t backend)
{
	(void)backend;
	return "CUDA0";
}

static void backend_free(ggml_backend_t backend)
{
	free(backend);
}

static ggml_backend_t device_init(ggml_backend_dev_t device, const char *params)
{
	static ggml_guid guid = { 0x76, 0x67, 0x70, 0x75, 1 };
	ggml_backend_t backend = calloc(1, sizeof(*backend));

	(void)params;
	backend->guid = &guid;
	backend->device = device;
	backend->iface.get_name = backend_name;
	backend->iface.free = backend_free;
	return backend;
}

static struct ggml_backend_device device = {
	.iface = {
		.get_name = device_name,
		.get_description = device_description,
		.get_memory = device_memory,
		.get_type = device_type,
		.get_props = device_props,
		.init_backend = device_init,
		.get_buffer_type = device_buffer_type,
		.supports_op = supports_op,
		.supports_buft = supports_buffer,
	},
};

static const char *reg_name(ggml_backend_reg_t reg)
{
	(void)reg;
	return "CUDA";
}

static size_t reg_count(ggml_backend_reg_t reg)
{
	(void)reg;
	return gpu_count;
}

static ggml_backend_dev_t reg_device(ggml_backend_reg_t reg, size_t index)
{
	(void)index;
	device.reg = reg;
	return &device;
}

static void *reg_address(ggml_backend_reg_t reg, const char *name)
{
	(void)reg;
	(void)name;
	return NULL;
}

__attribute__((visibility("default"))) ggml_backend_reg_t ggml_backend_init(void)
{
	static struct ggml_backend_reg reg = {
		.api_version = GGML_BACKEND_API_VERSION,
		.iface = { .get_name = reg_name, .get_device_count = reg_count, .get_device = reg_device, .get_proc_address = reg_address },
	};

	if (!gpu_count)
		describe();
	if (gpu_count && getenv("GGML_CUDA_INIT") && !work())
		gpu_count = 0;	/* Ollama then drops the device */
	return &reg;
}
