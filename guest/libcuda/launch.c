// SPDX-License-Identifier: Apache-2.0
/*
 * Kernel launches. The parameters are packed straight into the record; what the driver would
 * refuse at once is refused here with its code.
 */
#include <string.h>

#include "calls.h"
#include "enter.h"
#include "gen/ops.h"
#include "module.h"
#include "params.h"
#include "stream.h"

#define ATTRIBUTE_BYTES	72u
#define ATTRIBUTES_MAX	16u
enum { ATTRIBUTE_IGNORE = 0, ATTRIBUTE_COOPERATIVE = 2, ATTRIBUTE_CLUSTER = 4, ATTRIBUTE_CLUSTER_SCHEDULING = 5,
       ATTRIBUTE_SERIALIZATION = 6, ATTRIBUTE_PROGRAMMATIC_EVENT = 7, ATTRIBUTE_PRIORITY = 8,
       ATTRIBUTE_COMPLETION_EVENT = 12, ATTRIBUTE_UPDATABLE_NODE = 13, ATTRIBUTE_CARVEOUT = 14 };
#define CLUSTER_SCHEDULING_MAX	2
#define CLUSTER_PORTABLE	8u	/* blocks that every GPU with clusters takes */

enum { FUNCTION_MAX_THREADS = 0, FUNCTION_MAX_DYNAMIC_SHARED = 8 };
enum { DEVICE_MAX_THREADS = 1, DEVICE_MAX_BLOCK_X, DEVICE_MAX_BLOCK_Y, DEVICE_MAX_BLOCK_Z, DEVICE_MAX_GRID_X,
       DEVICE_MAX_GRID_Y, DEVICE_MAX_GRID_Z, DEVICE_CLUSTER_LAUNCH = 120 };

struct shape {
	unsigned int gx, gy, gz, bx, by, bz, shared;
};

static bool above(unsigned int value, int attribute)
{
	return value > (unsigned int)vg_process.description->attributes[attribute].value;
}

static uint64_t threads_of(const struct shape *s)
{
	return (uint64_t)s->bx * s->by * s->bz;
}

static int check_shape(const struct shape *s)
{
	uint64_t threads = threads_of(s);

	if (!s->gx || !s->gy || !s->gz || !threads)
		return CUDA_ERROR_INVALID_VALUE;
	if (above(s->gx, DEVICE_MAX_GRID_X) || above(s->gy, DEVICE_MAX_GRID_Y) || above(s->gz, DEVICE_MAX_GRID_Z) ||
	    above(s->bx, DEVICE_MAX_BLOCK_X) || above(s->by, DEVICE_MAX_BLOCK_Y) || above(s->bz, DEVICE_MAX_BLOCK_Z) ||
	    threads > (uint64_t)vg_process.description->attributes[DEVICE_MAX_THREADS].value)
		return CUDA_ERROR_INVALID_VALUE;
	return 0;
}

static bool threads_fit(const struct vg_function *f, const struct shape *s)
{
	return threads_of(s) <= (uint64_t)atomic_load_explicit(&f->attributes[FUNCTION_MAX_THREADS], memory_order_relaxed);
}

/* The block has no more threads and shared memory than the function may. */
static bool block_fits(const struct vg_function *f, const struct shape *s)
{
	return threads_fit(f, s) &&
	       s->shared <= (unsigned int)atomic_load_explicit(&f->attributes[FUNCTION_MAX_DYNAMIC_SHARED], memory_order_relaxed);
}

/*
 * A kernel may have been compiled for blocks of one shape exactly (.reqntid, as Triton does); no attribute tells which.
 * So the driver answers a function's first launch, and the next with another shape: if it takes two, it takes all.
 */
#define ANY_BLOCK UINT32_MAX

static uint32_t block_of(const struct shape *s)
{
	return s->bx | s->by << 11 | s->bz << 22;
}

static bool block_is_taken(const struct vg_function *f, const struct shape *s)
{
	uint32_t taken = atomic_load_explicit(&f->taken, memory_order_relaxed);

	return taken == ANY_BLOCK || taken == block_of(s);
}

static void take_block(struct vg_function *f, const struct shape *s)
{
	uint32_t taken = 0;

	if (!atomic_compare_exchange_strong(&f->taken, &taken, block_of(s)) && taken != block_of(s))
		atomic_store(&f->taken, ANY_BLOCK);
}

/* launch and launch_kernel have one layout. */
_Static_assert(sizeof(struct vg_rec_launch) == sizeof(struct vg_rec_launch_kernel), "launch records");

static int post_launch(struct vg_thread *t, const struct vg_function *f, const struct shape *s, struct vg_stream *stream,
		       void **params, void **extra)
{
	uint16_t opcode = f->object.kind == VG_KERNEL ? VG_OP_LAUNCH_KERNEL : VG_OP_LAUNCH;
	struct vg_rec_launch *r = vg_reserve(t, opcode, sizeof *r + f->bytes);

	if (!r)
		return vg_channel_error(t);
	r->f = f->object.number;
	r->gx = s->gx;
	r->gy = s->gy;
	r->gz = s->gz;
	r->bx = s->bx;
	r->by = s->by;
	r->bz = s->bz;
	r->shared = s->shared;
	r->s = stream->object.number;
	vg_params_pack(f, (uint8_t *)(r + 1), params, extra);
	vg_commit(t, &r->h);
	return vg_stream_launched(t, stream);
}

/* A launch with count attributes before the packed parameters; what the driver may refuse is its own to say, not a later wait's. */
static int launch_attributed(struct vg_thread *t, struct vg_function *f, const struct shape *s, struct vg_stream *stream,
			     unsigned int count, const uint8_t *data, bool sure)
{
	int result = (sure ? vg_op_launch_ex : vg_op_launch_answered)(
		t, f->object.number, vg_function_kind(f), s->gx, s->gy, s->gz, s->bx, s->by, s->bz, s->shared,
		stream->object.number, count, data, count * ATTRIBUTE_BYTES + f->bytes);

	if (result)
		return result;
	if (!sure)
		take_block(f, s);
	return vg_stream_launched(t, stream);
}

/* Room for a launch's attributes and parameters. */
#define ATTRIBUTED(name, f, count) uint8_t name[(count) * ATTRIBUTE_BYTES + (f)->bytes + 1]

static int launch_answered(struct vg_thread *t, struct vg_function *f, const struct shape *s, struct vg_stream *stream,
			   void **params, void **extra)
{
	ATTRIBUTED(data, f, 0);

	vg_params_pack(f, data, params, extra);
	return launch_attributed(t, f, s, stream, 0, data, false);
}

/* All that is refused without asking how much a block of the function may have. */
static int prepare(CUfunction f, const struct shape *s, CUstream handle, void **params, void **extra, bool per_thread,
		   struct vg_thread **t, struct vg_stream **stream, struct vg_loan *loan)
{
	int result = vg_enter_stream(t, handle, loan);

	if (__builtin_expect(result != 0, 0))
		return result;
	vg_ring_fetch((*t)->channel);
	result = vg_function_check(f);
	if (!result)
		result = vg_stream_get(*t, handle, per_thread, stream);
	if (!result && f->context && f->context != (*stream)->context->base)
		result = CUDA_ERROR_INVALID_HANDLE;
	if (!result)
		result = check_shape(s);
	return result ? result : vg_params_check(f, params, extra);
}

static CUresult launch(CUfunction f, const struct shape *s, CUstream handle, void **params, void **extra, bool per_thread)
{
	struct vg_stream *stream;
	struct vg_thread *t;
	VG_LOAN loan = { 0 };
	int result = prepare(f, s, handle, params, extra, per_thread, &t, &stream, &loan);

	if (result)
		return result;
	if (!block_fits(f, s))
		return CUDA_ERROR_INVALID_VALUE;
	return __builtin_expect(block_is_taken(f, s), 1) ? post_launch(t, f, s, stream, params, extra) :
							   launch_answered(t, f, s, stream, params, extra);
}

VG_EXPORT CUresult cuLaunchKernel(CUfunction f, unsigned int gx, unsigned int gy, unsigned int gz, unsigned int bx,
				  unsigned int by, unsigned int bz, unsigned int shared, CUstream stream, void **params,
				  void **extra)
{
	return launch(f, &(struct shape){ gx, gy, gz, bx, by, bz, shared }, stream, params, extra, false);
}

VG_EXPORT CUresult cuLaunchKernel_ptsz(CUfunction f, unsigned int gx, unsigned int gy, unsigned int gz, unsigned int bx,
				       unsigned int by, unsigned int bz, unsigned int shared, CUstream stream,
				       void **params, void **extra)
{
	return launch(f, &(struct shape){ gx, gy, gz, bx, by, bz, shared }, stream, params, extra, true);
}

/*
 * Of blocks with too many threads none can be; of those with too much shared memory too few fit (measured, driver 580).
 * Green contexts have fewer multiprocessors, and a captured launch is looked at when its graph
 * is instantiated: both are left to the driver.
 */
static int check_together(const struct vg_thread *t, struct vg_function *f, const struct shape *s,
			  const struct vg_stream *stream)
{
	if (t->current->base->greens || atomic_load_explicit(&stream->capture, memory_order_relaxed))
		return 0;
	if (!threads_fit(f, s))
		return CUDA_ERROR_INVALID_VALUE;
	if (!block_fits(f, s))
		return CUDA_ERROR_COOPERATIVE_LAUNCH_TOO_LARGE;
	return vg_blocks_together(f, (uint64_t)s->gx * s->gy * s->gz, (int)(s->bx * s->by * s->bz), s->shared);
}

static CUresult cooperative(CUfunction f, const struct shape *s, CUstream handle, void **params, bool per_thread)
{
	struct vg_stream *stream;
	struct vg_thread *t;
	VG_LOAN loan = { 0 };
	int result = prepare(f, s, handle, params, NULL, per_thread, &t, &stream, &loan);

	if (!result)
		result = check_together(t, f, s, stream);
	if (result)
		return result;

	ATTRIBUTED(data, f, 1);
	const uint32_t attribute[] = { ATTRIBUTE_COOPERATIVE, 0, true };

	memset(data, 0, ATTRIBUTE_BYTES);
	memcpy(data, attribute, sizeof attribute);
	vg_params_pack(f, data + ATTRIBUTE_BYTES, params, NULL);
	if (!block_is_taken(f, s) || !block_fits(f, s))
		return launch_attributed(t, f, s, stream, 1, data, false);
	result = vg_op_launch_cooperative(t, f->object.number, vg_function_kind(f), s->gx, s->gy, s->gz, s->bx, s->by,
					  s->bz, s->shared, stream->object.number, data + ATTRIBUTE_BYTES, f->bytes);
	return result ? result : vg_stream_launched(t, stream);
}

VG_EXPORT CUresult cuLaunchCooperativeKernel(CUfunction f, unsigned int gx, unsigned int gy, unsigned int gz,
					     unsigned int bx, unsigned int by, unsigned int bz, unsigned int shared,
					     CUstream stream, void **params)
{
	return cooperative(f, &(struct shape){ gx, gy, gz, bx, by, bz, shared }, stream, params, false);
}

VG_EXPORT CUresult cuLaunchCooperativeKernel_ptsz(CUfunction f, unsigned int gx, unsigned int gy, unsigned int gz,
						  unsigned int bx, unsigned int by, unsigned int bz,
						  unsigned int shared, CUstream stream, void **params)
{
	return cooperative(f, &(struct shape){ gx, gy, gz, bx, by, bz, shared }, stream, params, true);
}

/* Handles inside attribute values become numbers. */
static int translate_attribute(uint8_t *attribute)
{
	uint32_t id, number = 0;
	void *handle;
	int result;

	memcpy(&id, attribute, sizeof id);
	if (id == ATTRIBUTE_UPDATABLE_NODE)
		return CUDA_ERROR_NOT_SUPPORTED;
	if (id != ATTRIBUTE_PROGRAMMATIC_EVENT && id != ATTRIBUTE_COMPLETION_EVENT)
		return 0;
	memcpy(&handle, attribute + 8, sizeof handle);
	result = vg_number(VG_EVENT, handle, &number);
	memset(attribute + 8, 0, sizeof handle);
	memcpy(attribute + 8, &number, sizeof number);
	return result;
}

/* All blocks together, and none of them in clusters, of which other numbers fit. */
static bool is_cooperative(const void *list, unsigned int count)
{
	const uint8_t *attributes = list;
	bool together = false;

	for (unsigned int i = 0; i < count; i++) {
		uint32_t id, value;

		memcpy(&id, attributes + (size_t)i * ATTRIBUTE_BYTES, sizeof id);
		memcpy(&value, attributes + (size_t)i * ATTRIBUTE_BYTES + 8, sizeof value);
		if (id == ATTRIBUTE_CLUSTER)
			return false;
		if (id == ATTRIBUTE_COOPERATIVE)
			together = value != 0;
	}
	return together;
}

/* The function was compiled for clusters of its own. */
static bool has_clusters(const struct vg_function *f)
{
	enum { CLUSTER_MUST_BE_SET = 10, REQUIRED_DEPTH = 13 };

	for (int i = CLUSTER_MUST_BE_SET; i <= REQUIRED_DEPTH; i++) {
		int value = atomic_load_explicit(&f->attributes[i], memory_order_relaxed);

		if (value && value != VG_NO_ATTRIBUTE)
			return true;
	}
	return false;
}

static bool cluster_fits(const struct vg_function *f, const struct shape *s, const uint32_t cluster[3])
{
	uint64_t blocks = (uint64_t)cluster[0] * cluster[1] * cluster[2];

	return vg_process.description->attributes[DEVICE_CLUSTER_LAUNCH].value == 1 && !has_clusters(f) && blocks &&
	       blocks <= CLUSTER_PORTABLE && s->gx % cluster[0] == 0 && s->gy % cluster[1] == 0 && s->gz % cluster[2] == 0;
}

/* The driver takes the attribute, whatever else it knows of the launch. */
static bool surely_taken(const struct vg_function *f, const struct shape *s, const uint8_t *attribute)
{
	uint32_t id, value[3];

	memcpy(&id, attribute, sizeof id);
	memcpy(value, attribute + 8, sizeof value);
	switch (id) {
	case ATTRIBUTE_IGNORE:
	case ATTRIBUTE_PRIORITY:
		return true;
	case ATTRIBUTE_COOPERATIVE:
	case ATTRIBUTE_SERIALIZATION:
		return value[0] <= 1;
	case ATTRIBUTE_CLUSTER:
		return cluster_fits(f, s, value);
	case ATTRIBUTE_CLUSTER_SCHEDULING:
		return value[0] <= CLUSTER_SCHEDULING_MAX;
	case ATTRIBUTE_CARVEOUT:
		return (int32_t)value[0] >= -1 && (int32_t)value[0] <= 100;
	}
	return false;
}

static CUresult launch_ex(const CUlaunchConfig *c, CUfunction f, void **params, void **extra, bool per_thread)
{
	struct vg_stream *stream;
	struct vg_thread *t;
	VG_LOAN loan = { 0 };
	struct shape s;
	bool sure, together;
	int result;

	if (!c || c->numAttrs > ATTRIBUTES_MAX || (c->numAttrs && !c->attrs))
		return CUDA_ERROR_INVALID_VALUE;
	s = (struct shape){ c->gridDimX, c->gridDimY, c->gridDimZ, c->blockDimX, c->blockDimY, c->blockDimZ,
			    c->sharedMemBytes };
	result = prepare(f, &s, c->hStream, params, extra, per_thread, &t, &stream, &loan);
	if (result)
		return result;
	together = is_cooperative(c->attrs, c->numAttrs);
	if (!together && !block_fits(f, &s))
		return CUDA_ERROR_INVALID_VALUE;
	sure = block_is_taken(f, &s) && block_fits(f, &s);
	if (!c->numAttrs && sure)
		return post_launch(t, f, &s, stream, params, extra);

	size_t attributes = (size_t)c->numAttrs * ATTRIBUTE_BYTES;
	ATTRIBUTED(data, f, c->numAttrs);

	if (attributes)
		memcpy(data, c->attrs, attributes);
	for (unsigned int i = 0; i < c->numAttrs && !result; i++) {
		sure = sure && surely_taken(f, &s, data + (size_t)i * ATTRIBUTE_BYTES);
		result = translate_attribute(data + (size_t)i * ATTRIBUTE_BYTES);
	}
	if (!result && together)
		result = check_together(t, f, &s, stream);
	if (result)
		return result;
	vg_params_pack(f, data + attributes, params, extra);
	return launch_attributed(t, f, &s, stream, c->numAttrs, data, sure);
}

VG_EXPORT CUresult cuLaunchKernelEx(const CUlaunchConfig *config, CUfunction f, void **params, void **extra)
{
	return launch_ex(config, f, params, extra, false);
}

VG_EXPORT CUresult cuLaunchKernelEx_ptsz(const CUlaunchConfig *config, CUfunction f, void **params, void **extra)
{
	return launch_ex(config, f, params, extra, true);
}
