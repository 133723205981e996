// SPDX-License-Identifier: Apache-2.0
/* Modes and relations of a device that has no siblings, no display and no partitions. */
#include <stdbool.h>
#include <string.h>

#include "nvml.h"

enum { ATTRIBUTE_COMPUTE_MODE = 20, ATTRIBUTE_ECC = 32 };
enum { VIRTUALIZATION_NONE = 0, VIRTUALIZATION_PASSTHROUGH = 1 };
enum { P2P_NOT_SUPPORTED = 5 };

VN_EXPORT nvmlReturn_t nvmlDeviceGetComputeMode(nvmlDevice_t device, unsigned int *mode)
{
	struct vn_view view;
	nvmlReturn_t result = vn_view_device(&view, device, mode);

	return result ? result : vn_attribute(&view, ATTRIBUTE_COMPUTE_MODE, mode);
}

VN_EXPORT nvmlReturn_t nvmlDeviceGetEccMode(nvmlDevice_t device, unsigned int *current, unsigned int *pending)
{
	struct vn_view view;
	nvmlReturn_t result = vn_view_device(&view, device, current && pending ? current : NULL);

	if (!result)
		result = vn_attribute(&view, ATTRIBUTE_ECC, current);
	if (!result)
		*pending = *current;
	return result;
}

VN_EXPORT nvmlReturn_t nvmlDeviceGetDisplayMode(nvmlDevice_t device, unsigned int *on)
{
	return vn_constant(device, on, 0);
}

VN_EXPORT nvmlReturn_t nvmlDeviceGetDisplayActive(nvmlDevice_t device, unsigned int *on)
{
	return vn_constant(device, on, 0);
}

VN_EXPORT nvmlReturn_t nvmlDeviceIsMigDeviceHandle(nvmlDevice_t device, unsigned int *partition)
{
	return vn_constant(device, partition, 0);
}

VN_EXPORT nvmlReturn_t nvmlDeviceGetMaxMigDeviceCount(nvmlDevice_t device, unsigned int *count)
{
	return vn_constant(device, count, 0);
}

VN_EXPORT nvmlReturn_t nvmlDeviceGetMigMode(nvmlDevice_t device, unsigned int *current, unsigned int *pending)
{
	nvmlReturn_t result = vn_constant(device, pending ? current : NULL, 0);

	return result ? result : vn_constant(device, pending, 0);
}

VN_EXPORT nvmlReturn_t nvmlDeviceGetVirtualizationMode(nvmlDevice_t device, unsigned int *mode)
{
	struct vn_view view;
	nvmlReturn_t result = vn_view_device(&view, device, mode);

	if (!result)
		*mode = view.in_vm ? VIRTUALIZATION_PASSTHROUGH : VIRTUALIZATION_NONE;
	return result;
}

/* The only pair of devices is the device and itself. */
static nvmlReturn_t pair(nvmlDevice_t one, nvmlDevice_t other, unsigned int *value, unsigned int constant)
{
	return other == one ? vn_constant(one, value, constant) : NVML_ERROR_INVALID_ARGUMENT;
}

VN_EXPORT nvmlReturn_t nvmlDeviceOnSameBoard(nvmlDevice_t one, nvmlDevice_t other, unsigned int *same)
{
	return pair(one, other, same, 1);
}

VN_EXPORT nvmlReturn_t nvmlDeviceGetP2PStatus(nvmlDevice_t one, nvmlDevice_t other, unsigned int capability,
					      unsigned int *status)
{
	(void)capability;
	return pair(one, other, status, P2P_NOT_SUPPORTED);
}

struct field_value {
	uint32_t field, scope;
	int64_t timestamp, latency;	/* microseconds */
	uint32_t type;
	uint32_t result;
	uint64_t value;
};
_Static_assert(sizeof(struct field_value) == 40, "nvmlFieldValue_t");

enum { FIELD_POWER_AVERAGE = 185, FIELD_POWER_INSTANT = 186, FIELD_TYPE_UNSIGNED = 1 };

/* The call works, each field says whether it is supported. */
VN_EXPORT nvmlReturn_t nvmlDeviceGetFieldValues(nvmlDevice_t device, int count, struct field_value *values)
{
	struct vn_view view;
	nvmlReturn_t result = vn_view_now(&view, device, values);

	if (result)
		return result;
	for (int i = 0; i < count; i++) {
		bool power = values[i].field == FIELD_POWER_AVERAGE || values[i].field == FIELD_POWER_INSTANT;

		values[i].result = NVML_ERROR_NOT_SUPPORTED;
		if (!power || !view.description.power_milliwatts)
			continue;
		values[i].result = NVML_SUCCESS;
		values[i].type = FIELD_TYPE_UNSIGNED;
		values[i].value = view.description.power_milliwatts;
	}
	return count > 0 ? NVML_SUCCESS : NVML_ERROR_INVALID_ARGUMENT;
}

/* state 0: no NVLink fabric */
struct fabric_info {
	uint8_t cluster[16];
	uint32_t status;
	uint32_t clique;
	uint8_t state;
};
_Static_assert(sizeof(struct fabric_info) == 28, "nvmlGpuFabricInfo_t");

#define FABRIC_V2 (36u | 2u << 24)
#define FABRIC_V3 (40u | 3u << 24)

VN_EXPORT nvmlReturn_t nvmlDeviceGetGpuFabricInfo(nvmlDevice_t device, struct fabric_info *info)
{
	struct vn_view view;
	nvmlReturn_t result = vn_view_device(&view, device, info);

	if (!result)
		memset(info, 0, sizeof *info);
	return result;
}

VN_EXPORT nvmlReturn_t nvmlDeviceGetGpuFabricInfoV(nvmlDevice_t device, uint32_t *info)
{
	struct vn_view view;
	nvmlReturn_t result = vn_view_device(&view, device, info);

	if (result)
		return result;
	if (*info != FABRIC_V2 && *info != FABRIC_V3)
		return NVML_ERROR_ARGUMENT_VERSION_MISMATCH;
	memset(info + 1, 0, (*info & 0xffffff) - sizeof *info);
	return NVML_SUCCESS;
}
