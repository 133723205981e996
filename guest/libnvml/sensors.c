// SPDX-License-Identifier: Apache-2.0
/* What changes while one looks. A sensor of which the host knows nothing is not supported. */
#include "nvml.h"

enum { SENSOR_GPU = 0, CLOCK_GRAPHICS = 0, CLOCK_SM = 1, CLOCK_MEMORY = 2 };
enum { ATTRIBUTE_CLOCK_KHZ = 13, ATTRIBUTE_MEMORY_CLOCK_KHZ = 36 };

struct utilization {
	uint32_t gpu, memory;	/* percent */
};

struct temperature {
	uint32_t version;
	uint32_t sensor;
	int32_t celsius;
};

static nvmlReturn_t known(unsigned int *out, unsigned int value)
{
	if (!value)
		return NVML_ERROR_NOT_SUPPORTED;
	*out = value;
	return NVML_SUCCESS;
}

VN_EXPORT nvmlReturn_t nvmlDeviceGetUtilizationRates(nvmlDevice_t device, struct utilization *utilization)
{
	struct vn_view view;
	nvmlReturn_t result = vn_view_now(&view, device, utilization);

	if (result)
		return result;
	utilization->gpu = view.description.utilization > 100 ? 100 : view.description.utilization;
	utilization->memory = 0;	/* the share of time with memory traffic is not measured */
	return NVML_SUCCESS;
}

VN_EXPORT nvmlReturn_t nvmlDeviceGetTemperature(nvmlDevice_t device, unsigned int sensor, unsigned int *celsius)
{
	struct vn_view view;
	nvmlReturn_t result = vn_view_now(&view, device, celsius);

	if (result)
		return result;
	return sensor == SENSOR_GPU ? known(celsius, view.description.temperature) : NVML_ERROR_INVALID_ARGUMENT;
}

VN_EXPORT nvmlReturn_t nvmlDeviceGetTemperatureV(nvmlDevice_t device, struct temperature *temperature)
{
	unsigned int celsius;
	nvmlReturn_t result;

	if (!temperature)
		return NVML_ERROR_INVALID_ARGUMENT;
	if (temperature->version != VN_VERSION(struct temperature, 1))
		return NVML_ERROR_ARGUMENT_VERSION_MISMATCH;
	result = nvmlDeviceGetTemperature(device, temperature->sensor, &celsius);
	if (!result)
		temperature->celsius = (int32_t)celsius;
	return result;
}

VN_EXPORT nvmlReturn_t nvmlDeviceGetPowerUsage(nvmlDevice_t device, unsigned int *milliwatts)
{
	struct vn_view view;
	nvmlReturn_t result = vn_view_now(&view, device, milliwatts);

	return result ? result : known(milliwatts, view.description.power_milliwatts);
}

VN_EXPORT nvmlReturn_t nvmlDeviceGetMaxClockInfo(nvmlDevice_t device, unsigned int clock, unsigned int *mhz)
{
	struct vn_view view;
	nvmlReturn_t result = vn_view_device(&view, device, mhz);
	unsigned int khz = 0;

	if (result)
		return result;
	if (clock == CLOCK_GRAPHICS || clock == CLOCK_SM)
		result = vn_attribute(&view, ATTRIBUTE_CLOCK_KHZ, &khz);
	else if (clock == CLOCK_MEMORY)
		result = vn_attribute(&view, ATTRIBUTE_MEMORY_CLOCK_KHZ, &khz);
	return result ? result : known(mhz, khz / 1000);
}
