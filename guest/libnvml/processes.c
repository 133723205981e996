// SPDX-License-Identifier: Apache-2.0
/* Processes on the device: the lists are empty, the description does not name them. */
#include "nvml.h"

#define PROCESSES(name) \
	VN_EXPORT nvmlReturn_t name(nvmlDevice_t device, unsigned int *count, void *infos) \
	{ \
		(void)infos; \
		return vn_constant(device, count, 0); \
	}

PROCESSES(nvmlDeviceGetComputeRunningProcesses)
PROCESSES(nvmlDeviceGetComputeRunningProcesses_v2)
PROCESSES(nvmlDeviceGetComputeRunningProcesses_v3)
PROCESSES(nvmlDeviceGetGraphicsRunningProcesses)
PROCESSES(nvmlDeviceGetGraphicsRunningProcesses_v2)
PROCESSES(nvmlDeviceGetGraphicsRunningProcesses_v3)
PROCESSES(nvmlDeviceGetMPSComputeRunningProcesses)
PROCESSES(nvmlDeviceGetMPSComputeRunningProcesses_v2)
PROCESSES(nvmlDeviceGetMPSComputeRunningProcesses_v3)
