// SPDX-License-Identifier: Apache-2.0
/*
 * Parts of the device. A CUdevResource is opaque but for its type and counts; here it
 * holds the number by which the executor knows the driver's own.
 */
#include <string.h>

#include "calls.h"
#include "context.h"
#include "enter.h"
#include "gen/ops.h"
#include "green.h"

#define TYPE_MULTIPROCESSORS	1u
#define PARTS_MAX		250u

/* CUdevResource */
struct resource {
	unsigned int type;
	uint32_t number;	/* 0: none of ours */
	unsigned char reserved[88];
	unsigned int multiprocessors, partition, alignment;
	unsigned char unused[36];
};
_Static_assert(sizeof(struct resource) == 144 && offsetof(struct resource, multiprocessors) == 96, "CUdevResource");

/* What comes of one from the executor. */
struct answer {
	uint32_t number, multiprocessors, partition, alignment;
};

static void fill(struct resource *r, const struct answer *a)
{
	*r = (struct resource){
		.type = a->number ? TYPE_MULTIPROCESSORS : 0,
		.number = a->number,
		.multiprocessors = a->multiprocessors,
		.partition = a->partition,
		.alignment = a->alignment,
	};
}

static int finish(int result, struct resource *r, const struct answer *a)
{
	if (!result)
		fill(r, a);
	return result;
}

/* Before every query: started, a place for the answer, a type that there is. */
static int begin(struct vg_thread **t, const struct resource *r, unsigned int type)
{
	int result = vg_enter_library(t);

	if (result)
		return result;
	if (!r)
		return CUDA_ERROR_INVALID_VALUE;
	return type == TYPE_MULTIPROCESSORS ? 0 : CUDA_ERROR_INVALID_RESOURCE_TYPE;
}

VG_EXPORT CUresult cuDeviceGetDevResource(CUdevice device, struct resource *r, unsigned int type)
{
	struct answer a = { 0 };
	struct vg_thread *t;
	int result = begin(&t, r, type);

	if (!result && (device < 0 || device >= vg_process.device_count))
		result = CUDA_ERROR_INVALID_DEVICE;
	return result ? result : finish(vg_op_device_resource(t, type, &a), r, &a);
}

VG_EXPORT CUresult cuCtxGetDevResource(CUcontext context, struct resource *r, unsigned int type)
{
	struct answer a = { 0 };
	struct vg_thread *t;
	int result = begin(&t, r, type);

	if (!result && !vg_context_find(context))
		result = CUDA_ERROR_INVALID_CONTEXT;
	if (!result && !atomic_load(&context->retained))
		result = CUDA_ERROR_CONTEXT_IS_DESTROYED;
	return result ? result : finish(vg_op_ctx_resource(t, context->object.number, type, &a), r, &a);
}

VG_EXPORT CUresult cuGreenCtxGetDevResource(CUgreenCtx green, struct resource *r, unsigned int type)
{
	struct answer a = { 0 };
	struct vg_thread *t;
	uint32_t number;
	int result = begin(&t, r, type);

	if (!result && (vg_number(VG_GREEN, green, &number) || !atomic_load(&green->context->retained)))
		result = CUDA_ERROR_INVALID_CONTEXT;
	return result ? result : finish(vg_op_green_resource(t, number, type, &a), r, &a);
}

VG_EXPORT CUresult cuDevSmResourceSplitByCount(struct resource *parts, unsigned int *groups,
					       const struct resource *input, struct resource *remaining,
					       unsigned int flags, unsigned int minimum)
{
	struct answer answers[PARTS_MAX + 1] = { { 0 } };
	uint32_t made = 0, size = sizeof answers, wanted;
	struct vg_thread *t;
	int result = vg_enter_library(&t);

	if (result)
		return result;
	if (!groups || !input || (parts && !*groups))
		return CUDA_ERROR_INVALID_VALUE;
	if (input->type != TYPE_MULTIPROCESSORS)
		return CUDA_ERROR_INVALID_RESOURCE_TYPE;
	wanted = !parts ? 0 : *groups < PARTS_MAX ? *groups : PARTS_MAX;
	result = vg_op_resource_split(t, input->number, wanted, flags, minimum, &made, answers, &size);
	if (result)
		return result;
	if (parts)
		made = made < wanted ? made : wanted;
	for (uint32_t i = 0; parts && i < made; i++)
		fill(&parts[i], &answers[i]);
	if (remaining)
		fill(remaining, &answers[parts ? made : 0]);
	*groups = made;
	return CUDA_SUCCESS;
}

/* A CUdevResourceDesc; there is no call that ends one. */
struct desc {
	struct vg_object object;
};

VG_EXPORT CUresult cuDevResourceGenerateDesc(struct desc **out, const struct resource *resources, unsigned int count)
{
	uint32_t numbers[PARTS_MAX];
	struct vg_thread *t;
	struct desc *d;
	int result = vg_enter_library(&t);

	if (result)
		return result;
	if (!out || !resources || !count || count > PARTS_MAX)
		return CUDA_ERROR_INVALID_VALUE;
	for (unsigned int i = 0; i < count; i++) {
		if (resources[i].type != TYPE_MULTIPROCESSORS)
			return CUDA_ERROR_INVALID_RESOURCE_TYPE;
		numbers[i] = resources[i].number;
	}
	d = vg_object_new(VG_DESC, sizeof *d);
	if (!d)
		return CUDA_ERROR_OUT_OF_MEMORY;
	result = vg_op_resource_describe(t, d->object.number, numbers, count * (uint32_t)sizeof numbers[0]);
	if (result)
		vg_object_end(d);
	else
		*out = d;
	return result;
}
