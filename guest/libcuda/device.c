// SPDX-License-Identifier: Apache-2.0
/* cuInit and everything about devices. All local: the description has the answers. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "calls.h"
#include "description.h"
#include "enter.h"
#include "module.h"
#include "process.h"

/* CUdevice_attribute ids used here */
enum {
	ATTRIBUTE_PCI_BUS = 33,
	ATTRIBUTE_PCI_DEVICE = 34,
	ATTRIBUTE_PCI_DOMAIN = 50,
	ATTRIBUTE_MAJOR = 75,
	ATTRIBUTE_MINOR = 76,
};

/* 3 and 4 as for every call, 1 without a place for the answer, 101 for no device of ours. */
static int check(const void *out, CUdevice device)
{
	int result = vg_enter_local();

	if (result)
		return result;
	if (!out)
		return CUDA_ERROR_INVALID_VALUE;
	return device >= 0 && device < vg_process.device_count ? 0 : CUDA_ERROR_INVALID_DEVICE;
}

VG_EXPORT CUresult cuInit(unsigned int flags)
{
	return flags ? CUDA_ERROR_INVALID_VALUE : vg_process_init();
}

VG_EXPORT CUresult cuDriverGetVersion(int *version)
{
	if (!version)
		return CUDA_ERROR_INVALID_VALUE;
	*version = vg_process_driver_version();
	return 0;
}

VG_EXPORT CUresult cuDeviceGetCount(int *count)
{
	int result = vg_enter_local();

	if (result)
		return result;
	if (!count)
		return CUDA_ERROR_INVALID_VALUE;
	*count = vg_process.device_count;
	return 0;
}

VG_EXPORT CUresult cuDeviceGet(CUdevice *device, int ordinal)
{
	int result = check(device, ordinal);

	if (!result)
		*device = ordinal;
	return result;
}

VG_EXPORT CUresult cuDeviceGetName(char *name, int length, CUdevice device)
{
	int result = check(name, device);

	if (result)
		return result;
	if (length <= 0)
		return CUDA_ERROR_INVALID_VALUE;
	snprintf(name, (size_t)length, "%.*s", (int)sizeof vg_process.description->name, vg_process.description->name);
	return 0;
}

VG_EXPORT CUresult cuDeviceGetUuid(CUuuid *uuid, CUdevice device)
{
	int result = check(uuid, device);

	if (!result)
		memcpy(uuid->bytes, vg_process.description->uuid, sizeof uuid->bytes);
	return result;
}

VG_EXPORT CUresult cuDeviceGetUuid_v2(CUuuid *uuid, CUdevice device)
{
	return cuDeviceGetUuid(uuid, device);
}

VG_EXPORT CUresult cuDeviceTotalMem_v2(size_t *bytes, CUdevice device)
{
	int result = check(bytes, device);

	if (!result)
		*bytes = VG_LIVE(vg_process.description->total_memory);
	return result;
}

VG_EXPORT CUresult cuDeviceGetAttribute(int *value, int attribute, CUdevice device)
{
	int result = check(value, device);

	if (result)
		return result;
	switch (attribute) {
	case ATTRIBUTE_PCI_BUS:
		*value = (int)vg_process.pci_bus;
		return 0;
	case ATTRIBUTE_PCI_DEVICE:
		*value = (int)vg_process.pci_device;
		return 0;
	case ATTRIBUTE_PCI_DOMAIN:
		*value = (int)vg_process.pci_domain;
		return 0;
	}
	return vg_description_attribute(vg_process.description, attribute, value);
}

VG_EXPORT CUresult cuDeviceComputeCapability(int *major, int *minor, CUdevice device)
{
	int result = check(major && minor ? major : NULL, device);

	if (!result)
		result = vg_description_attribute(vg_process.description, ATTRIBUTE_MAJOR, major);
	if (!result)
		result = vg_description_attribute(vg_process.description, ATTRIBUTE_MINOR, minor);
	return result;
}

/* CUdevprop: these attributes in this order, 56 bytes */
static const int property_attributes[] = {
	1,		/* maxThreadsPerBlock */
	2, 3, 4,	/* maxThreadsDim */
	5, 6, 7,	/* maxGridSize */
	8,		/* sharedMemPerBlock */
	9,		/* totalConstantMemory */
	10,		/* SIMDWidth */
	11,		/* memPitch */
	12,		/* regsPerBlock */
	13,		/* clockRate */
	14,		/* textureAlign */
};

VG_EXPORT CUresult cuDeviceGetProperties(int *properties, CUdevice device)
{
	int result = check(properties, device);

	for (size_t i = 0; !result && i < sizeof property_attributes / sizeof *property_attributes; i++)
		result = vg_description_attribute(vg_process.description, property_attributes[i], &properties[i]);
	return result;
}

VG_EXPORT CUresult cuDeviceCanAccessPeer(int *can, CUdevice device, CUdevice peer)
{
	int result = check(can, device);

	if (!result)
		result = check(can, peer);
	if (!result)
		*can = 0;	/* a device is not its own peer */
	return result;
}

VG_EXPORT CUresult cuDeviceGetPCIBusId(char *text, int length, CUdevice device)
{
	int needed, result = check(text, device);

	if (result)
		return result;
	if (length <= 0)
		return CUDA_ERROR_INVALID_VALUE;
	needed = snprintf(text, (size_t)length, "%04x:%02x:%02x.0", vg_process.pci_domain, vg_process.pci_bus,
			  vg_process.pci_device);
	return needed < length ? 0 : CUDA_ERROR_INVALID_VALUE;
}

/* [domain]:[bus]:[device].[function], function or domain may be missing; hexadecimal */
static int parse_pci(const char *text, unsigned int *domain, unsigned int *bus, unsigned int *device)
{
	unsigned int function = 0;
	int end = 0;

	if (sscanf(text, "%x:%x:%x%n.%x%n", domain, bus, device, &end, &function, &end) >= 3 && !text[end])
		return function ? CUDA_ERROR_INVALID_DEVICE : 0;
	*domain = 0;
	end = 0;
	if (sscanf(text, "%x:%x.%x%n", bus, device, &function, &end) == 3 && !text[end])
		return function ? CUDA_ERROR_INVALID_DEVICE : 0;
	return CUDA_ERROR_INVALID_VALUE;
}

VG_EXPORT CUresult cuDeviceGetByPCIBusId(CUdevice *device, const char *text)
{
	unsigned int domain, bus, slot;
	int result = check(text ? device : NULL, 0);

	if (!result)
		result = parse_pci(text, &domain, &bus, &slot);
	if (result)
		return result;
	if (domain != vg_process.pci_domain || bus != vg_process.pci_bus || slot != vg_process.pci_device)
		return CUDA_ERROR_INVALID_DEVICE;
	*device = 0;
	return 0;
}

bool vg_loads_eagerly(void)
{
	const char *wanted = getenv("CUDA_MODULE_LOADING");

	return wanted && strcasecmp(wanted, "EAGER") == 0;
}

VG_EXPORT CUresult cuModuleGetLoadingMode(int *mode)
{
	int result = vg_enter_local();

	if (result)
		return result;
	if (!mode)
		return CUDA_ERROR_INVALID_VALUE;
	*mode = vg_loads_eagerly() ? 1 : 2;	/* 2: lazy */
	return 0;
}

/* No profiler ever attaches here. */
VG_EXPORT CUresult cuProfilerStart(void)
{
	struct vg_thread *t;

	return vg_enter(&t);
}

VG_EXPORT CUresult cuProfilerStop(void)
{
	struct vg_thread *t;

	return vg_enter(&t);
}
