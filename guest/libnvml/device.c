// SPDX-License-Identifier: Apache-2.0
/* Which devices there are and what they are called. */
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "nvml.h"

enum { BRAND_NVIDIA = 14, ATTRIBUTE_MAJOR = 75, ATTRIBUTE_MINOR = 76 };

#define UUID_TEXT 41	/* "GPU-", 8-4-4-4-12 and NUL */

static void uuid_text(const unsigned char uuid[16], char text[UUID_TEXT])
{
	text += sprintf(text, "GPU-");
	for (int i = 0; i < 16; i++)
		text += sprintf(text, i == 4 || i == 6 || i == 8 || i == 10 ? "-%02x" : "%02x", uuid[i]);
}

VN_EXPORT nvmlReturn_t nvmlDeviceGetCount_v2(unsigned int *count)
{
	struct vn_view view;
	nvmlReturn_t result = vn_view(&view);

	if (result)
		return result;
	if (!count)
		return NVML_ERROR_INVALID_ARGUMENT;
	*count = view.description.device_count;
	return NVML_SUCCESS;
}

VN_EXPORT nvmlReturn_t nvmlDeviceGetCount(unsigned int *count)
{
	return nvmlDeviceGetCount_v2(count);
}

VN_EXPORT nvmlReturn_t nvmlDeviceGetHandleByIndex_v2(unsigned int index, nvmlDevice_t *device)
{
	struct vn_view view;
	nvmlReturn_t result = vn_view(&view);

	if (result)
		return result;
	if (!device || index >= view.description.device_count)
		return NVML_ERROR_INVALID_ARGUMENT;
	*device = vn_device();
	return NVML_SUCCESS;
}

VN_EXPORT nvmlReturn_t nvmlDeviceGetHandleByIndex(unsigned int index, nvmlDevice_t *device)
{
	return nvmlDeviceGetHandleByIndex_v2(index, device);
}

VN_EXPORT nvmlReturn_t nvmlDeviceGetHandleByUUID(const char *uuid, nvmlDevice_t *device)
{
	struct vn_view view;
	nvmlReturn_t result = vn_view(&view);
	char text[UUID_TEXT];

	if (result)
		return result;
	if (!uuid || !device)
		return NVML_ERROR_INVALID_ARGUMENT;
	uuid_text(view.description.uuid, text);
	if (!view.description.device_count || strcasecmp(uuid, text) != 0)
		return NVML_ERROR_NOT_FOUND;
	*device = vn_device();
	return NVML_SUCCESS;
}

struct uuid_query {
	uint32_t version;
	uint32_t type;	/* 1: text, 2: bytes */
	union {
		char text[UUID_TEXT];
		unsigned char bytes[16];
	} value;
};

VN_EXPORT nvmlReturn_t nvmlDeviceGetHandleByUUIDV(const struct uuid_query *query, nvmlDevice_t *device)
{
	char text[UUID_TEXT];

	if (!query || !device)
		return NVML_ERROR_INVALID_ARGUMENT;
	if (query->version != VN_VERSION(struct uuid_query, 1))
		return NVML_ERROR_ARGUMENT_VERSION_MISMATCH;
	switch (query->type) {
	case 1:
		snprintf(text, sizeof text, "%.*s", UUID_TEXT - 1, query->value.text);
		return nvmlDeviceGetHandleByUUID(text, device);
	case 2:
		uuid_text(query->value.bytes, text);
		return nvmlDeviceGetHandleByUUID(text, device);
	}
	return NVML_ERROR_INVALID_ARGUMENT;
}

VN_EXPORT nvmlReturn_t nvmlDeviceGetName(nvmlDevice_t device, char *name, unsigned int size)
{
	struct vn_view view;
	nvmlReturn_t result = vn_view_device(&view, device, name);

	return result ? result : vn_text(name, size, view.description.name);
}

VN_EXPORT nvmlReturn_t nvmlDeviceGetUUID(nvmlDevice_t device, char *uuid, unsigned int size)
{
	struct vn_view view;
	nvmlReturn_t result = vn_view_device(&view, device, uuid);
	char text[UUID_TEXT];

	if (result)
		return result;
	uuid_text(view.description.uuid, text);
	return vn_text(uuid, size, text);
}

VN_EXPORT nvmlReturn_t nvmlDeviceGetIndex(nvmlDevice_t device, unsigned int *index)
{
	return vn_constant(device, index, 0);
}

VN_EXPORT nvmlReturn_t nvmlDeviceGetMinorNumber(nvmlDevice_t device, unsigned int *minor)
{
	return vn_constant(device, minor, 0);
}

VN_EXPORT nvmlReturn_t nvmlDeviceGetBrand(nvmlDevice_t device, unsigned int *brand)
{
	return vn_constant(device, brand, BRAND_NVIDIA);
}

VN_EXPORT nvmlReturn_t nvmlDeviceGetMultiGpuBoard(nvmlDevice_t device, unsigned int *several)
{
	return vn_constant(device, several, 0);
}

VN_EXPORT nvmlReturn_t nvmlDeviceGetCudaComputeCapability(nvmlDevice_t device, unsigned int *major, unsigned int *minor)
{
	struct vn_view view;
	nvmlReturn_t result = vn_view_device(&view, device, major && minor ? major : NULL);

	if (!result)
		result = vn_attribute(&view, ATTRIBUTE_MAJOR, major);
	if (!result)
		result = vn_attribute(&view, ATTRIBUTE_MINOR, minor);
	return result;
}

/* nvmlDeviceArchitecture_t by compute capability */
static unsigned int architecture(unsigned int major, unsigned int minor)
{
	switch (major) {
	case 5:
		return 3;	/* Maxwell */
	case 6:
		return 4;	/* Pascal */
	case 7:
		return minor >= 5 ? 6 : 5;	/* Turing, Volta */
	case 8:
		return minor >= 9 ? 8 : 7;	/* Ada, Ampere */
	case 9:
		return 9;	/* Hopper */
	case 10:
	case 11:
	case 12:
		return 10;	/* Blackwell */
	}
	return 0xffffffff;
}

VN_EXPORT nvmlReturn_t nvmlDeviceGetArchitecture(nvmlDevice_t device, unsigned int *value)
{
	unsigned int major, minor;
	nvmlReturn_t result;

	if (!value)
		return NVML_ERROR_INVALID_ARGUMENT;
	result = nvmlDeviceGetCudaComputeCapability(device, &major, &minor);
	if (!result)
		*value = architecture(major, minor);
	return result;
}
