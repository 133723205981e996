/* SPDX-License-Identifier: Apache-2.0 */
#include "own_device.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

struct cuda_driver cu;

CUdevice own_device(void)
{
	CUcontext context;
	CUdevice device;

	if (cuda_driver_open(&cu))
		exit(2);
	DO(cu.Init(0));
	DO(cu.DeviceGet(&device, 0));
	DO(cu.DevicePrimaryCtxRetain(&context, device));
	DO(cu.CtxSetCurrent(context));
	return device;
}

void own_device_check(const char *call, CUresult result)
{
	if (result) {
		fprintf(stderr, "FAILED %s: result %d\n", call, result);
		exit(1);
	}
}

double seconds_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec + now.tv_nsec * 1e-9;
}
