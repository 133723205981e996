/* SPDX-License-Identifier: Apache-2.0 */
/* Start-up: what answers before cuInit, the device, the primary context. */
#include "driver_test.h"

#include <stdio.h>
#include <string.h>

static bool before_init(void)
{
	CUdeviceptr address;
	CUcontext current;
	int count, version = 0;
	const char *text = NULL;

	RESULT(CUDA_ERROR_NOT_INITIALIZED, cu.DeviceGetCount(&count));
	RESULT(CUDA_ERROR_NOT_INITIALIZED, cu.CtxGetCurrent(&current));
	RESULT(CUDA_ERROR_NOT_INITIALIZED, cu.MemAlloc(&address, 4096));
	DO(cu.DriverGetVersion(&version));
	THAT(version >= 12000);
	DO(cu.GetErrorName(CUDA_ERROR_OUT_OF_MEMORY, &text));
	THAT(text && !strcmp(text, "CUDA_ERROR_OUT_OF_MEMORY"));
	RESULT(CUDA_ERROR_INVALID_VALUE, cu.GetErrorName(31337, &text));
	THAT(!text);
	RESULT(CUDA_ERROR_INVALID_VALUE, cu.Init(1));
	return true;
}

static bool proc_address(void)
{
	CUresult (*get_count)(int *) = NULL;
	void *address = NULL;
	int status = -1;

	DO(cu.GetProcAddress("cuDeviceGetCount", &address, 12000, 0, &status));
	THAT(address && status == 0);
	memcpy(&get_count, &address, sizeof(address));
	RESULT(CUDA_ERROR_NOT_INITIALIZED, get_count(&status));

	DO(cu.GetProcAddress("cuNoSuchCall", &address, 12000, 0, &status));
	THAT(!address && status == 1);
	DO(cu.GetProcAddress("cuMemAllocAsync", &address, 11010, 0, &status));
	THAT(!address && status == 2);
	DO(cu.GetProcAddress("cuMemAlloc_v2", &address, 12000, 0, &status));
	THAT(!address && status == 1);
	return true;
}

static bool no_context(void)
{
	CUdeviceptr address;
	CUcontext current = (CUcontext)1;

	DO(cu.Init(0));
	DO(cu.Init(0));
	DO(cu.CtxGetCurrent(&current));
	THAT(!current);
	RESULT(CUDA_ERROR_INVALID_CONTEXT, cu.MemAlloc(&address, 4096));
	RESULT(CUDA_ERROR_INVALID_CONTEXT, cu.CtxSynchronize());
	RESULT(CUDA_ERROR_INVALID_CONTEXT, cu.CtxPopCurrent(&current));
	return true;
}

static bool device_description(void)
{
	static const unsigned char zero[16];
	int count = 0, major = 0, minor = 0, value = 0;
	char name[256] = "", address[32] = "";
	size_t total = 0;
	CUuuid uuid;
	CUdevice first, same;

	DO(cu.Init(0));
	DO(cu.DeviceGetCount(&count));
	THAT(count >= 1);
	RESULT(CUDA_ERROR_INVALID_DEVICE, cu.DeviceGet(&first, count));
	DO(cu.DeviceGet(&first, 0));
	DO(cu.DeviceGetName(name, sizeof(name), first));
	THAT(name[0]);
	DO(cu.DeviceTotalMem(&total, first));
	THAT(total >= 1 << 20);
	DO(cu.DeviceGetUuid(&uuid, first));
	THAT(memcmp(uuid.bytes, zero, sizeof(zero)));
	DO(cu.DeviceGetAttribute(&major, CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR, first));
	DO(cu.DeviceGetAttribute(&minor, CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR, first));
	THAT(major >= 8);
	DO(cu.DeviceGetAttribute(&value, CU_DEVICE_ATTRIBUTE_WARP_SIZE, first));
	THAT(value == 32);
	DO(cu.DeviceGetAttribute(&value, CU_DEVICE_ATTRIBUTE_MAX_THREADS_PER_BLOCK, first));
	THAT(value == 1024);
	DO(cu.DeviceGetAttribute(&value, CU_DEVICE_ATTRIBUTE_UNIFIED_ADDRESSING, first));
	THAT(value == 1);
	RESULT(CUDA_ERROR_INVALID_VALUE, cu.DeviceGetAttribute(&value, 100000, first));
	DO(cu.DeviceGetPCIBusId(address, sizeof(address), first));
	DO(cu.DeviceGetByPCIBusId(&same, address));
	THAT(same == first);
	printf("info device %s, compute capability %d.%d, %zu MiB\n", name, major, minor, total >> 20);
	return true;
}

static bool primary_context(void)
{
	CUcontext first, second, current;
	unsigned int flags;
	int active = -1, greatest, least;
	CUdevice found;

	DO(cu.Init(0));
	DO(cu.DeviceGet(&found, 0));
	DO(cu.DevicePrimaryCtxGetState(found, &flags, &active));
	THAT(active == 0);
	DO(cu.DevicePrimaryCtxRetain(&first, found));
	DO(cu.DevicePrimaryCtxRetain(&second, found));
	THAT(first == second);
	DO(cu.DevicePrimaryCtxGetState(found, &flags, &active));
	THAT(active == 1);
	DO(cu.CtxPushCurrent(first));
	DO(cu.CtxGetDevice(&found));
	THAT(found == 0);
	DO(cu.CtxGetStreamPriorityRange(&least, &greatest));
	THAT(least == 0 && greatest <= 0);
	DO(cu.CtxSynchronize());
	DO(cu.CtxPopCurrent(&current));
	THAT(current == first);
	DO(cu.CtxGetCurrent(&current));
	THAT(!current);
	DO(cu.DevicePrimaryCtxRelease(0));
	DO(cu.DevicePrimaryCtxRelease(0));
	DO(cu.DevicePrimaryCtxGetState(0, &flags, &active));
	THAT(active == 0);
	return true;
}

static const struct check checks[] = {
	{ "before_init", before_init },
	{ "proc_address", proc_address },
	{ "no_context", no_context },
	{ "device_description", device_description },
	{ "primary_context", primary_context },
};
const struct check_group init_group = GROUP("init", checks);
