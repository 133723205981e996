// SPDX-License-Identifier: Apache-2.0
/* Attributes of streams. All but how to wait are the driver's to keep. */
#include <string.h>

#include "calls.h"
#include "enter.h"
#include "gen/ops.h"

#define VALUE_SIZE 64u	/* CUlaunchAttributeValue */

enum { SYNCHRONIZATION_POLICY = 3, PRIORITY = 8 };
enum { POLICY_UNSET = -1, POLICY_AUTO = 1, POLICY_BLOCKING = 4 };

static int find(struct vg_thread **t, CUstream handle, bool per_thread, struct vg_stream **s)
{
	int result = vg_enter(t);

	return result ? result : vg_stream_find(*t, handle, per_thread, s);
}

static CUresult get(CUstream handle, unsigned int attribute, void *value, bool per_thread)
{
	uint8_t answer[VALUE_SIZE] = { 0 };
	struct vg_stream *s;
	struct vg_thread *t;
	int result = find(&t, handle, per_thread, &s);

	if (result)
		return result;
	if (!value)
		return CUDA_ERROR_INVALID_VALUE;
	if (attribute == SYNCHRONIZATION_POLICY) {
		int policy = s->policy ? (int)s->policy : POLICY_UNSET;

		memcpy(value, &policy, sizeof policy);
		return CUDA_SUCCESS;
	}
	result = vg_op_stream_get_attribute(t, s->object.number, attribute, answer);
	if (!result)
		memcpy(value, answer, sizeof answer);
	return result;
}

static CUresult set(CUstream handle, unsigned int attribute, const void *value, bool per_thread)
{
	uint8_t answer[VALUE_SIZE] = { 0 };
	struct vg_stream *s;
	struct vg_thread *t;
	int result = find(&t, handle, per_thread, &s);

	if (result)
		return result;
	if (!value)
		return CUDA_ERROR_INVALID_VALUE;
	if (attribute == SYNCHRONIZATION_POLICY) {
		unsigned int policy;

		memcpy(&policy, value, sizeof policy);
		if (policy < POLICY_AUTO || policy > POLICY_BLOCKING)
			return CUDA_ERROR_INVALID_VALUE;
		s->policy = policy;
		return CUDA_SUCCESS;
	}
	result = vg_op_stream_set_attribute(t, s->object.number, attribute, value);
	/* the driver may have clamped it */
	if (!result && attribute == PRIORITY &&
	    !vg_op_stream_get_attribute(t, s->object.number, attribute, answer))
		memcpy(&s->priority, answer, sizeof s->priority);
	return result;
}

static CUresult copy(CUstream to, CUstream from, bool per_thread)
{
	struct vg_stream *target, *source;
	struct vg_thread *t;
	int result = find(&t, to, per_thread, &target);

	if (!result)
		result = vg_stream_find(t, from, per_thread, &source);
	if (result)
		return result;
	if (target->context != source->context)
		return CUDA_ERROR_INVALID_VALUE;
	result = vg_op_stream_copy_attributes(t, target->object.number, source->object.number);
	if (!result)
		target->policy = source->policy;
	return result;
}

VG_EXPORT CUresult cuStreamGetAttribute(CUstream stream, unsigned int attribute, void *value)
{
	return get(stream, attribute, value, false);
}

VG_EXPORT CUresult cuStreamGetAttribute_ptsz(CUstream stream, unsigned int attribute, void *value)
{
	return get(stream, attribute, value, true);
}

VG_EXPORT CUresult cuStreamSetAttribute(CUstream stream, unsigned int attribute, const void *value)
{
	return set(stream, attribute, value, false);
}

VG_EXPORT CUresult cuStreamSetAttribute_ptsz(CUstream stream, unsigned int attribute, const void *value)
{
	return set(stream, attribute, value, true);
}

VG_EXPORT CUresult cuStreamCopyAttributes(CUstream to, CUstream from)
{
	return copy(to, from, false);
}

VG_EXPORT CUresult cuStreamCopyAttributes_ptsz(CUstream to, CUstream from)
{
	return copy(to, from, true);
}
