// SPDX-License-Identifier: Apache-2.0
/* The driver, the machine and what belongs to no device. */
#include <stdio.h>
#include <string.h>

#include "../libcuda/process.h"
#include "nvml.h"

static unsigned int cuda_version(const struct vgpu_description *d)
{
	return d->driver_version && d->driver_version < VG_API_VERSION ? d->driver_version : VG_API_VERSION;
}

VN_EXPORT nvmlReturn_t nvmlSystemGetDriverVersion(char *text, unsigned int size)
{
	struct vn_view view;
	nvmlReturn_t result = vn_view(&view);

	if (result)
		return result;
	return text ? vn_text(text, size, view.description.driver_string) : NVML_ERROR_INVALID_ARGUMENT;
}

VN_EXPORT nvmlReturn_t nvmlSystemGetNVMLVersion(char *text, unsigned int size)
{
	struct vn_view view;
	nvmlReturn_t result = vn_view(&view);
	char version[48];

	if (result)
		return result;
	if (!text)
		return NVML_ERROR_INVALID_ARGUMENT;
	snprintf(version, sizeof version, "%u.%s", cuda_version(&view.description) / 1000,
		 view.description.driver_string);
	return vn_text(text, size, version);
}

VN_EXPORT nvmlReturn_t nvmlSystemGetCudaDriverVersion(int *version)
{
	struct vn_view view;
	nvmlReturn_t result = vn_view(&view);

	if (result)
		return result;
	if (!version)
		return NVML_ERROR_INVALID_ARGUMENT;
	*version = (int)cuda_version(&view.description);
	return NVML_SUCCESS;
}

VN_EXPORT nvmlReturn_t nvmlSystemGetCudaDriverVersion_v2(int *version)
{
	return nvmlSystemGetCudaDriverVersion(version);
}

static nvmlReturn_t zero(unsigned int *value)
{
	struct vn_view view;
	nvmlReturn_t result = vn_view(&view);

	if (result)
		return result;
	if (!value)
		return NVML_ERROR_INVALID_ARGUMENT;
	*value = 0;
	return NVML_SUCCESS;
}

VN_EXPORT nvmlReturn_t nvmlUnitGetCount(unsigned int *count)
{
	return zero(count);
}

VN_EXPORT nvmlReturn_t nvmlGetExcludedDeviceCount(unsigned int *count)
{
	return zero(count);
}

VN_EXPORT nvmlReturn_t nvmlGetBlacklistDeviceCount(unsigned int *count)
{
	return zero(count);
}

/* Confidential computing is off. NCCL does not start without an answer. */
struct confidential_state {
	uint32_t environment, feature, tools_mode;
};

struct confidential_settings {
	uint32_t version;
	uint32_t environment, feature, tools_mode, multi_gpu_mode;
};

VN_EXPORT nvmlReturn_t nvmlSystemGetConfComputeState(struct confidential_state *state)
{
	struct vn_view view;
	nvmlReturn_t result = vn_view(&view);

	if (result)
		return result;
	if (!state)
		return NVML_ERROR_INVALID_ARGUMENT;
	memset(state, 0, sizeof *state);
	return NVML_SUCCESS;
}

VN_EXPORT nvmlReturn_t nvmlSystemGetConfComputeSettings(struct confidential_settings *settings)
{
	struct vn_view view;
	nvmlReturn_t result = vn_view(&view);

	if (result)
		return result;
	if (!settings)
		return NVML_ERROR_INVALID_ARGUMENT;
	if (settings->version != VN_VERSION(struct confidential_settings, 1))
		return NVML_ERROR_ARGUMENT_VERSION_MISMATCH;
	*settings = (struct confidential_settings){ .version = settings->version };
	return NVML_SUCCESS;
}
