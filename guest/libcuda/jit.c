// SPDX-License-Identifier: Apache-2.0
#include "jit.h"

#include <string.h>

#include "abi.h"

/* CUjit_option ids that return something */
enum { WALL_TIME = 2, INFO_LOG, INFO_SIZE, ERROR_LOG, ERROR_SIZE };

int vg_jit_read(struct vg_jit *j, unsigned int count, const int *options, void **values)
{
	memset(j, 0, sizeof *j);
	if (count > VG_JIT_OPTIONS_MAX || (count && (!options || !values)))
		return CUDA_ERROR_INVALID_VALUE;
	for (unsigned int i = 0; i < count; i++) {
		uint32_t value = (uint32_t)(uintptr_t)values[i];

		switch (options[i]) {
		case INFO_LOG:
			j->info = values[i];
			continue;
		case ERROR_LOG:
			j->error = values[i];
			continue;
		case INFO_SIZE:
			j->info_size = value;
			j->info_size_out = &values[i];
			break;
		case ERROR_SIZE:
			j->error_size = value;
			j->error_size_out = &values[i];
			break;
		case WALL_TIME:
			j->wall_time_out = &values[i];
			break;
		}
		j->pairs[2 * j->count] = (uint32_t)options[i];
		j->pairs[2 * j->count++ + 1] = value;
	}
	return 0;
}

void vg_jit_keep_time(struct vg_jit *j)
{
	uint32_t kept = 0;

	for (uint32_t i = 0; i < j->count; i++) {
		if (j->pairs[2 * i] == WALL_TIME)
			continue;
		j->pairs[2 * kept] = j->pairs[2 * i];
		j->pairs[2 * kept++ + 1] = j->pairs[2 * i + 1];
	}
	j->count = kept;
}

void vg_jit_log(char *to, uint32_t room, const void *text, uint32_t size)
{
	if (!to || !room)
		return;
	if (size >= room)
		size = room - 1;
	memcpy(to, text, size);
	to[size] = 0;
}

void vg_jit_logs(const struct vg_jit *j, const uint8_t *logs, uint32_t size)
{
	uint32_t info, error;

	if (size < 8)
		return;
	memcpy(&info, logs, 4);
	memcpy(&error, logs + 4, 4);
	if (info > size - 8 || error > size - 8 - info)
		return;
	if (j->info_size_out)
		*j->info_size_out = (void *)(uintptr_t)info;
	if (j->error_size_out)
		*j->error_size_out = (void *)(uintptr_t)error;
	vg_jit_log(j->info, j->info_size, logs + 8, info);
	vg_jit_log(j->error, j->error_size, logs + 8 + info, error);
}
