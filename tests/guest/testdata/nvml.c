// SPDX-License-Identifier: Apache-2.0
/* What nvidia-smi, Ollama, PyTorch and monitoring tools ask of NVML. */
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"

static void *library;
#define CALL(name, ...) (((int (*)())symbol(library, #name))(__VA_ARGS__))

struct pci {
	char short_id[16];
	unsigned int domain, bus, device, device_id, subsystem_id;
	char id[32];
};

/* Prints the number that the call stores in number. */
#define PRINT(name, call) \
	do { \
		int result_ = (call); \
\
		if (result_) \
			printf("%s=error %d\n", name, result_); \
		else \
			printf("%s=%u\n", name, number); \
	} while (0)

static void memory(void *device)
{
	struct { unsigned long long total, free, used; } v1;
	struct { unsigned int version; unsigned long long total, reserved, free, used; } v2 = { .version = 0x02000028 };

	CHECK_EQUAL(CALL(nvmlDeviceGetMemoryInfo, device, &v1), 0);
	printf("total=%llu\nused=%llu\nfree=%llu\n", v1.total, v1.used, v1.free);
	CHECK_EQUAL(CALL(nvmlDeviceGetMemoryInfo_v2, device, &v2), 0);
	CHECK(v1.total == v2.total && v1.used == v2.used && v1.free == v2.free && v2.reserved == 0);
	v2.version = 1;
	CHECK_EQUAL(CALL(nvmlDeviceGetMemoryInfo_v2, device, &v2), 13);
}

static void pci(void *device)
{
	struct pci info;
	struct { unsigned int version, domain, bus, device, device_id, subsystem_id, class, subclass; char id[32]; } ext = {
		.version = 0x01000040 };
	void *found = NULL;

	CHECK_EQUAL(CALL(nvmlDeviceGetPciInfo_v3, device, &info), 0);
	printf("pci=%s\npci_short=%s\npci_numbers=%u:%u:%u\npci_device=%08x\npci_subsystem=%08x\n", info.id, info.short_id,
	       info.domain, info.bus, info.device, info.device_id, info.subsystem_id);
	CHECK_EQUAL(CALL(nvmlDeviceGetPciInfoExt, device, &ext), 0);
	CHECK(strcmp(ext.id, info.id) == 0 && ext.bus == info.bus && ext.class == 3);
	memset(&info, 0x55, sizeof info);
	CHECK_EQUAL(CALL(nvmlDeviceGetPciInfo, device, &info), 0);
	CHECK(info.subsystem_id == 0x55555555 && info.bus == ext.bus);
	CHECK_EQUAL(CALL(nvmlDeviceGetPciInfo_v2, device, &info), 0);
	CHECK((unsigned char)info.id[0] == 0x55 && info.subsystem_id == ext.subsystem_id);
	CHECK_EQUAL(CALL(nvmlDeviceGetHandleByPciBusId_v2, ext.id, &found), 0);
	CHECK(found == device);
	CHECK_EQUAL(CALL(nvmlDeviceGetHandleByPciBusId, "0001:1b:02.0", &found), 0);
	CHECK_EQUAL(CALL(nvmlDeviceGetHandleByPciBusId_v2, "0001:1c:02.0", &found), 6);
	CHECK_EQUAL(CALL(nvmlDeviceGetHandleByPciBusId_v2, "somewhere", &found), 2);
	CHECK_EQUAL(CALL(nvmlDeviceGetHandleByPciBusId_v2, "0001:1b:02.1", &found), 2);
}

/* Each process with its memory, by every function that lists them, and its name. */
static void processes(void *device)
{
	struct { unsigned int pid; unsigned long long used; } v1[8];
	struct { unsigned int pid; unsigned long long used; unsigned int gpu, compute; } v3[8];
	struct { unsigned int pid; unsigned long long used; unsigned int gpu, compute; unsigned long long protected; } details[8];
	struct { unsigned int version, mode, count; void *details; } list = { 0x01000018, 0, 8, details };
	unsigned int count = 8, room = 0;
	char name[256];

	CHECK_EQUAL(CALL(nvmlDeviceGetComputeRunningProcesses_v3, device, &count, v3), 0);
	CHECK_EQUAL(CALL(nvmlDeviceGetComputeRunningProcesses_v3, device, &room, NULL), count ? 7 : 0);
	CHECK_EQUAL(room, count);
	CHECK_EQUAL(CALL(nvmlDeviceGetComputeRunningProcesses, device, &count, v1), 0);
	CHECK_EQUAL(CALL(nvmlDeviceGetRunningProcessDetailList, device, &list), 0);
	CHECK_EQUAL(list.count, count);
	CHECK_EQUAL(CALL(nvmlDeviceGetComputeRunningProcesses_v2, device, NULL, v3), 2);
	printf("processes=%u\n", count);
	for (unsigned int i = 0; i < count; i++) {
		CHECK(v1[i].pid == v3[i].pid && details[i].pid == v3[i].pid && v3[i].gpu == 0xffffffff);
		CHECK(v1[i].used == v3[i].used && details[i].used == v3[i].used);
		printf("process%u=%u %llu\n", i, v3[i].pid, v3[i].used);
	}
	CHECK_EQUAL(CALL(nvmlSystemGetProcessName, getpid(), name, 256), 0);
	CHECK(strstr(name, "nvml"));
	CHECK_EQUAL(CALL(nvmlSystemGetProcessName, getpid(), name, 4), 0);
	CHECK_EQUAL(strlen(name), 3);
	CHECK_EQUAL(CALL(nvmlSystemGetProcessName, 0x7fffffff, name, 256), 6);
	list.version = 7;
	CHECK_EQUAL(CALL(nvmlDeviceGetRunningProcessDetailList, device, &list), 25);
}

static void device_answers(void *device)
{
	unsigned int number = 0, other = 0, count = 99;
	struct { unsigned int gpu, memory; } utilization;
	struct { unsigned int version, sensor; int celsius; } temperature = { .version = 0x0100000c };
	struct { unsigned int field, scope; long long times[2]; unsigned int type, result; unsigned long long value; } field = { 0 };
	void *found = NULL;
	char text[96];

	CHECK_EQUAL(CALL(nvmlDeviceGetName, device, text, 96), 0);
	printf("name=%s\n", text);
	CHECK_EQUAL(CALL(nvmlDeviceGetName, device, text, 4), 7);
	CHECK_EQUAL(CALL(nvmlDeviceGetName, device, NULL, 96), 2);
	CHECK_EQUAL(CALL(nvmlDeviceGetName, NULL, text, 96), 2);
	CHECK_EQUAL(CALL(nvmlDeviceGetUUID, device, text, 80), 0);
	printf("uuid=%s\n", text);
	CHECK_EQUAL(CALL(nvmlDeviceGetHandleByUUID, text, &found), 0);
	CHECK(found == device);
	text[10] ^= 1;
	CHECK_EQUAL(CALL(nvmlDeviceGetHandleByUUID, text, &found), 6);
	CHECK_EQUAL(CALL(nvmlDeviceGetIndex, device, &number), 0);
	CHECK_EQUAL(number, 0);
	CHECK_EQUAL(CALL(nvmlDeviceGetUtilizationRates, device, &utilization), 0);
	printf("utilization=%u\n", utilization.gpu);
	PRINT("temperature", CALL(nvmlDeviceGetTemperature, device, 0, &number));
	if (CALL(nvmlDeviceGetTemperatureV, device, &temperature) == 0)
		CHECK_EQUAL(temperature.celsius, number);
	PRINT("power", CALL(nvmlDeviceGetPowerUsage, device, &number));
	CHECK_EQUAL(CALL(nvmlDeviceGetCudaComputeCapability, device, &number, &other), 0);
	printf("capability=%u.%u\n", number, other);
	PRINT("architecture", CALL(nvmlDeviceGetArchitecture, device, &number));
	PRINT("graphics_clock", CALL(nvmlDeviceGetMaxClockInfo, device, 0, &number));
	CHECK_EQUAL(CALL(nvmlDeviceGetEccMode, device, &number, &other), 0);
	CHECK(number == 1 && other == 1);
	processes(device);
	CHECK_EQUAL(CALL(nvmlDeviceGetGraphicsRunningProcesses_v3, device, &count, NULL), 0);
	CHECK_EQUAL(count, 0);
	CHECK_EQUAL(CALL(nvmlDeviceGetMigMode, device, &number, &other), 0);
	CHECK(number == 0 && other == 0);
	CHECK_EQUAL(CALL(nvmlDeviceGetFieldValues, device, 1, &field), 0);
	CHECK_EQUAL(field.result, 3);
	field.field = 186;
	CHECK_EQUAL(CALL(nvmlDeviceGetFieldValues, device, 1, &field), 0);
	printf("power_field=%u %u %llu\n", field.result, field.type, field.value);
	CHECK_EQUAL(CALL(nvmlDeviceGetP2PStatus, device, device, 0, &number), 0);
	CHECK_EQUAL(number, 5);
	CHECK_EQUAL(CALL(nvmlDeviceGetFanSpeed, device, &number), 3);
	CHECK_EQUAL(CALL(nvmlDeviceGetNvLinkRemotePciInfo_v2, device, 0, text), 3);
}

/* A child of a process that uses NVML starts afresh. */
static void fork_and_look(void *device)
{
	char text[96];
	int status;
	pid_t child = fork();

	if (child == 0) {
		CHECK_EQUAL(CALL(nvmlDeviceGetName, device, text, 96), 1);
		CHECK_EQUAL(CALL(nvmlInit_v2), 0);
		CHECK_EQUAL(CALL(nvmlDeviceGetName, device, text, 96), 0);
		CHECK_EQUAL(CALL(nvmlShutdown), 0);
		_exit(77);
	}
	waitpid(child, &status, 0);
	CHECK_EQUAL(WEXITSTATUS(status), 77);
	CHECK_EQUAL(CALL(nvmlDeviceGetName, device, text, 96), 0);
}

int main(void)
{
	const void *const *table;
	unsigned int count = 0;
	void *device = NULL, *set = NULL;
	char text[96], data[64];
	int version, result;

	library = load("libnvidia-ml.so.1");
	CHECK_EQUAL(CALL(nvmlDeviceGetCount_v2, &count), 1);
	CHECK_EQUAL(CALL(nvmlDeviceGetFanSpeed, device, &count), 1);
	CHECK_EQUAL(CALL(nvmlShutdown), 1);
	result = CALL(nvmlInit_v2);
	printf("init=%d\n", result);
	if (result)
		return 0;
	CHECK_EQUAL(CALL(nvmlInitWithFlags, 0), 0);
	CHECK_EQUAL(CALL(nvmlShutdown), 0);
	CHECK_EQUAL(CALL(nvmlSystemGetDriverVersion, text, 80), 0);
	printf("driver=%s\n", text);
	CHECK_EQUAL(CALL(nvmlSystemGetNVMLVersion, text, 80), 0);
	printf("nvml=%s\n", text);
	CHECK_EQUAL(CALL(nvmlSystemGetCudaDriverVersion_v2, &version), 0);
	printf("cuda=%d\n", version);
	CHECK_EQUAL(CALL(nvmlInternalGetExportTable, &table, "\xc4\xfe\x3e\x6c\xc9\x8f\x6c\x4e\xa3\x27\xee\x69\x6e\x12\xf7\xc4"), 0);
	CHECK((size_t)table[0] >= 255 * 8);
	for (size_t slot = 1; slot < (size_t)table[0] / 8; slot++)
		CHECK_EQUAL(((int (*)(void))table[slot])(), 3);
	CHECK_EQUAL(CALL(nvmlDeviceGetCount_v2, &count), 0);
	printf("count=%u\n", count);
	CHECK_EQUAL(CALL(nvmlDeviceGetHandleByIndex_v2, count, &device), 2);
	CHECK_EQUAL(CALL(nvmlEventSetCreate, &set), 0);
	CHECK_EQUAL(CALL(nvmlEventSetWait_v2, set, data, 1), 10);
	CHECK_EQUAL(CALL(nvmlEventSetFree, set), 0);
	if (count) {
		CHECK_EQUAL(CALL(nvmlDeviceGetHandleByIndex_v2, 0, &device), 0);
		device_answers(device);
		memory(device);
		pci(device);
		fork_and_look(device);
	}
	const char *(*error_string)(int) = (const char *(*)(int))symbol(library, "nvmlErrorString");
	printf("error=%s\nunknown=%s\n", error_string(3), error_string(12345));
	CHECK_EQUAL(CALL(nvmlShutdown), 0);
	CHECK_EQUAL(CALL(nvmlDeviceGetCount_v2, &count), 1);
	return 0;
}
