/* SPDX-License-Identifier: Apache-2.0 */
/* What is asked of a device less often, and of the driver itself: links, notifications, core dumps, logs. */
#include "conformance.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static bool links(void)
{
	BIND(cuDeviceGetP2PAttribute, int *, int, CUdevice, CUdevice);
	BIND(cuDeviceGetP2PAtomicCapabilities, unsigned int *, const int *, unsigned int, CUdevice, CUdevice);
	BIND(cuDeviceGetHostAtomicCapabilities, unsigned int *, const int *, unsigned int, CUdevice);
	unsigned int capabilities[13] = { 0 };
	int operations[13], value = -1;

	USE_DEVICE;
	for (int i = 0; i < 13; i++)
		operations[i] = i;
	for (int attribute = 0; attribute < 7; attribute++)
		CODE(cuDeviceGetP2PAttribute(&value, attribute, device, device));
	CODE(cuDeviceGetP2PAttribute(NULL, 1, device, device));
	CODE(cuDeviceGetP2PAttribute(&value, 1, device, 77));
	CODE(cuDeviceGetP2PAtomicCapabilities(capabilities, operations, 13, device, device));
	CODE(cuDeviceGetP2PAtomicCapabilities(capabilities, operations, 0, device, device));
	NOTE(cuDeviceGetHostAtomicCapabilities(capabilities, operations, 13, device));
	for (int i = 0; i < 13; i++)
		check_note("%#x", capabilities[i]);
	CODE(cuDeviceGetHostAtomicCapabilities(capabilities, operations, 0, device));
	CODE(cuDeviceGetHostAtomicCapabilities(NULL, operations, 13, device));
	CODE(cuDeviceGetHostAtomicCapabilities(capabilities, operations, 13, 77));
	operations[0] = 13;
	CODE(cuDeviceGetHostAtomicCapabilities(capabilities, operations, 1, device));
	return true;
}

static bool identity(void)
{
	BIND(cuDeviceGetLuid, char *, unsigned int *, CUdevice);
	BIND(cuDeviceTotalMem, unsigned int *, CUdevice);
	unsigned int mask = 0, small = 0;
	char luid[8] = { 0 };
	size_t total;

	USE_DEVICE;
	NOTE(cuDeviceGetLuid(luid, &mask, device));
	NOTE(cuDeviceGetLuid(NULL, &mask, device));
	NOTE(cuDeviceGetLuid(luid, &mask, 77));
	NOTE(cuDeviceTotalMem(&small, device));
	DO(cu.DeviceTotalMem(&total, device));
	check_note("%s", small == UINT32_MAX ? "saturated" : small == (unsigned int)total ? "low word" : "other");
	NOTE(cuDeviceTotalMem(NULL, device));
	NOTE(cuDeviceTotalMem(&small, 77));
	return true;
}

static bool texture_width(void)
{
	BIND(cuDeviceGetTexture1DLinearMaxWidth, size_t *, int, unsigned int, CUdevice);
	static const int formats[] = { 1, 2, 3, 8, 9, 10, 0x10, 0x20, 0xb0, 0x7777 };
	size_t width;

	USE_DEVICE;
	for (size_t i = 0; i < sizeof(formats) / sizeof(formats[0]); i++) {
		width = 0;
		NOTE(cuDeviceGetTexture1DLinearMaxWidth(&width, formats[i], 1 + i % 2, device));
		printf("info texture of format %#x: %zu elements\n", formats[i], width);
	}
	NOTE(cuDeviceGetTexture1DLinearMaxWidth(&width, 1, 3, device));
	NOTE(cuDeviceGetTexture1DLinearMaxWidth(NULL, 1, 1, device));
	NOTE(cuDeviceGetTexture1DLinearMaxWidth(&width, 1, 1, 77));
	return true;
}

static void notified(void *info, void *user, void *handle)
{
	(void)info;
	(void)handle;
	*(int *)user = 1;
}

static bool notifications(void)
{
	BIND(cuDeviceRegisterAsyncNotification, CUdevice, void (*)(void *, void *, void *), void *, void **);
	BIND(cuDeviceUnregisterAsyncNotification, CUdevice, void *);
	void *handle = NULL;
	CUresult result;
	int called = 0;

	USE_DEVICE;
	result = cuDeviceRegisterAsyncNotification(device, notified, &called, &handle);
	check_note("%d", result);
	if (!result)
		DO(cuDeviceUnregisterAsyncNotification(device, handle));
	THAT(!called);
	CODE(cuDeviceRegisterAsyncNotification(77, notified, &called, &handle));
	CODE(cuDeviceRegisterAsyncNotification(device, NULL, &called, &handle));
	return true;
}

static bool remote_writes(void)
{
	BIND(cuFlushGPUDirectRDMAWrites, int, int);

	USE_DEVICE;
	NOTE(cuFlushGPUDirectRDMAWrites(0, 100));
	NOTE(cuFlushGPUDirectRDMAWrites(0, 200));
	NOTE(cuFlushGPUDirectRDMAWrites(0, 150));
	NOTE(cuFlushGPUDirectRDMAWrites(1, 100));
	return true;
}

static bool profiler(void)
{
	BIND(cuProfilerInitialize, const char *, const char *, int);
	BIND(cuProfilerStart, void);
	BIND(cuProfilerStop, void);

	USE_DEVICE;
	NOTE(cuProfilerInitialize("/dev/null", "/dev/null", 0));
	DO(cuProfilerStart());
	DO(cuProfilerStop());
	return true;
}

static bool core_dumps(void)
{
	BIND(cuCoredumpGetAttribute, int, void *, size_t *);
	BIND(cuCoredumpGetAttributeGlobal, int, void *, size_t *);
	BIND(cuCoredumpSetAttribute, int, void *, size_t *);
	BIND(cuCoredumpSetAttributeGlobal, int, void *, size_t *);
	char name[2048] = "";
	size_t size;
	bool off = false;

	USE_DEVICE;
	for (int setting = 0; setting < 9; setting++) {
		size = 0;
		NOTE(cuCoredumpGetAttributeGlobal(setting, NULL, &size));
		check_note("%zu", size);
	}
	for (int setting = 1; setting < 5; setting++) {
		unsigned char value = 9;

		size = 1;
		NOTE(cuCoredumpGetAttribute(setting, &value, &size));
		check_note("%u", value);
	}
	size = 1;
	NOTE(cuCoredumpSetAttributeGlobal(1, &off, &size));
	size = sizeof("dump");
	NOTE(cuCoredumpSetAttributeGlobal(5, "dump", &size));
	size = sizeof(name);
	NOTE(cuCoredumpGetAttributeGlobal(5, name, &size));
	check_note("%s %zu", name, size);
	size = 1;
	NOTE(cuCoredumpSetAttribute(4, &off, &size));
	NOTE(cuCoredumpGetAttributeGlobal(1, &off, NULL));
	return true;
}

static void hear(void *user, int level, char *message, size_t length)
{
	(void)level;
	(void)message;
	(void)length;
	++*(int *)user;
}

static bool logs(void)
{
	BIND(cuLogsRegisterCallback, void (*)(void *, int, char *, size_t), void *, void **);
	BIND(cuLogsUnregisterCallback, void *);
	BIND(cuLogsCurrent, unsigned int *, unsigned int);
	BIND(cuLogsDumpToMemory, unsigned int *, char *, size_t *, unsigned int);
	BIND(cuLogsDumpToFile, unsigned int *, const char *, unsigned int);
	char path[] = "/tmp/conformance-log-XXXXXX", text[25600];
	unsigned int iterator = 77;
	size_t size = sizeof(text);
	void *handle = NULL;
	int heard = 0, file;

	USE_DEVICE;
	DO(cuLogsRegisterCallback(hear, &heard, &handle));
	THAT(handle);
	DO(cuLogsUnregisterCallback(handle));
	NOTE(cuLogsUnregisterCallback(NULL));
	NOTE(cuLogsRegisterCallback(NULL, NULL, &handle));
	DO(cuLogsCurrent(&iterator, 0));
	NOTE(cuLogsCurrent(&iterator, 1));
	NOTE(cuLogsCurrent(NULL, 0));
	/* what failed may have been logged */
	DO(cuLogsCurrent(&iterator, 0));
	DO(cuLogsDumpToMemory(&iterator, text, &size, 0));
	THAT(size == 0);
	size = 0;
	NOTE(cuLogsDumpToMemory(&iterator, text, &size, 0));
	size = sizeof(text);
	NOTE(cuLogsDumpToMemory(&iterator, NULL, &size, 0));
	NOTE(cuLogsDumpToMemory(&iterator, text, NULL, 0));
	NOTE(cuLogsDumpToMemory(&iterator, text, &size, 1));
	NOTE(cuLogsDumpToFile(&iterator, "/nonexistent/log", 0));
	file = mkstemp(path);
	THAT(file >= 0);
	close(file);
	DO(cuLogsDumpToFile(NULL, path, 0));
	unlink(path);
	return true;
}

static const struct check checks[] = {
	{ "links", links },
	{ "identity", identity },
	{ "texture_width", texture_width },
	{ "notifications", notifications },
	{ "remote_writes", remote_writes },
	{ "profiler", profiler },
	{ "core_dumps", core_dumps },
	{ "logs", logs },
};
const struct check_group device_family = GROUP("devices", checks);
