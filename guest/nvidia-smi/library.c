// SPDX-License-Identifier: Apache-2.0
/* libnvidia-ml.so.1, loaded when the tool runs: whichever the guest has. */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "gpu.h"

typedef struct device *device_t;

struct memory { unsigned long long total, free, used; };
struct memory_v2 { unsigned int version; unsigned long long total, reserved, free, used; };
struct utilization { unsigned int gpu, memory; };
struct pci { char short_id[16]; unsigned int domain, bus, device, device_id, subsystem_id; char id[32]; };
struct user { unsigned int pid; unsigned long long used; unsigned int gpu_instance, compute_instance; };

enum { NOT_SUPPORTED = 3, DRIVER_NOT_LOADED = 9, MEMORY_V2 = (int)sizeof(struct memory_v2) | 2 << 24 };
enum { CLOCK_GRAPHICS = 0, CLOCK_SM = 1, CLOCK_MEMORY = 2, SENSOR_GPU = 0, UNCORRECTED = 1, VOLATILE = 0 };

#define CALLS(X) \
	X(Init_v2, (void)) \
	X(SystemGetDriverVersion, (char *, unsigned int)) \
	X(SystemGetNVMLVersion, (char *, unsigned int)) \
	X(SystemGetCudaDriverVersion_v2, (int *)) \
	X(SystemGetProcessName, (unsigned int, char *, unsigned int)) \
	X(DeviceGetCount_v2, (unsigned int *)) \
	X(DeviceGetHandleByIndex_v2, (unsigned int, device_t *)) \
	X(DeviceGetName, (device_t, char *, unsigned int)) \
	X(DeviceGetUUID, (device_t, char *, unsigned int)) \
	X(DeviceGetPciInfo_v3, (device_t, struct pci *)) \
	X(DeviceGetMemoryInfo, (device_t, struct memory *)) \
	X(DeviceGetMemoryInfo_v2, (device_t, struct memory_v2 *)) \
	X(DeviceGetUtilizationRates, (device_t, struct utilization *)) \
	X(DeviceGetTemperature, (device_t, unsigned int, unsigned int *)) \
	X(DeviceGetPowerUsage, (device_t, unsigned int *)) \
	X(DeviceGetEnforcedPowerLimit, (device_t, unsigned int *)) \
	X(DeviceGetClockInfo, (device_t, unsigned int, unsigned int *)) \
	X(DeviceGetMaxClockInfo, (device_t, unsigned int, unsigned int *)) \
	X(DeviceGetFanSpeed, (device_t, unsigned int *)) \
	X(DeviceGetPerformanceState, (device_t, unsigned int *)) \
	X(DeviceGetPersistenceMode, (device_t, unsigned int *)) \
	X(DeviceGetDisplayActive, (device_t, unsigned int *)) \
	X(DeviceGetDisplayMode, (device_t, unsigned int *)) \
	X(DeviceGetEccMode, (device_t, unsigned int *, unsigned int *)) \
	X(DeviceGetTotalEccErrors, (device_t, unsigned int, unsigned int, unsigned long long *)) \
	X(DeviceGetMigMode, (device_t, unsigned int *, unsigned int *)) \
	X(DeviceGetComputeMode, (device_t, unsigned int *)) \
	X(DeviceGetCudaComputeCapability, (device_t, int *, int *)) \
	X(DeviceGetComputeRunningProcesses_v3, (device_t, unsigned int *, struct user *))

static struct {
#define MEMBER(name, parameters) int (*name) parameters;
	CALLS(MEMBER)
#undef MEMBER
	const char *(*ErrorString)(int);
} nvml;

/* dlsym into a function pointer, which ISO C does not cast to */
static bool resolve(void *library, const char *name, void *function)
{
	void *found = dlsym(library, name);

	memcpy(function, &found, sizeof found);
	return found;
}

/* The library's result does not tell why there is no GPU: the device does. */
static const char *why_none(void)
{
	int fd;

	if (getenv("VGPU_SOCKET"))
		return "the session that VGPU_SOCKET names does not answer: has its vgpuctl run ended?";
	fd = open("/dev/vgpu0", O_RDWR | O_CLOEXEC | O_NONBLOCK);
	if (fd >= 0) {
		close(fd);
		return "/dev/vgpu0 is there, but does not speak as this library does: are the package and the module of one version?";
	}
	switch (errno) {
	case ENOENT:
		return "there is no /dev/vgpu0: the domain has no <vgpu:gpu> element, or the module vgpu is not loaded (dkms status, modprobe vgpu)";
	case EBUSY:
		return "all channels of /dev/vgpu0 are in use by other processes";
	case EACCES:
		return "this user may not open /dev/vgpu0 (ls -l /dev/vgpu0)";
	default:
		return strerror(errno);
	}
}

static int complain(const char *what, int result)
{
	if (result == DRIVER_NOT_LOADED) {
		fprintf(stderr, "nvidia-smi: no virtual GPU answers: %s; VGPU_LOG=1 nvidia-smi says more\n", why_none());
		return EXIT_NO_DRIVER;
	}
	fprintf(stderr, "nvidia-smi: %s: %s\n", what, nvml.ErrorString(result));
	return EXIT_FAILED;
}

int library_open(void)
{
	void *library = dlopen("libnvidia-ml.so.1", RTLD_NOW);
	int result;

	if (!library) {
		fprintf(stderr, "nvidia-smi: %s; the package libvirt-vgpu-guest brings it\n", dlerror());
		return EXIT_NO_LIBRARY;
	}
#define RESOLVE(name, parameters) \
	if (!resolve(library, "nvml" #name, &nvml.name)) { \
		fprintf(stderr, "nvidia-smi: libnvidia-ml.so.1 has no nvml" #name "\n"); \
		return EXIT_NO_LIBRARY; \
	}
	CALLS(RESOLVE)
	RESOLVE(ErrorString, )
#undef RESOLVE
	result = nvml.Init_v2();
	return result ? complain("starting NVML", result) : EXIT_OK;
}

/* A reading of what a call stored in value. */
static struct reading reading(int result, unsigned long long value)
{
	return (struct reading){ .known = result == 0, .value = value };
}

#define READ(call, ...) \
	({ \
		unsigned int value_ = 0; \
		int result_ = nvml.call(__VA_ARGS__, &value_); \
\
		reading(result_, value_); \
	})

static void read_sensors(struct gpu *gpu, device_t device)
{
	struct utilization utilization = { 0 };
	int result = nvml.DeviceGetUtilizationRates(device, &utilization);

	gpu->utilization = reading(result, utilization.gpu);
	gpu->memory_utilization = reading(result, utilization.memory);
	gpu->temperature = READ(DeviceGetTemperature, device, SENSOR_GPU);
	gpu->power = READ(DeviceGetPowerUsage, device);
	gpu->power_limit = READ(DeviceGetEnforcedPowerLimit, device);
	gpu->graphics_clock = READ(DeviceGetClockInfo, device, CLOCK_GRAPHICS);
	gpu->sm_clock = READ(DeviceGetClockInfo, device, CLOCK_SM);
	gpu->memory_clock = READ(DeviceGetClockInfo, device, CLOCK_MEMORY);
	gpu->max_graphics_clock = READ(DeviceGetMaxClockInfo, device, CLOCK_GRAPHICS);
	gpu->max_sm_clock = READ(DeviceGetMaxClockInfo, device, CLOCK_SM);
	gpu->max_memory_clock = READ(DeviceGetMaxClockInfo, device, CLOCK_MEMORY);
	gpu->fan = READ(DeviceGetFanSpeed, device);
	gpu->performance = READ(DeviceGetPerformanceState, device);
}

static void read_modes(struct gpu *gpu, device_t device)
{
	unsigned int now = 0, pending = 0;
	unsigned long long errors = 0;
	int major = 0, minor = 0, result;

	gpu->persistence = READ(DeviceGetPersistenceMode, device);
	gpu->display_active = READ(DeviceGetDisplayActive, device);
	gpu->display_mode = READ(DeviceGetDisplayMode, device);
	gpu->compute_mode = READ(DeviceGetComputeMode, device);
	result = nvml.DeviceGetEccMode(device, &now, &pending);
	gpu->ecc = reading(result, now);
	gpu->ecc_pending = reading(result, pending);
	result = nvml.DeviceGetTotalEccErrors(device, UNCORRECTED, VOLATILE, &errors);
	gpu->ecc_errors = reading(result, errors);
	result = nvml.DeviceGetMigMode(device, &now, &pending);
	gpu->mig = reading(result, now);
	result = nvml.DeviceGetCudaComputeCapability(device, &major, &minor);
	gpu->capability = reading(result, (unsigned int)major * 16 + (unsigned int)minor);
}

static int read_memory(struct gpu *gpu, device_t device)
{
	struct memory_v2 memory = { .version = MEMORY_V2 };
	struct memory old;
	int result = nvml.DeviceGetMemoryInfo_v2(device, &memory);

	if (result) {
		result = nvml.DeviceGetMemoryInfo(device, &old);
		memory.total = old.total;
		memory.used = old.used;
		memory.free = old.free;
	}
	gpu->total = memory.total;
	gpu->used = memory.used;
	gpu->free = memory.free;
	gpu->reserved = memory.reserved;
	return result;
}

static void read_processes(struct gpu *gpu, device_t device)
{
	struct user users[MAX_PROCESSES];
	unsigned int count = MAX_PROCESSES;

	if (nvml.DeviceGetComputeRunningProcesses_v3(device, &count, users))
		count = 0;
	gpu->process_count = count;
	for (unsigned int i = 0; i < count; i++) {
		struct process *process = &gpu->processes[i];

		process->pid = users[i].pid;
		process->used = users[i].used;
		if (nvml.SystemGetProcessName(process->pid, process->name, sizeof process->name))
			strcpy(process->name, "[Not Found]");
	}
}

static int read_gpu(struct gpu *gpu, unsigned int index)
{
	device_t device;
	struct pci pci;
	int result = nvml.DeviceGetHandleByIndex_v2(index, &device);

	memset(gpu, 0, sizeof *gpu);
	gpu->index = index;
	if (result)
		return result;
	if ((result = nvml.DeviceGetName(device, gpu->name, sizeof gpu->name)) ||
	    (result = nvml.DeviceGetUUID(device, gpu->uuid, sizeof gpu->uuid)) ||
	    (result = nvml.DeviceGetPciInfo_v3(device, &pci)) ||
	    (result = read_memory(gpu, device)))
		return result;
	memcpy(gpu->bus_id, pci.id, sizeof gpu->bus_id);
	gpu->bus_id[sizeof gpu->bus_id - 1] = 0;
	gpu->pci_domain = pci.domain;
	gpu->pci_bus = pci.bus;
	gpu->pci_device = pci.device;
	gpu->pci_device_id = pci.device_id;
	gpu->pci_subsystem_id = pci.subsystem_id;
	read_sensors(gpu, device);
	read_modes(gpu, device);
	read_processes(gpu, device);
	return 0;
}

int library_read(struct machine *machine)
{
	int result;

	memset(machine, 0, sizeof *machine);
	if ((result = nvml.SystemGetDriverVersion(machine->driver, sizeof machine->driver)) ||
	    (result = nvml.SystemGetNVMLVersion(machine->nvml, sizeof machine->nvml)) ||
	    (result = nvml.SystemGetCudaDriverVersion_v2(&machine->cuda)) ||
	    (result = nvml.DeviceGetCount_v2(&machine->gpu_count)))
		return complain("asking what there is", result);
	if (machine->gpu_count > MAX_GPUS)
		machine->gpu_count = MAX_GPUS;
	for (unsigned int i = 0; i < machine->gpu_count; i++) {
		result = read_gpu(&machine->gpus[i], i);
		if (result)
			return complain("asking a GPU", result);
	}
	return EXIT_OK;
}
