/* SPDX-License-Identifier: Apache-2.0 */
/* Checks of what NVML says of device 0: nvmlapi [--total=BYTES] [GROUP | GROUP.NAME ...] */
#include "check.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct nvml_device *nvml_device;
struct nvml_memory {
	unsigned long long total, free, used;
};

static struct {
	int (*Init)(void);
	int (*Shutdown)(void);
	int (*SystemGetDriverVersion)(char *, unsigned int);
	int (*SystemGetCudaDriverVersion)(int *);
	int (*DeviceGetCount)(unsigned int *);
	int (*DeviceGetHandleByIndex)(unsigned int, nvml_device *);
	int (*DeviceGetHandleByUUID)(const char *, nvml_device *);
	int (*DeviceGetName)(nvml_device, char *, unsigned int);
	int (*DeviceGetUUID)(nvml_device, char *, unsigned int);
	int (*DeviceGetMemoryInfo)(nvml_device, struct nvml_memory *);
} nvml;

static nvml_device device;
static unsigned long long expected_total;

static bool versions(void)
{
	char text[80] = "";
	int version = 0;

	DO(nvml.SystemGetDriverVersion(text, sizeof(text)));
	THAT(strchr(text, '.'));
	DO(nvml.SystemGetCudaDriverVersion(&version));
	THAT(version >= 12000);
	printf("info driver %s, CUDA %d.%d\n", text, version / 1000, version % 1000 / 10);
	return true;
}

static bool one_device(void)
{
	char name[96] = "", uuid[96] = "";
	nvml_device same = NULL, none;
	unsigned int count = 0;

	DO(nvml.DeviceGetCount(&count));
	THAT(count == 1);
	THAT(nvml.DeviceGetHandleByIndex(count, &none));
	DO(nvml.DeviceGetName(device, name, sizeof(name)));
	THAT(name[0]);
	DO(nvml.DeviceGetUUID(device, uuid, sizeof(uuid)));
	THAT(strlen(uuid) == 40 && !strncmp(uuid, "GPU-", 4));
	DO(nvml.DeviceGetHandleByUUID(uuid, &same));
	THAT(same == device);
	printf("info device %s, %s\n", name, uuid);
	return true;
}

static bool memory_sums(void)
{
	struct nvml_memory memory = { 0 };

	DO(nvml.DeviceGetMemoryInfo(device, &memory));
	THAT(memory.total > 0 && memory.used + memory.free == memory.total);
	return true;
}

static bool memory_is_the_quota(void)
{
	struct nvml_memory memory = { 0 };

	DO(nvml.DeviceGetMemoryInfo(device, &memory));
	if (expected_total && memory.total != expected_total)
		return check_reason("total is %llu bytes, expected %llu", memory.total, expected_total);
	return true;
}

static int open_nvml(void)
{
	void *library = dlopen("libnvidia-ml.so.1", RTLD_NOW);
	int result;

	if (!library) {
		fprintf(stderr, "%s\n", dlerror());
		return -1;
	}
#define GET(member, name)                                                        \
	do {                                                                     \
		void *symbol_ = dlsym(library, name);                            \
		if (!symbol_) {                                                  \
			fprintf(stderr, "libnvidia-ml.so.1 has no %s\n", name);  \
			return -1;                                               \
		}                                                                \
		memcpy(&nvml.member, &symbol_, sizeof(symbol_));                 \
	} while (0)
	GET(Init, "nvmlInit_v2");
	GET(Shutdown, "nvmlShutdown");
	GET(SystemGetDriverVersion, "nvmlSystemGetDriverVersion");
	GET(SystemGetCudaDriverVersion, "nvmlSystemGetCudaDriverVersion_v2");
	GET(DeviceGetCount, "nvmlDeviceGetCount_v2");
	GET(DeviceGetHandleByIndex, "nvmlDeviceGetHandleByIndex_v2");
	GET(DeviceGetHandleByUUID, "nvmlDeviceGetHandleByUUID");
	GET(DeviceGetName, "nvmlDeviceGetName");
	GET(DeviceGetUUID, "nvmlDeviceGetUUID");
	GET(DeviceGetMemoryInfo, "nvmlDeviceGetMemoryInfo");
#undef GET
	result = nvml.Init();
	if (!result)
		result = nvml.DeviceGetHandleByIndex(0, &device);
	if (result)
		fprintf(stderr, "no device: NVML error %d\n", result);
	return result;
}

int main(int argc, char **argv)
{
	const struct check device_checks[] = {
		{ "versions", versions },
		{ "one_device", one_device },
	};
	const struct check memory_checks[] = {
		{ "sums", memory_sums },
		{ "is_the_quota", memory_is_the_quota },
	};
	const struct check_group groups[] = {
		GROUP("device", device_checks),
		GROUP("memory", memory_checks),
	};
	int status;

	if (argc > 1 && !strncmp(argv[1], "--total=", 8)) {
		expected_total = strtoull(argv[1] + 8, NULL, 10);
		argv[1] = argv[0];
		argv++;
		argc--;
	}
	if (open_nvml())
		return 2;
	status = check_run("nvmlapi", groups, sizeof(groups) / sizeof(groups[0]), argc, argv);
	nvml.Shutdown();
	return status;
}
