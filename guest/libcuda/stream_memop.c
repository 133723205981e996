// SPDX-License-Identifier: Apache-2.0
/*
 * Stream memory operations: a stream writes a word, or waits for one. They are
 * posted, so what the driver refuses at once is refused here. A wait holds its
 * stream only; the executor goes on, and takes the record that ends the wait.
 */
#include <string.h>

#include "calls.h"
#include "description.h"
#include "enter.h"
#include "gen/ops.h"
#include "memory.h"

#define WAIT_CONDITION	3u
#define WAIT_NOR	3u
#define WAIT_FLUSH	(1u << 30)
#define BARRIER_FLAGS	1u	/* of the GPU only */
#define BATCH_MAX	255u

enum { OP_WAIT32 = 1, OP_WRITE32, OP_FLUSH, OP_WAIT64, OP_WRITE64, OP_BARRIER };

/* what a device can: CUdevice_attribute, of the first version of these calls and of the second */
struct support {
	int calls, wide, nor;
};
static const struct support first = { 92, 93, 94 }, second = { 0, 122, 123 };
#define ATTRIBUTE_CAN_FLUSH 98

/* CUstreamBatchMemOpParams; flush and barrier have their flags behind the operation */
struct memop {
	uint32_t operation;
	uint32_t flags_of_others;
	uint64_t address;
	uint64_t value;
	uint32_t flags;
	uint32_t pad;
	uint64_t alias;		/* the driver's own */
	uint64_t unused;
};
_Static_assert(sizeof(struct memop) == 48, "CUstreamBatchMemOpParams");

static bool has(int attribute)
{
	int value = 0;

	return !attribute || (!vg_description_attribute(vg_process.description, attribute, &value) && value);
}

static int check_word(uint64_t address, bool wide, const struct support *with)
{
	uint64_t size = wide ? 8 : 4;

	if (wide && !has(with->wide))
		return CUDA_ERROR_NOT_SUPPORTED;
	if (address % size)
		return CUDA_ERROR_INVALID_VALUE;
	if (!vg_device_range(address, size) && !vg_pinned_range((const void *)(uintptr_t)address, size))
		return CUDA_ERROR_INVALID_VALUE;
	return 0;
}

static int check_wait(uint64_t address, uint32_t flags, bool wide, const struct support *with)
{
	if (flags & ~(WAIT_CONDITION | WAIT_FLUSH))
		return CUDA_ERROR_INVALID_VALUE;
	if ((flags & WAIT_FLUSH) && !has(ATTRIBUTE_CAN_FLUSH))
		return CUDA_ERROR_NOT_SUPPORTED;
	if ((flags & WAIT_CONDITION) == WAIT_NOR && !has(with->nor))
		return CUDA_ERROR_NOT_SUPPORTED;
	return check_word(address, wide, with);
}

/* The one flag, a write without a barrier, is refused by driver 580: measured. */
static int check_write(uint64_t address, uint32_t flags, bool wide, const struct support *with)
{
	return flags ? CUDA_ERROR_INVALID_VALUE : check_word(address, wide, with);
}

static int begin(CUstream handle, bool per_thread, const struct support *with, struct vg_thread **t,
		 struct vg_stream **s)
{
	int result = vg_enter(t);

	if (!result && !has(with->calls))
		result = CUDA_ERROR_NOT_SUPPORTED;
	return result ? result : vg_stream_get(*t, handle, per_thread, s);
}

/* The four entry points of one operation: both versions, each for both sorts of default stream. */
#define MEMOP(name, op, type, check, wide)                                                                             \
	static CUresult post_##op(CUstream handle, uint64_t address, type value, uint32_t flags, bool per_thread,      \
				  const struct support *with)                                                          \
	{                                                                                                              \
		struct vg_stream *s;                                                                                   \
		struct vg_thread *t;                                                                                   \
		int result = begin(handle, per_thread, with, &t, &s);                                                  \
                                                                                                                       \
		if (!result)                                                                                           \
			result = check(address, flags, wide, with);                                                    \
		if (!result)                                                                                           \
			result = vg_op_##op(t, s->object.number, address, value, flags);                               \
		if (!result)                                                                                           \
			vg_stream_busy(s);                                                                             \
		return result;                                                                                         \
	}                                                                                                              \
	VG_EXPORT CUresult name(CUstream stream, CUdeviceptr address, type value, unsigned int flags)                  \
	{                                                                                                              \
		return post_##op(stream, address, value, flags, false, &first);                                        \
	}                                                                                                              \
	VG_EXPORT CUresult name##_ptsz(CUstream stream, CUdeviceptr address, type value, unsigned int flags)           \
	{                                                                                                              \
		return post_##op(stream, address, value, flags, true, &first);                                         \
	}                                                                                                              \
	VG_EXPORT CUresult name##_v2(CUstream stream, CUdeviceptr address, type value, unsigned int flags)             \
	{                                                                                                              \
		return post_##op(stream, address, value, flags, false, &second);                                       \
	}                                                                                                              \
	VG_EXPORT CUresult name##_v2_ptsz(CUstream stream, CUdeviceptr address, type value, unsigned int flags)        \
	{                                                                                                              \
		return post_##op(stream, address, value, flags, true, &second);                                        \
	}

MEMOP(cuStreamWaitValue32, stream_wait_value32, uint32_t, check_wait, false)
MEMOP(cuStreamWaitValue64, stream_wait_value64, uint64_t, check_wait, true)
MEMOP(cuStreamWriteValue32, stream_write_value32, uint32_t, check_write, false)
MEMOP(cuStreamWriteValue64, stream_write_value64, uint64_t, check_write, true)

static int check_operation(const struct memop *o, const struct support *with)
{
	switch (o->operation) {
	case OP_WAIT32:
	case OP_WAIT64:
		return check_wait(o->address, o->flags, o->operation == OP_WAIT64, with);
	case OP_WRITE32:
	case OP_WRITE64:
		return check_write(o->address, o->flags, o->operation == OP_WRITE64, with);
	case OP_FLUSH:
		if (o->flags_of_others)
			return CUDA_ERROR_INVALID_VALUE;
		return has(ATTRIBUTE_CAN_FLUSH) ? 0 : CUDA_ERROR_NOT_SUPPORTED;
	case OP_BARRIER:
		return with == &second && !(o->flags_of_others & ~BARRIER_FLAGS) ? 0 : CUDA_ERROR_INVALID_VALUE;
	}
	return CUDA_ERROR_INVALID_VALUE;
}

static CUresult batch(CUstream handle, unsigned int count, const struct memop *operations, unsigned int flags,
		      bool per_thread, const struct support *with)
{
	struct vg_stream *s;
	struct vg_thread *t;
	int result = begin(handle, per_thread, with, &t, &s);

	if (result)
		return result;
	if (count > BATCH_MAX || flags || (count && !operations))
		return CUDA_ERROR_INVALID_VALUE;
	for (unsigned int i = 0; i < count && !result; i++)
		result = check_operation(&operations[i], with);
	if (result || !count)
		return result;
	result = vg_op_stream_batch_mem_op(t, s->object.number, count, flags, operations,
					   count * (uint32_t)sizeof *operations);
	if (!result)
		vg_stream_busy(s);
	return result;
}

VG_EXPORT CUresult cuStreamBatchMemOp(CUstream stream, unsigned int count, struct memop *operations, unsigned int flags)
{
	return batch(stream, count, operations, flags, false, &first);
}

VG_EXPORT CUresult cuStreamBatchMemOp_ptsz(CUstream stream, unsigned int count, struct memop *operations,
					   unsigned int flags)
{
	return batch(stream, count, operations, flags, true, &first);
}

VG_EXPORT CUresult cuStreamBatchMemOp_v2(CUstream stream, unsigned int count, struct memop *operations,
					 unsigned int flags)
{
	return batch(stream, count, operations, flags, false, &second);
}

VG_EXPORT CUresult cuStreamBatchMemOp_v2_ptsz(CUstream stream, unsigned int count, struct memop *operations,
					      unsigned int flags)
{
	return batch(stream, count, operations, flags, true, &second);
}
