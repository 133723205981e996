// SPDX-License-Identifier: Apache-2.0
#include "stage.h"

#include <string.h>

#include "capture.h"
#include "copy_threads.h"
#include "fence.h"
#include "gen/ops.h"
#include "memory.h"
#include "pause.h"
#include "stream.h"
#include "text.h"

#define FEW_BUFFERS	4u		/* when the window has little room */
#define SMALLEST_PIECE	0x20000u
/*
 * What goes to the device around the cache, from and until: the bus reads buffers that lie in memory faster than one
 * processor fills them in the cache, but with long copies the cache is the wider way. On the way back, from: what comes
 * is read once. (measured on an H200's host)
 */
#define AROUND_FROM	0x10000u
#define AROUND_UNTIL	0x2000000u
#define AROUND_TO_HOST	0x100000u
#define ONE_FENCE	0x100000u	/* up to here a copy has one fence */

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
	unsigned int count, next;
} pool = { .lock = PTHREAD_MUTEX_INITIALIZER };

/* Makes the buffers at the first use and after their context has ended; the lock is held. */
static int prepare(struct vg_thread *t)
{
	struct vg_range r = { .kind = VG_RANGE_PINNED };
	int result;

	if (pool.memory && pool.context->id == pool.id && atomic_load(&pool.context->retained) &&
	    atomic_load(&pool.context->generation) == pool.generation)
		return 0;
	pool.count = VG_STAGE_BUFFERS;
	r.size = (size_t)pool.count * VG_STAGE_PIECE;
	result = vg_pinned_new(t, &r);
	if (result) {
		pool.count = FEW_BUFFERS;
		r.size = (size_t)pool.count * VG_STAGE_PIECE;
		result = vg_pinned_new(t, &r);
	}
	if (result)
		return result;
	pool.memory = (void *)(uintptr_t)r.base;
	pool.next = 0;
	pool.context = t->current->base;
	pool.id = pool.context->id;
	pool.generation = atomic_load(&pool.context->generation);
	for (unsigned int i = 0; i < pool.count; i++)
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
	pool.next = (pool.next + 1) % pool.count;
	*out = b;
	return 0;
}

unsigned int vg_stage_buffers(void)
{
	return pool.count;
}

/* The next buffer needs no wait. */
static bool free_now(struct vg_thread *t)
{
	const struct vg_stage_buffer *b = &pool.buffers[pool.next];

	return !b->slot || vg_fence_reached(t->channel, b->slot, b->value);
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

/* Pieces of one copy whose memory is being copied, oldest first. */
struct queue {
	struct vg_stage_buffer *buffers[VG_STAGE_BUFFERS];
	unsigned int first, count;
	uint64_t oldest;	/* number of the first one's memory copy */
};

static void push(struct queue *q, struct vg_stage_buffer *b)
{
	q->buffers[(q->first + q->count++) % VG_STAGE_BUFFERS] = b;
}

static struct vg_stage_buffer *at(struct queue *q, unsigned int i)
{
	return q->buffers[(q->first + i) % VG_STAGE_BUFFERS];
}

static void pop(struct queue *q)
{
	q->first = (q->first + 1) % VG_STAGE_BUFFERS;
	q->count--;
	q->oldest++;
}

/* Copies a piece that waits, or lets the others do theirs. */
static void help(struct vg_pause *pause)
{
	if (!vg_copy_threads_help()) {
		vg_pause(pause);
		return;
	}
	vg_pause_end(pause);
	*pause = (struct vg_pause){ 0 };
}

/* Nobody touches the program's memory once its copy has failed; count pieces are under way. */
static void drain(struct queue *q, unsigned int count)
{
	struct vg_pause pause = { 0 };

	for (unsigned int i = 0; i < count; i++)
		while (!vg_copy_threads_done(q->oldest + i))
			help(&pause);
	vg_pause_end(&pause);
}

/* Enough pieces to keep bus and processors busy at once, none so small that its call costs more than its copy. */
static size_t piece_of(size_t size, size_t parts)
{
	size_t piece = (size / parts + SMALLEST_PIECE - 1) & ~(size_t)(SMALLEST_PIECE - 1);

	return piece < SMALLEST_PIECE ? SMALLEST_PIECE : piece > VG_STAGE_PIECE ? VG_STAGE_PIECE : piece;
}

static size_t least(size_t a, size_t b)
{
	return a < b ? a : b;
}

/* Copies that need no buffer twice end with one fence, which is all their buffers'. */
static int sent(struct vg_thread *t, struct vg_stage_buffer **buffers, unsigned int count, struct vg_stream *s)
{
	int result = vg_stage_in_use(t, buffers[0], s);

	for (unsigned int i = 1; i < count; i++) {
		buffers[i]->slot = buffers[0]->slot;
		buffers[i]->value = buffers[0]->value;
	}
	return result;
}

/* One piece, which nobody could help with. */
static int send_alone(struct vg_thread *t, uint64_t dst, const uint8_t *src, size_t size, struct vg_stream *s)
{
	struct vg_stage_buffer *b;
	int result = vg_stage_take(t, &b);

	if (result)
		return result;
	vg_copy_bytes(b->data, src, size, size >= AROUND_FROM ? VG_COPY_AROUND_CACHE : VG_COPY_CACHED);
	vg_copy_threads_end();
	result = vg_op_copy_htod(t, dst, (uint64_t)(uintptr_t)b->data, size, s->object.number);
	return result ? result : vg_stage_in_use(t, b, s);
}

static int send_together(struct vg_thread *t, uint64_t dst, const uint8_t *src, size_t size, struct vg_stream *s)
{
	enum vg_copy_stores stores = size < AROUND_UNTIL ? VG_COPY_AROUND_CACHE : VG_COPY_CACHED;
	size_t piece = piece_of(size, 8), filled = 0, posted = 0;
	bool once = size <= ONE_FENCE && size <= piece * pool.count;
	struct vg_stage_buffer *unfenced[VG_STAGE_BUFFERS], *b;
	struct queue q = { .oldest = vg_copy_threads_begin(size) };
	struct vg_pause pause = { 0 };
	unsigned int fenceless = 0;
	int result = 0;

	while (posted < size && !result) {
		while (filled < size && q.count < pool.count && (!q.count || free_now(t))) {
			result = vg_stage_take(t, &b);
			if (result)
				break;
			vg_copy_threads_post(b->data, src + filled, least(piece, size - filled), stores);
			push(&q, b);
			filled += least(piece, size - filled);
		}
		while (q.count && !result && vg_copy_threads_done(q.oldest)) {
			size_t bytes = least(piece, size - posted);

			b = at(&q, 0);
			pop(&q);
			result = vg_op_copy_htod(t, dst + posted, (uint64_t)(uintptr_t)b->data, bytes, s->object.number);
			posted += bytes;
			unfenced[fenceless++] = b;
			if (!result && (!once || posted == size)) {
				result = sent(t, unfenced, fenceless, s);
				fenceless = 0;
			}
		}
		if (q.count && !result)
			help(&pause);
	}
	vg_pause_end(&pause);
	drain(&q, q.count);
	vg_copy_threads_end();
	return result;
}

static int send_staged(struct vg_thread *t, uint64_t dst, const uint8_t *src, size_t size, struct vg_stream *s)
{
	return size <= SMALLEST_PIECE ? send_alone(t, dst, src, size, s) : send_together(t, dst, src, size, s);
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

/* Has the next piece copied by the GPU. */
static int ask(struct vg_thread *t, uint64_t src, size_t size, struct vg_stream *s, struct vg_stage_buffer **b)
{
	int result = vg_stage_take(t, b);

	if (!result)
		result = vg_op_copy_dtoh(t, (uint64_t)(uintptr_t)(*b)->data, src, size, s->object.number);
	return result ? result : vg_stage_in_use(t, *b, s);
}

/* One piece, which nobody could help with. */
static int receive_alone(struct vg_thread *t, uint8_t *dst, uint64_t src, size_t size, struct vg_stream *s)
{
	struct vg_stage_buffer *b;
	int result = ask(t, src, size, s, &b);

	if (!result)
		result = vg_fence_wait(t, b->slot, b->value, s, false);
	if (result)
		return result;
	vg_copy_bytes(dst, b->data, size, VG_COPY_CACHED);
	vg_copy_threads_end();
	return vg_channel_async(t->channel);
}

/* As many pieces as there are buffers are under way; what has come is unpacked by all threads. */
static int receive_together(struct vg_thread *t, uint8_t *dst, uint64_t src, size_t size, struct vg_stream *s)
{
	enum vg_copy_stores stores = size >= AROUND_TO_HOST ? VG_COPY_AROUND_CACHE : VG_COPY_CACHED;
	size_t piece = piece_of(size, size < 0x400000 ? 4 : 8), asked = 0, come = 0, done = 0;
	struct queue q = { .oldest = vg_copy_threads_begin(size) };
	struct vg_stage_buffer *b;
	struct vg_pause pause = { 0 };
	unsigned int unpacking = 0;
	int result = 0;

	while (done < size && !result) {
		while (asked < size && q.count < pool.count && !result) {
			result = ask(t, src + asked, least(piece, size - asked), s, &b);
			if (!result)
				push(&q, b);
			asked += least(piece, size - asked);
		}
		if (result)
			break;
		if (!unpacking && !vg_copy_threads_help())
			result = vg_fence_wait(t, at(&q, 0)->slot, at(&q, 0)->value, s, false);
		for (; unpacking < q.count && !result; unpacking++) {
			b = at(&q, unpacking);
			if (!vg_fence_reached(t->channel, b->slot, b->value))
				break;
			vg_copy_threads_post(dst + come, b->data, least(piece, size - come), stores);
			come += least(piece, size - come);
		}
		if (unpacking)
			help(&pause);
		for (; unpacking && vg_copy_threads_done(q.oldest); unpacking--) {
			pop(&q);
			done += least(piece, size - done);
		}
	}
	vg_pause_end(&pause);
	drain(&q, unpacking);
	vg_copy_threads_end();
	return result ? result : vg_channel_async(t->channel);
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
	result = size <= SMALLEST_PIECE ? receive_alone(t, dst, src, size, s) : receive_together(t, dst, src, size, s);
	vg_stage_end();
	vg_text_waited_stream(t, s, result);
	return result;
}
