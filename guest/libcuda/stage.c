// SPDX-License-Identifier: Apache-2.0
#include "stage.h"

#include <string.h>

#include "capture.h"
#include "fence.h"
#include "gen/ops.h"
#include "memory.h"
#include "stream.h"
#include "text.h"

/*
 * One pool per process. A thread holds the lock from taking a buffer to posting its
 * fence, so buffers are used round robin and waits are for the oldest.
 */
static struct {
	pthread_mutex_t lock;
	struct vg_context *context;	/* that the memory belongs to */
	uint64_t id;			/* its id and generation when the memory was made */
	uint32_t generation;
	uint8_t *memory;
	struct vg_stage_buffer buffers[VG_STAGE_BUFFERS];
	unsigned int next;
} pool = { .lock = PTHREAD_MUTEX_INITIALIZER };

/* Makes the buffers at the first use and after their context has ended; the lock is held. */
static int prepare(struct vg_thread *t)
{
	void *memory;
	int result;

	if (pool.memory && pool.context->id == pool.id && atomic_load(&pool.context->retained) &&
	    atomic_load(&pool.context->generation) == pool.generation)
		return 0;
	result = vg_pinned_new(t, VG_STAGE_BUFFERS * VG_STAGE_PIECE, 0, &memory);
	if (result)
		return result;
	pool.memory = memory;
	pool.context = t->current->base;
	pool.id = pool.context->id;
	pool.generation = atomic_load(&pool.context->generation);
	for (unsigned int i = 0; i < VG_STAGE_BUFFERS; i++)
		pool.buffers[i] = (struct vg_stage_buffer){ .data = pool.memory + (size_t)i * VG_STAGE_PIECE };
	return 0;
}

int vg_stage_begin(struct vg_thread *t)
{
	int result;

	pthread_mutex_lock(&pool.lock);
	result = prepare(t);
	if (result)
		pthread_mutex_unlock(&pool.lock);
	return result;
}

void vg_stage_end(void)
{
	pthread_mutex_unlock(&pool.lock);
}

int vg_stage_take(struct vg_thread *t, struct vg_stage_buffer **out)
{
	struct vg_stage_buffer *b = &pool.buffers[pool.next];
	int result = b->slot ? vg_fence_wait(t, b->slot, b->value, NULL, false) : 0;

	if (result)
		return result;
	pool.next = (pool.next + 1) % VG_STAGE_BUFFERS;
	*out = b;
	return 0;
}

int vg_stage_in_use(struct vg_thread *t, struct vg_stage_buffer *b, struct vg_stream *s)
{
	vg_stream_busy(s);
	return vg_stream_fence(t, s, &b->slot, &b->value);
}

static int send_inline(struct vg_thread *t, uint64_t dst, const uint8_t *src, size_t size, struct vg_stream *s)
{
	int result = 0;

	while (size && !result) {
		uint32_t piece = size < VG_STAGE_INLINE ? (uint32_t)size : VG_STAGE_INLINE;

		result = vg_op_copy_htod_inline(t, dst, s->object.number, src, piece);
		dst += piece;
		src += piece;
		size -= piece;
	}
	vg_stream_busy(s);
	return result;
}

static int send_staged(struct vg_thread *t, uint64_t dst, const uint8_t *src, size_t size, struct vg_stream *s)
{
	while (size) {
		size_t piece = size < VG_STAGE_PIECE ? size : VG_STAGE_PIECE;
		struct vg_stage_buffer *b;
		int result = vg_stage_take(t, &b);

		if (result)
			return result;
		memcpy(b->data, src, piece);
		result = vg_op_copy_htod(t, dst, (uint64_t)(uintptr_t)b->data, piece, s->object.number);
		if (!result)
			result = vg_stage_in_use(t, b, s);
		if (result)
			return result;
		dst += piece;
		src += piece;
		size -= piece;
	}
	return 0;
}

int vg_stage_to_device(struct vg_thread *t, uint64_t dst, const void *src, size_t size, struct vg_stream *s, bool complete)
{
	int result;

	result = vg_capture_break(s);
	if (result)
		return result;
	if (size <= VG_STAGE_INLINE)
		return send_inline(t, dst, src, size, s);
	pthread_mutex_lock(&pool.lock);
	/* without room in the arena data still travels, only slower */
	result = prepare(t) ? send_inline(t, dst, src, size, s) : send_staged(t, dst, src, size, s);
	pthread_mutex_unlock(&pool.lock);
	if (!result && complete)
		result = vg_stream_wait(t, s);
	return result;
}

/* Fetches up to VG_STAGE_BUFFERS pieces; their copies run while earlier ones are unpacked. */
static int receive(struct vg_thread *t, uint8_t *dst, uint64_t src, size_t size, struct vg_stream *s)
{
	struct vg_stage_buffer *queue[VG_STAGE_BUFFERS];
	size_t asked = 0, got = 0;
	unsigned int first = 0, count = 0;
	int result;

	while (got < size) {
		while (asked < size && count < VG_STAGE_BUFFERS) {
			size_t piece = size - asked < VG_STAGE_PIECE ? size - asked : VG_STAGE_PIECE;
			struct vg_stage_buffer *b;

			result = vg_stage_take(t, &b);
			if (!result)
				result = vg_op_copy_dtoh(t, (uint64_t)(uintptr_t)b->data, src + asked, piece,
							 s->object.number);
			if (!result)
				result = vg_stage_in_use(t, b, s);
			if (result)
				return result;
			queue[(first + count++) % VG_STAGE_BUFFERS] = b;
			asked += piece;
		}
		struct vg_stage_buffer *b = queue[first];
		size_t piece = size - got < VG_STAGE_PIECE ? size - got : VG_STAGE_PIECE;

		result = vg_fence_wait(t, b->slot, b->value, s, false);
		if (result)
			return result;
		memcpy(dst + got, b->data, piece);
		got += piece;
		first = (first + 1) % VG_STAGE_BUFFERS;
		count--;
	}
	return vg_channel_async(t->channel);
}

int vg_stage_to_host(struct vg_thread *t, void *dst, uint64_t src, size_t size, struct vg_stream *s)
{
	int result;

	result = vg_capture_break(s);
	if (result)
		return result;
	result = vg_stage_begin(t);
	if (result)
		return result;
	result = receive(t, dst, src, size, s);
	vg_stage_end();
	vg_text_waited_stream(t, s, result);
	return result;
}
