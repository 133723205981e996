// SPDX-License-Identifier: Apache-2.0
/* The linker: the host's, with this process's options, inputs and logs. */
#include <stdlib.h>
#include <string.h>

#include "calls.h"
#include "enter.h"
#include "gen/ops.h"
#include "image.h"
#include "jit.h"

/* The arrays of cuLinkCreate's options stay the program's and are written to as long as the linker lives. */
struct vg_linker {
	struct vg_object object;
	struct vg_jit jit;
	void *image;		/* linked, ends with the linker */
};
typedef struct vg_linker *CUlinkState;

/* What link_add and link_complete return beside their result. */
struct state {
	uint32_t wall_time, info_value, error_value, info_size, error_size;
};

/* Info log and error log in a row, size bytes; free() them. */
static int fetch_logs(struct vg_thread *t, const struct vg_linker *l, uint32_t size, uint8_t **out)
{
	uint8_t *logs = malloc(size);
	uint32_t have = 0;
	int result = logs ? 0 : CUDA_ERROR_OUT_OF_MEMORY;

	while (!result && have < size) {
		uint32_t got = size - have;

		result = vg_op_link_logs(t, l->object.number, have, logs + have, &got);
		if (!result && !got)
			result = VG_ERROR_PROTOCOL;
		have += got;
	}
	if (result)
		free(logs);
	else
		*out = logs;
	return result;
}

/* Stores what the options of cuLinkCreate return; the call's own result matters more than a failure here. */
static void take_state(struct vg_thread *t, struct vg_linker *l, const struct state *s, uint32_t size)
{
	struct vg_jit *j = &l->jit;
	uint8_t *logs;

	if (size < sizeof *s)
		return;
	if (j->wall_time_out)
		memcpy(j->wall_time_out, &s->wall_time, sizeof s->wall_time);
	if (j->info_size_out)
		*j->info_size_out = (void *)(uintptr_t)s->info_value;
	if (j->error_size_out)
		*j->error_size_out = (void *)(uintptr_t)s->error_value;
	if (s->info_size > j->info_size || s->error_size > j->error_size || !(s->info_size + s->error_size))
		return;
	if (fetch_logs(t, l, s->info_size + s->error_size, &logs))
		return;
	vg_jit_log(j->info, j->info_size, logs, s->info_size);
	vg_jit_log(j->error, j->error_size, logs + s->info_size, s->error_size);
	free(logs);
}

VG_EXPORT CUresult cuLinkCreate_v2(unsigned int count, int *options, void **values, CUlinkState *out)
{
	struct vg_linker *l;
	struct vg_thread *t;
	int result = vg_enter(&t);

	if (result)
		return result;
	if (!out)
		return CUDA_ERROR_INVALID_VALUE;
	l = vg_object_new(VG_LINKER, sizeof *l);
	if (!l)
		return CUDA_ERROR_OUT_OF_MEMORY;
	result = vg_jit_read(&l->jit, count, options, values);
	if (!result)
		result = vg_op_link_create(t, l->object.number, l->jit.count, l->jit.pairs, vg_jit_bytes(&l->jit));
	if (result)
		vg_object_end(l);
	else
		*out = l;
	return result;
}

VG_EXPORT CUresult cuLinkCreate(unsigned int count, int *options, void **values, CUlinkState *out)
{
	return cuLinkCreate_v2(count, options, values, out);
}

/* Options and name travel in one piece. */
static int add(struct vg_thread *t, struct vg_linker *l, uint32_t image, int type, const char *name,
	       const struct vg_jit *jit)
{
	uint32_t pairs = vg_jit_bytes(jit), length = (uint32_t)strnlen(name, 4096), size = sizeof(struct state);
	struct state state;
	uint8_t data[sizeof jit->pairs + 4096];
	int result;

	memcpy(data, jit->pairs, pairs);
	memcpy(data + pairs, name, length);
	result = vg_op_link_add(t, l->object.number, image, (uint32_t)type, jit->count, data, pairs + length, &state,
				&size);
	take_state(t, l, &state, size);
	return result;
}

static CUresult add_data(CUlinkState l, int type, const void *data, size_t size, const char *name, unsigned int count,
			 int *options, void **values)
{
	struct vg_thread *t;
	struct vg_jit jit;
	uint32_t image;
	int result = vg_enter(&t);

	if (!result)
		result = vg_number(VG_LINKER, l, &image);
	if (!result)
		result = vg_jit_read(&jit, count, options, values);
	if (result)
		return result;
	if (!data || !size)
		return CUDA_ERROR_INVALID_VALUE;
	result = vg_image_send(t, data, size, &image);
	if (!result)
		result = add(t, l, image, type, name ? name : "", &jit);
	vg_image_drop(t, image);
	return result;
}

VG_EXPORT CUresult cuLinkAddData_v2(CUlinkState linker, int type, void *data, size_t size, const char *name,
				    unsigned int count, int *options, void **values)
{
	return add_data(linker, type, data, size, name, count, options, values);
}

VG_EXPORT CUresult cuLinkAddData(CUlinkState linker, int type, void *data, size_t size, const char *name,
				 unsigned int count, int *options, void **values)
{
	return add_data(linker, type, data, size, name, count, options, values);
}

VG_EXPORT CUresult cuLinkAddFile_v2(CUlinkState linker, int type, const char *path, unsigned int count, int *options,
				    void **values)
{
	size_t size;
	void *data;
	int result = vg_process_ready();

	if (result)
		return result;
	if (!path)
		return CUDA_ERROR_INVALID_VALUE;
	result = vg_image_read(path, &data, &size);
	if (result)
		return result;
	result = add_data(linker, type, data, size, path, count, options, values);
	free(data);
	return result;
}

VG_EXPORT CUresult cuLinkAddFile(CUlinkState linker, int type, const char *path, unsigned int count, int *options,
				 void **values)
{
	return cuLinkAddFile_v2(linker, type, path, count, options, values);
}

static int fetch_image(struct vg_thread *t, struct vg_linker *l, uint64_t size)
{
	uint8_t *image = malloc(size ? size : 1);
	int result = image ? 0 : CUDA_ERROR_OUT_OF_MEMORY;

	for (uint64_t have = 0; !result && have < size;) {
		uint32_t got = size - have < VGPU_REP_DATA_MAX ? (uint32_t)(size - have) : VGPU_REP_DATA_MAX;

		result = vg_op_link_cubin(t, l->object.number, have, image + have, &got);
		if (!result && !got)
			result = VG_ERROR_PROTOCOL;
		have += got;
	}
	if (result) {
		free(image);
		return result;
	}
	free(l->image);
	l->image = image;
	return 0;
}

VG_EXPORT CUresult cuLinkComplete(CUlinkState l, void **image, size_t *size)
{
	uint32_t number, state_size = sizeof(struct state);
	struct state state;
	struct vg_thread *t;
	uint64_t bytes = 0;
	int result = vg_enter(&t);

	if (!result)
		result = vg_number(VG_LINKER, l, &number);
	if (result)
		return result;
	if (!image)
		return CUDA_ERROR_INVALID_VALUE;
	result = vg_op_link_complete(t, number, &bytes, &state, &state_size);
	take_state(t, l, &state, state_size);
	if (!result)
		result = fetch_image(t, l, bytes);
	if (result)
		return result;
	*image = l->image;
	if (size)
		*size = bytes;
	return CUDA_SUCCESS;
}

VG_EXPORT CUresult cuLinkDestroy(CUlinkState l)
{
	struct vg_thread *t;
	uint32_t number;
	int result = vg_enter(&t);

	if (!result)
		result = vg_number(VG_LINKER, l, &number);
	if (result)
		return result;
	result = vg_op_link_destroy(t, number);
	free(l->image);
	vg_object_end(l);
	return result;
}
