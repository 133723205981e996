// SPDX-License-Identifier: Apache-2.0
/* The processes of this domain on the device, with the numbers that the guest's kernel gave them. All of them compute. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "nvml.h"

#define NO_INSTANCE 0xffffffffu	/* of a GPU without partitions */

struct process {
	uint32_t pid;
	uint64_t used_memory;
};
_Static_assert(sizeof(struct process) == 16, "nvmlProcessInfo_v1_t");

struct process_v2 {
	uint32_t pid;
	uint64_t used_memory;
	uint32_t gpu_instance, compute_instance;
};
_Static_assert(sizeof(struct process_v2) == 24, "nvmlProcessInfo_v2_t");

/* Room for *count, which becomes how many there are; INSUFFICIENT_SIZE when that is more. */
static nvmlReturn_t take(nvmlDevice_t device, unsigned int *count, const void *room, struct vgpu_process *users)
{
	unsigned int there;
	nvmlReturn_t result = count ? vn_users(device, users, &there) : NVML_ERROR_INVALID_ARGUMENT;

	if (result)
		return result;
	if (there > *count)
		result = NVML_ERROR_INSUFFICIENT_SIZE;
	else if (there && !room)
		return NVML_ERROR_INVALID_ARGUMENT;
	*count = there;
	return result;
}

VN_EXPORT nvmlReturn_t nvmlDeviceGetComputeRunningProcesses(nvmlDevice_t device, unsigned int *count, struct process *infos)
{
	struct vgpu_process users[VGPU_MAX_CHANNELS];
	nvmlReturn_t result = take(device, count, infos, users);

	for (unsigned int i = 0; !result && i < *count; i++)
		infos[i] = (struct process){ .pid = users[i].pid, .used_memory = users[i].used_memory };
	return result;
}

VN_EXPORT nvmlReturn_t nvmlDeviceGetComputeRunningProcesses_v2(nvmlDevice_t device, unsigned int *count, struct process_v2 *infos)
{
	struct vgpu_process users[VGPU_MAX_CHANNELS];
	nvmlReturn_t result = take(device, count, infos, users);

	for (unsigned int i = 0; !result && i < *count; i++)
		infos[i] = (struct process_v2){ .pid = users[i].pid, .used_memory = users[i].used_memory,
						.gpu_instance = NO_INSTANCE, .compute_instance = NO_INSTANCE };
	return result;
}

VN_EXPORT nvmlReturn_t nvmlDeviceGetComputeRunningProcesses_v3(nvmlDevice_t device, unsigned int *count, struct process_v2 *infos)
{
	return nvmlDeviceGetComputeRunningProcesses_v2(device, count, infos);
}

struct detail {
	uint32_t pid;
	uint64_t used_memory;
	uint32_t gpu_instance, compute_instance;
	uint64_t used_protected_memory;
};
_Static_assert(sizeof(struct detail) == 32, "nvmlProcessDetail_v1_t");

struct detail_list {
	uint32_t version;
	uint32_t mode;
	uint32_t count;
	struct detail *details;
};
_Static_assert(sizeof(struct detail_list) == 24, "nvmlProcessDetailList_v1_t");

enum { MODE_COMPUTE = 0, MODE_GRAPHICS = 1, MODE_MPS = 2 };

VN_EXPORT nvmlReturn_t nvmlDeviceGetRunningProcessDetailList(nvmlDevice_t device, struct detail_list *list)
{
	struct vgpu_process users[VGPU_MAX_CHANNELS];
	nvmlReturn_t result;

	if (!list)
		return NVML_ERROR_INVALID_ARGUMENT;
	if (list->version != VN_VERSION(struct detail_list, 1))
		return NVML_ERROR_ARGUMENT_VERSION_MISMATCH;
	if (list->mode > MODE_MPS)
		return NVML_ERROR_INVALID_ARGUMENT;
	if (list->mode != MODE_COMPUTE)
		return vn_constant(device, &list->count, 0);
	result = take(device, &list->count, list->details, users);
	for (unsigned int i = 0; !result && i < list->count; i++)
		list->details[i] = (struct detail){ .pid = users[i].pid, .used_memory = users[i].used_memory,
						    .gpu_instance = NO_INSTANCE, .compute_instance = NO_INSTANCE };
	return result;
}

/* No process draws here, and none goes through MPS. */
#define NONE(name) \
	VN_EXPORT nvmlReturn_t name(nvmlDevice_t device, unsigned int *count, void *infos) \
	{ \
		(void)infos; \
		return vn_constant(device, count, 0); \
	}

NONE(nvmlDeviceGetGraphicsRunningProcesses)
NONE(nvmlDeviceGetGraphicsRunningProcesses_v2)
NONE(nvmlDeviceGetGraphicsRunningProcesses_v3)
NONE(nvmlDeviceGetMPSComputeRunningProcesses)
NONE(nvmlDeviceGetMPSComputeRunningProcesses_v2)
NONE(nvmlDeviceGetMPSComputeRunningProcesses_v3)

/* The first word of the command line. */
VN_EXPORT nvmlReturn_t nvmlSystemGetProcessName(unsigned int pid, char *name, unsigned int size)
{
	struct vn_view view;
	nvmlReturn_t result = vn_view(&view);
	char path[32], text[1024];
	ssize_t n;
	int fd;

	if (result)
		return result;
	if (!name || !size)
		return NVML_ERROR_INVALID_ARGUMENT;
	snprintf(path, sizeof path, "/proc/%u/cmdline", pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return errno == EACCES ? NVML_ERROR_NO_PERMISSION : NVML_ERROR_NOT_FOUND;
	n = read(fd, text, sizeof text - 1);
	close(fd);
	if (n <= 0)
		return NVML_ERROR_NOT_FOUND;
	text[n] = 0;
	snprintf(name, size, "%s", text);	/* cut to what there is room for, as the driver does */
	return NVML_SUCCESS;
}
