// SPDX-License-Identifier: Apache-2.0
/* Memory: the domain's quota and what its processes use of it. */
#include "nvml.h"

enum { ATTRIBUTE_MEMORY_BUS_WIDTH = 37 };

struct memory {
	uint64_t total, free, used;
};
_Static_assert(sizeof(struct memory) == 24, "nvmlMemory_t");

struct memory_v2 {
	uint32_t version;
	uint64_t total, reserved, free, used;
};
_Static_assert(sizeof(struct memory_v2) == 40, "nvmlMemory_v2_t");

VN_EXPORT nvmlReturn_t nvmlDeviceGetMemoryInfo(nvmlDevice_t device, struct memory *memory)
{
	struct vn_view view;
	nvmlReturn_t result = vn_view_now(&view, device, memory);

	if (result)
		return result;
	memory->total = view.description.total_memory;
	memory->used = view.description.used_memory;
	if (memory->used > memory->total)
		memory->used = memory->total;
	memory->free = memory->total - memory->used;
	return NVML_SUCCESS;
}

VN_EXPORT nvmlReturn_t nvmlDeviceGetMemoryInfo_v2(nvmlDevice_t device, struct memory_v2 *memory)
{
	struct memory now;
	nvmlReturn_t result = nvmlDeviceGetMemoryInfo(device, &now);

	if (result)
		return result;
	if (!memory)
		return NVML_ERROR_INVALID_ARGUMENT;
	if (memory->version != VN_VERSION(struct memory_v2, 2))
		return NVML_ERROR_FUNCTION_NOT_FOUND;	/* as driver 580 does */
	memory->total = now.total;
	memory->reserved = 0;
	memory->free = now.free;
	memory->used = now.used;
	return NVML_SUCCESS;
}

VN_EXPORT nvmlReturn_t nvmlDeviceGetMemoryBusWidth(nvmlDevice_t device, unsigned int *bits)
{
	struct vn_view view;
	nvmlReturn_t result = vn_view_device(&view, device, bits);

	return result ? result : vn_attribute(&view, ATTRIBUTE_MEMORY_BUS_WIDTH, bits);
}
