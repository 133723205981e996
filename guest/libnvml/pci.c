// SPDX-License-Identifier: Apache-2.0
/* Where the device is: in a VM at the address of its ivshmem function. */
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "nvml.h"

enum { BUS_TYPE_PCIE = 2, CLASS_DISPLAY = 3, SUBCLASS_3D = 2 };

struct pci_info {
	char short_id[16];	/* 0000:03:00.0 */
	uint32_t domain, bus, device;
	uint32_t device_id, subsystem_id;	/* device << 16 | vendor */
	char id[32];		/* 00000000:03:00.0; from the third version on */
};
_Static_assert(sizeof(struct pci_info) == 68, "nvmlPciInfo_v3");

struct pci_info_ext {
	uint32_t version;
	uint32_t domain, bus, device;
	uint32_t device_id, subsystem_id;
	uint32_t class, subclass;
	char id[32];
};
_Static_assert(sizeof(struct pci_info_ext) == 64, "nvmlPciInfoExt_v1");

static struct pci_info describe(const struct vn_view *view)
{
	struct pci_info info = {
		.domain = view->pci_domain,
		.bus = view->pci_bus,
		.device = view->pci_device,
		.device_id = view->description.pci_device_id,
		.subsystem_id = view->description.pci_subsystem_id,
	};

	snprintf(info.short_id, sizeof info.short_id, "%04X:%02X:%02X.0", info.domain & 0xffff, info.bus & 0xff,
		 info.device & 0xff);
	snprintf(info.id, sizeof info.id, "%08X:%02X:%02X.0", info.domain, info.bus & 0xff, info.device & 0xff);
	return info;
}

VN_EXPORT nvmlReturn_t nvmlDeviceGetPciInfo_v3(nvmlDevice_t device, struct pci_info *info)
{
	struct vn_view view;
	nvmlReturn_t result = vn_view_device(&view, device, info);

	if (!result)
		*info = describe(&view);
	return result;
}

/* Older callers have room for less. */
static nvmlReturn_t old_info(nvmlDevice_t device, void *info, size_t size)
{
	struct vn_view view;
	nvmlReturn_t result = vn_view_device(&view, device, info);

	if (!result) {
		struct pci_info all = describe(&view);

		memcpy(info, &all, size);
	}
	return result;
}

VN_EXPORT nvmlReturn_t nvmlDeviceGetPciInfo_v2(nvmlDevice_t device, void *info)
{
	return old_info(device, info, offsetof(struct pci_info, id));
}

VN_EXPORT nvmlReturn_t nvmlDeviceGetPciInfo(nvmlDevice_t device, void *info)
{
	return old_info(device, info, offsetof(struct pci_info, subsystem_id));
}

VN_EXPORT nvmlReturn_t nvmlDeviceGetPciInfoExt(nvmlDevice_t device, struct pci_info_ext *info)
{
	struct vn_view view;
	nvmlReturn_t result = vn_view_device(&view, device, info);
	struct pci_info all;

	if (result)
		return result;
	if (info->version != VN_VERSION(struct pci_info_ext, 1))
		return NVML_ERROR_ARGUMENT_VERSION_MISMATCH;
	all = describe(&view);
	*info = (struct pci_info_ext){
		.version = info->version,
		.domain = all.domain,
		.bus = all.bus,
		.device = all.device,
		.device_id = all.device_id,
		.subsystem_id = all.subsystem_id,
		.class = CLASS_DISPLAY,
		.subclass = SUBCLASS_3D,
	};
	memcpy(info->id, all.id, sizeof info->id);
	return NVML_SUCCESS;
}

VN_EXPORT nvmlReturn_t nvmlDeviceGetBusType(nvmlDevice_t device, unsigned int *type)
{
	struct vn_view view;
	nvmlReturn_t result = vn_view_device(&view, device, type);

	if (!result)
		*type = BUS_TYPE_PCIE;
	return result;
}

VN_EXPORT nvmlReturn_t nvmlDeviceGetHandleByPciBusId_v2(const char *id, nvmlDevice_t *device)
{
	unsigned int domain, bus, slot, function = 0;
	struct vn_view view;
	nvmlReturn_t result = vn_view(&view);
	int end = 0;

	if (result)
		return result;
	if (!id || !device)
		return NVML_ERROR_INVALID_ARGUMENT;
	if (sscanf(id, "%x:%x:%x%n.%x%n", &domain, &bus, &slot, &end, &function, &end) < 3 || id[end]) {
		domain = 0;
		end = 0;
		if (sscanf(id, "%x:%x.%x%n", &bus, &slot, &function, &end) != 3 || id[end])
			return NVML_ERROR_INVALID_ARGUMENT;
	}
	if (function)
		return NVML_ERROR_INVALID_ARGUMENT;
	if (!view.description.device_count || domain != view.pci_domain || bus != view.pci_bus || slot != view.pci_device)
		return NVML_ERROR_NOT_FOUND;
	*device = vn_device();
	return NVML_SUCCESS;
}

VN_EXPORT nvmlReturn_t nvmlDeviceGetHandleByPciBusId(const char *id, nvmlDevice_t *device)
{
	return nvmlDeviceGetHandleByPciBusId_v2(id, device);
}
