// SPDX-License-Identifier: Apache-2.0
/* Event sets. No event is ever raised, so that a wait lasts its time. */
#include <poll.h>
#include <stdlib.h>

#include "nvml.h"

struct event_set {
	char unused;
};

VN_EXPORT nvmlReturn_t nvmlEventSetCreate(struct event_set **set)
{
	struct vn_view view;
	nvmlReturn_t result = vn_view(&view);

	if (result)
		return result;
	if (!set)
		return NVML_ERROR_INVALID_ARGUMENT;
	*set = calloc(1, sizeof **set);
	return *set ? NVML_SUCCESS : NVML_ERROR_MEMORY;
}

VN_EXPORT nvmlReturn_t nvmlEventSetFree(struct event_set *set)
{
	if (!set)
		return NVML_ERROR_INVALID_ARGUMENT;
	free(set);
	return NVML_SUCCESS;
}

VN_EXPORT nvmlReturn_t nvmlEventSetWait_v2(struct event_set *set, void *data, unsigned int timeout_ms)
{
	struct vn_view view;
	nvmlReturn_t result = vn_view(&view);

	if (result)
		return result;
	if (!set || !data)
		return NVML_ERROR_INVALID_ARGUMENT;
	poll(NULL, 0, timeout_ms > 0x7fffffff ? -1 : (int)timeout_ms);
	return NVML_ERROR_TIMEOUT;
}

VN_EXPORT nvmlReturn_t nvmlEventSetWait(struct event_set *set, void *data, unsigned int timeout_ms)
{
	return nvmlEventSetWait_v2(set, data, timeout_ms);
}

VN_EXPORT nvmlReturn_t nvmlDeviceGetSupportedEventTypes(nvmlDevice_t device, unsigned long long *types)
{
	struct vn_view view;
	nvmlReturn_t result = vn_view_device(&view, device, types);

	if (!result)
		*types = 0;
	return result;
}
