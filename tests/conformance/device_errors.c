/* SPDX-License-Identifier: Apache-2.0 */
/* Misuse of what needs no context: devices, texts of errors, addresses of functions; and calls that come before cuInit. */
#include "child.h"
#include "conformance.h"

#include <string.h>

static bool devices(void)
{
	BIND(cuDeviceComputeCapability, int *, int *, CUdevice);
	BIND(cuDeviceGetProperties, void *, CUdevice);
	BIND(cuDeviceGetUuid, CUuuid *, CUdevice);
	BIND(cuDeviceCanAccessPeer, int *, CUdevice, CUdevice);
	int properties[64], value, other;
	CUdevice found;
	CUuuid uuid;
	size_t size;

	USE_DEVICE;
	NOTE(cu.DeviceGetCount(NULL));
	NOTE(cu.DeviceGet(NULL, 0));
	NOTE(cu.DeviceGet(&found, -1));
	NOTE(cu.DeviceGet(&found, 77));
	NOTE(cu.DeviceTotalMem(NULL, device));
	NOTE(cu.DeviceTotalMem(&size, 77));
	NOTE(cu.DeviceTotalMem(&size, -1));
	NOTE(cu.DeviceTotalMem(NULL, 77));
	NOTE(cu.DeviceGetAttribute(NULL, 1, device));
	NOTE(cu.DeviceGetAttribute(&value, 1, 77));
	NOTE(cu.DeviceGetAttribute(&value, 0, device));
	NOTE(cu.DeviceGetAttribute(&value, -1, device));
	NOTE(cu.DeviceGetAttribute(&value, 100000, device));
	NOTE(cu.DeviceGetUuid(NULL, device));
	NOTE(cu.DeviceGetUuid(&uuid, 77));
	NOTE(cuDeviceGetUuid(NULL, device));
	NOTE(cuDeviceComputeCapability(&value, NULL, device));
	NOTE(cuDeviceComputeCapability(NULL, &value, device));
	NOTE(cuDeviceComputeCapability(&value, &other, 77));
	NOTE(cuDeviceGetProperties(NULL, device));
	NOTE(cuDeviceGetProperties(properties, 77));
	NOTE(cuDeviceCanAccessPeer(NULL, device, device));
	NOTE(cuDeviceCanAccessPeer(&value, device, device));
	check_note("(%d)", value);
	NOTE(cuDeviceCanAccessPeer(&value, device, 77));
	NOTE(cuDeviceCanAccessPeer(&value, 77, device));
	return true;
}

/* Names cut short: what is written, and where it ends. The driver takes the length as it is and dies of one below zero. */
static bool names_of_devices(void)
{
	char name[256], text[32];

	USE_DEVICE;
	DO(cu.DeviceGetName(name, sizeof(name), device));
	NOTE(cu.DeviceGetName(NULL, 10, device));
	NOTE(cu.DeviceGetName(name, 10, 77));
	for (int length = 1; length < 5; length++) {
		memset(text, 'x', sizeof(text));
		check_note("(%d)", length);
		NOTE(cu.DeviceGetName(text, length, device));
		check_note("%s", text[0] == 'x' ? "untouched" : text[length - 1] ? "without end" : "cut");
	}
	return true;
}

static bool places_of_devices(void)
{
	char place[32], text[32];
	CUdevice found = 77;

	USE_DEVICE;
	DO(cu.DeviceGetPCIBusId(place, sizeof(place), device));
	NOTE(cu.DeviceGetPCIBusId(NULL, 13, device));
	NOTE(cu.DeviceGetPCIBusId(text, 13, 77));
	for (int length = 11; length < 15; length++) {
		memset(text, 'x', sizeof(text));
		check_note("(%d)", length);
		NOTE(cu.DeviceGetPCIBusId(text, length, device));
		check_note("%s", text[0] == 'x' ? "untouched" : !strcmp(text, place) ? "whole" : "cut");
	}
	NOTE(cu.DeviceGetByPCIBusId(NULL, place));
	NOTE(cu.DeviceGetByPCIBusId(&found, NULL));
	NOTE(cu.DeviceGetByPCIBusId(&found, ""));
	NOTE(cu.DeviceGetByPCIBusId(&found, "nonsense"));
	NOTE(cu.DeviceGetByPCIBusId(&found, "7777:77:17.0"));
	NOTE(cu.DeviceGetByPCIBusId(&found, place));
	return true;
}

static bool primary_context(void)
{
	CUcontext retained;
	unsigned int flags;
	int active;

	USE_DEVICE;
	NOTE(cu.DevicePrimaryCtxRetain(NULL, device));
	NOTE(cu.DevicePrimaryCtxRetain(&retained, 77));
	NOTE(cu.DevicePrimaryCtxRetain(NULL, 77));
	NOTE(cu.DevicePrimaryCtxRelease(77));
	NOTE(cu.DevicePrimaryCtxRelease(-1));
	NOTE(cu.DevicePrimaryCtxGetState(device, NULL, &active));
	NOTE(cu.DevicePrimaryCtxGetState(device, &flags, NULL));
	NOTE(cu.DevicePrimaryCtxGetState(77, &flags, &active));
	NOTE(cu.CtxGetDevice(NULL));
	NOTE(cu.CtxGetLimit(NULL, 0));
	return true;
}

/* The driver dies of a text's place that is NULL. */
static bool texts_of_errors(void)
{
	const char *text = "before";

	USE_DEVICE;
	NOTE(cu.GetErrorName(12345, &text));
	check_note("%s", text ? text : "null");
	text = "before";
	NOTE(cu.GetErrorString(12345, &text));
	check_note("%s", text ? text : "null");
	NOTE(cu.GetErrorName(-1, &text));
	NOTE(cu.DriverGetVersion(NULL));
	NOTE(cu.GetErrorName(0, &text));
	check_note("%s", text ? text : "null");
	return true;
}

static bool note_function(const char *name, int version, uint64_t flags)
{
	void *function = &function;
	int status = 77;

	check_line = __LINE__;
	check_note("%d", (int)cu.GetProcAddress(name, &function, version, flags, &status));
	check_note("%s (%d)", !function ? "null" : function == &function ? "untouched" : "found", status);
	return true;
}

/* The driver dies of a name that is NULL. */
static bool addresses_of_functions(void)
{
	BIND(cuGetProcAddress, const char *, void **, int, uint64_t);
	void *function = &function;

	USE_DEVICE;
	note_function("cuMemAlloc", 12000, 0);
	note_function("cuMemAlloc", 1000, 0);
	note_function("cuMemAlloc_v2", 12000, 0);
	note_function("cuNoSuchCall", 12000, 0);
	note_function("", 12000, 0);
	note_function("cuMemAlloc", 99000, 0);
	note_function("cuMemAlloc", 0, 0);
	note_function("cuMemAlloc", -1, 0);
	note_function("cuMemAlloc", 12000, 1);
	note_function("cuMemAlloc", 12000, 2);
	note_function("cuMemAlloc", 12000, 3);
	note_function("cuMemAlloc", 12000, 4);
	note_function("cuMemAlloc", 12000, 1 << 20);
	NOTE(cu.GetProcAddress("cuMemAlloc", &function, 12000, 0, NULL));
	NOTE(cuGetProcAddress("cuMemAlloc", &function, 12000, 0));
	NOTE(cuGetProcAddress("cuNoSuchCall", &function, 12000, 0));
	check_note("%s", function ? "left" : "null");
	return true;
}

/* The newest version that may be asked for. */
static bool versions_of_functions(void)
{
	int version;

	USE_DEVICE;
	DO(cu.DriverGetVersion(&version));
	note_function("cuMemAlloc", version, 0);
	note_function("cuMemAlloc", version + 1, 0);
	note_function("cuMemAlloc", version + 10, 0);
	note_function("cuMemAlloc", version + 1000, 0);
	note_function("cuNoSuchCall", version + 1000, 0);
	return true;
}

static bool tables(void)
{
	BIND(cuGetExportTable, const void **, const CUuuid *);
	CUuuid nothing = { { 0 } };
	const void *table = &table;

	USE_DEVICE;
	NOTE(cuGetExportTable(NULL, &nothing));
	NOTE(cuGetExportTable(&table, NULL));
	table = &table;
	NOTE(cuGetExportTable(&table, &nothing));
	check_note("%s", !table ? "null" : table == &table ? "untouched" : "found");
	return true;
}

struct early {
	unsigned int count;
	int results[48];
};

/* What calls answer in a process that has not called cuInit, then what cuInit answers about flags. */
static int play_early(int socket)
{
	BIND(cuGetExportTable, const void **, const CUuuid *);
	struct early early = { 0 };
	unsigned int flags;
	int value;
	CUuuid uuid = { { 0 } };
	const void *table;
	const char *text;
	CUdeviceptr address;
	CUcontext context_;
	CUlibrary library;
	CUstream stream;
	CUmodule module;
	CUgraph graph;
	CUevent event;
	size_t size;
	void *host;

	early.results[early.count++] = cu.DriverGetVersion(&value);
	early.results[early.count++] = cu.DriverGetVersion(NULL);
	early.results[early.count++] = cu.GetErrorName(1, &text);
	early.results[early.count++] = cuGetExportTable(&table, &uuid);
	early.results[early.count++] = cu.DeviceGetCount(&value);
	early.results[early.count++] = cu.DeviceGetCount(NULL);
	early.results[early.count++] = cu.DeviceGet(&value, 0);
	early.results[early.count++] = cu.DeviceGet(&value, 77);
	early.results[early.count++] = cu.DeviceGetAttribute(&value, 1, 0);
	early.results[early.count++] = cu.DeviceTotalMem(&size, 0);
	early.results[early.count++] = cu.DevicePrimaryCtxRetain(&context_, 0);
	early.results[early.count++] = cu.DevicePrimaryCtxRelease(0);
	early.results[early.count++] = cu.DevicePrimaryCtxGetState(0, &flags, &value);
	early.results[early.count++] = cu.CtxGetCurrent(&context_);
	early.results[early.count++] = cu.CtxSetCurrent(NULL);
	early.results[early.count++] = cu.CtxPushCurrent(NULL);
	early.results[early.count++] = cu.CtxPopCurrent(&context_);
	early.results[early.count++] = cu.CtxSynchronize();
	early.results[early.count++] = cu.MemAlloc(&address, 4096);
	early.results[early.count++] = cu.MemFree(0);
	early.results[early.count++] = cu.MemHostAlloc(&host, 4096, 0);
	early.results[early.count++] = cu.MemGetInfo(&size, &size);
	early.results[early.count++] = cu.MemcpyDtoD(0, 0, 0);
	early.results[early.count++] = cu.PointerGetAttribute(&value, 2, 0);
	early.results[early.count++] = cu.MemAddressReserve(&address, 2 << 20, 0, 0, 0);
	early.results[early.count++] = cu.ModuleLoadData(&module, "");
	early.results[early.count++] = cu.LibraryLoadData(&library, "", NULL, NULL, 0, NULL, NULL, 0);
	early.results[early.count++] = cu.StreamCreate(&stream, 0);
	early.results[early.count++] = cu.StreamSynchronize(NULL);
	early.results[early.count++] = cu.EventCreate(&event, 0);
	early.results[early.count++] = cu.EventQuery(NULL);
	early.results[early.count++] = cu.GraphCreate(&graph, 0);
	early.results[early.count++] = cu.LaunchKernel(NULL, 1, 1, 1, 1, 1, 1, 0, NULL, NULL, NULL);
	early.results[early.count++] = cu.Init(1);
	early.results[early.count++] = cu.DeviceGetCount(&value);
	early.results[early.count++] = cu.Init(0);
	early.results[early.count++] = cu.DeviceGetCount(&value);
	early.results[early.count++] = cu.Init(1);
	early.results[early.count++] = cu.Init(0);
	return tell(socket, &early, sizeof(early), -1) ? 0 : 1;
}
const struct role early_role = { "early", play_early };

static bool before_init(void)
{
	struct early early;
	struct child child;

	if (!child_start(&child, "early"))
		return false;
	if (!hear(child.socket, &early, sizeof(early), NULL)) {
		child_join(&child);
		return check_reason("the child said nothing");
	}
	for (unsigned int i = 0; i < early.count; i++)
		check_note("%d", early.results[i]);
	return child_join(&child);
}

static const struct check checks[] = {
	{ "devices", devices },
	{ "names_of_devices", names_of_devices },
	{ "places_of_devices", places_of_devices },
	{ "primary_context", primary_context },
	{ "texts_of_errors", texts_of_errors },
	{ "addresses_of_functions", addresses_of_functions },
	{ "versions_of_functions", versions_of_functions },
	{ "tables", tables },
	{ "before_init", before_init },
};
const struct check_group device_error_family = GROUP("device_errors", checks);
