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

#define MOST_AHEAD	3u		/* pieces that a copy to the host asks for before the first has come: the bus is busy meanwhile */

/* One pool per process. Its memory outlives contexts: it may be in use by another thread in another one. */
static struct {
	pthread_mutex_t lock;
	uint8_t *memory;
	struct vg_stage_buffer buffers[VG_STAGE_BUFFERS];
	unsigned int count, next;
	_Atomic unsigned int ahead;	/* in the hands of threads that wait for their streams */
} pool = { .lock = PTHREAD_MUTEX_INITIALIZER };

/* One copy at a time has the copy threads; who has them waits for no other stream's work. */
static pthread_mutex_t together = PTHREAD_MUTEX_INITIALIZER;

/* Makes the buffers at the first use; the lock is held. */
static int prepare(struct vg_thread *t)
{
	struct vg_range r = { .kind = VG_RANGE_PINNED, .owner = &pool };
	int result;

	if (pool.memory)
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
	for (unsigned int i = 0; i < pool.count; i++)
		pool.buffers[i].data = pool.memory + (size_t)i * VG_STAGE_PIECE;
	return 0;
}

int vg_stage_begin(struct vg_thread *t)
{
	int result;

	pthread_mutex_lock(&pool.lock);
	result = prepare(t);
	pthread_mutex_unlock(&pool.lock);
	return result;
}

/* The GPU has left it. */
static bool left(const struct vg_thread *t, struct vg_stage_buffer *b)
{
	if (!b->slot)
		return true;
	if (!vg_fence_reached(t->channel, b->slot, b->value) && atomic_load(&b->context->retained) &&
	    atomic_load(&b->context->generation) == b->generation)
		return false;
	b->slot = 0; /* the word counts on, and is behind the value again some day */
	return true;
}

struct vg_stage_buffer *vg_stage_try(struct vg_thread *t)
{
	struct vg_stage_buffer *b = NULL;

	pthread_mutex_lock(&pool.lock);
	for (unsigned int i = 0; i < pool.count && !b; i++) {
		struct vg_stage_buffer *here = &pool.buffers[(pool.next + i) % pool.count];

		/* what another thread has left in it is seen with that */
		if (!atomic_load_explicit(&here->taken, memory_order_acquire) && left(t, here))
			b = here;
	}
	if (b) {
		atomic_store_explicit(&b->taken, true, memory_order_relaxed);
		pool.next = (unsigned int)(b - pool.buffers + 1) % pool.count;
	}
	pthread_mutex_unlock(&pool.lock);
	return b;
}

int vg_stage_take(struct vg_thread *t, struct vg_stage_buffer **out)
{
	struct vg_pause pause = { 0 };
	int lost = 0;

	while (!(*out = vg_stage_try(t)) && !(lost = vg_channel_lost(t->channel)))
		vg_pause(&pause);
	vg_pause_end(&pause);
	return lost;
}

void vg_stage_leave(struct vg_stage_buffer *b)
{
	atomic_store_explicit(&b->taken, false, memory_order_release);
}

int vg_stage_in_use(struct vg_thread *t, struct vg_stage_buffer *b, struct vg_stream *s)
{
	b->context = s->context->base;
	b->generation = atomic_load(&b->context->generation);
	vg_stream_busy(s);
	return vg_stream_fence(t, s, &b->slot, &b->value);
}

unsigned int vg_stage_ahead(size_t wanted)
{
	unsigned int most = pool.count - pool.count / 4, ahead = wanted < MOST_AHEAD ? (unsigned int)wanted : MOST_AHEAD;

	if (ahead > most)
		ahead = most;
	if (atomic_fetch_add(&pool.ahead, ahead) + ahead <= most)
		return ahead;
	atomic_fetch_sub(&pool.ahead, ahead);
	return 0;
}

void vg_stage_came(unsigned int ahead)
{
	if (ahead)
		atomic_fetch_sub(&pool.ahead, ahead);
}

void vg_stage_forget(const struct vg_thread *t)
{
	pthread_mutex_lock(&pool.lock);
	for (unsigned int i = 0; i < pool.count; i++)
		if (!atomic_load_explicit(&pool.buffers[i].taken, memory_order_acquire))
			(void)left(t, &pool.buffers[i]);
	pthread_mutex_unlock(&pool.lock);
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

/* All of them are the GPU's until the stream's work so far is done: copies that need no buffer twice end with one fence. */
static int sent(struct vg_thread *t, struct vg_stage_buffer **buffers, unsigned int *count, struct vg_stream *s)
{
	int result = *count ? vg_stage_in_use(t, buffers[0], s) : 0;

	for (unsigned int i = 0; i < *count; i++) {
		buffers[i]->slot = buffers[0]->slot;
		buffers[i]->value = buffers[0]->value;
		buffers[i]->context = buffers[0]->context;
		buffers[i]->generation = buffers[0]->generation;
		if (i)
			vg_stage_leave(buffers[i]);
	}
	if (*count)
		vg_stage_leave(buffers[0]);
	*count = 0;
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
	if (!result)
		result = vg_stage_in_use(t, b, s);
	vg_stage_leave(b);
	return result;
}

static int send_together(struct vg_thread *t, uint64_t dst, const uint8_t *src, size_t size, struct vg_stream *s)
{
	enum vg_copy_stores stores = size < AROUND_UNTIL ? VG_COPY_AROUND_CACHE : VG_COPY_CACHED;
	size_t piece = piece_of(size, 8), filled = 0, posted = 0;
	bool once = size <= ONE_FENCE && size <= piece * pool.count;
	struct vg_stage_buffer *unfenced[VG_STAGE_BUFFERS], *b = NULL;
	struct queue q = { 0 };
	struct vg_pause pause = { 0 };
	unsigned int fenceless = 0;
	int result = 0;

	pthread_mutex_lock(&together);
	q.oldest = vg_copy_threads_begin(size);
	while (posted < size && !result) {
		for (; filled < size && q.count < pool.count && (b || (b = vg_stage_try(t))); b = NULL) {
			vg_copy_threads_post(b->data, src + filled, least(piece, size - filled), stores);
			push(&q, b);
			filled += least(piece, size - filled);
		}
		if (!q.count) {
			result = sent(t, unfenced, &fenceless, s);
			pthread_mutex_unlock(&together);
			if (!result)
				result = vg_stage_take(t, &b);
			pthread_mutex_lock(&together);
			q.oldest = vg_copy_threads_begin(size);
			continue;
		}
		while (q.count && !result && vg_copy_threads_done(q.oldest)) {
			size_t bytes = least(piece, size - posted);

			unfenced[fenceless] = at(&q, 0);
			pop(&q);
			result = vg_op_copy_htod(t, dst + posted, (uint64_t)(uintptr_t)unfenced[fenceless++]->data, bytes,
						 s->object.number);
			posted += bytes;
			if (!result && (!once || posted == size))
				result = sent(t, unfenced, &fenceless, s);
		}
		if (q.count && !result)
			help(&pause);
	}
	vg_pause_end(&pause);
	drain(&q, q.count);
	vg_copy_threads_end();
	pthread_mutex_unlock(&together);
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
	/* without room in the arena data still travels, only slower */
	result = vg_stage_begin(t) ? send_inline(t, dst, src, size, s) : send_staged(t, dst, src, size, s);
	if (!result && complete)
		result = vg_stream_wait(t, s);
	return result;
}

/* Has a piece copied by the GPU. */
static int ask(struct vg_thread *t, uint64_t src, size_t size, struct vg_stream *s, struct vg_stage_buffer *b)
{
	int result = vg_op_copy_dtoh(t, (uint64_t)(uintptr_t)b->data, src, size, s->object.number);

	return result ? result : vg_stage_in_use(t, b, s);
}

/* One piece, which nobody could help with. */
static int receive_alone(struct vg_thread *t, uint8_t *dst, uint64_t src, size_t size, struct vg_stream *s)
{
	unsigned int ahead = vg_stage_ahead(1);
	struct vg_stage_buffer *b;
	int result = ahead ? 0 : vg_stream_wait(t, s);

	if (!result)
		result = vg_stage_take(t, &b);
	if (!result)
		result = ask(t, src, size, s, b);
	if (!result)
		result = vg_fence_wait(t, b->slot, b->value, s, false);
	vg_stage_came(ahead);
	if (result)
		return result;
	vg_copy_bytes(dst, b->data, size, VG_COPY_CACHED);
	vg_copy_threads_end();
	vg_stage_leave(b);
	return vg_channel_async(t->channel);
}

static bool has_come(const struct vg_thread *t, const struct vg_stage_buffer *b)
{
	return vg_fence_reached(t->channel, b->slot, b->value);
}

/* As many pieces as there are buffers are under way once the first has come; what has come is unpacked by all threads. */
static int receive_together(struct vg_thread *t, uint8_t *dst, uint64_t src, size_t size, struct vg_stream *s)
{
	enum vg_copy_stores stores = size >= AROUND_TO_HOST ? VG_COPY_AROUND_CACHE : VG_COPY_CACHED;
	size_t piece = piece_of(size, size < 0x400000 ? 4 : 8), asked = 0, come = 0, done = 0;
	unsigned int ahead = vg_stage_ahead((size + piece - 1) / piece), most = ahead, unpacking = 0;
	struct vg_stage_buffer *b = NULL;
	struct vg_pause pause = { 0 };
	struct queue q = { 0 };
	int result = 0;

	if (!ahead) {
		result = vg_stream_wait(t, s);
		most = pool.count;
	}
	pthread_mutex_lock(&together);
	q.oldest = vg_copy_threads_begin(size);
	while (done < size && !result) {
		for (; asked < size && q.count < most && !result && (b || (b = vg_stage_try(t))); b = NULL) {
			result = ask(t, src + asked, least(piece, size - asked), s, b);
			push(&q, b);
			asked += least(piece, size - asked);
		}
		if (result)
			break;
		if (!q.count || (!unpacking && !has_come(t, at(&q, 0)))) { /* nobody waits for what this waits for */
			pthread_mutex_unlock(&together);
			result = q.count ? vg_fence_wait(t, at(&q, 0)->slot, at(&q, 0)->value, s, false) : vg_stage_take(t, &b);
			pthread_mutex_lock(&together);
			q.oldest = vg_copy_threads_begin(size);
			continue;
		}
		vg_stage_came(ahead);
		ahead = 0;
		most = pool.count;
		for (; unpacking < q.count && has_come(t, at(&q, unpacking)); unpacking++) {
			vg_copy_threads_post(dst + come, at(&q, unpacking)->data, least(piece, size - come), stores);
			come += least(piece, size - come);
		}
		help(&pause);
		for (; unpacking && vg_copy_threads_done(q.oldest); unpacking--) {
			vg_stage_leave(at(&q, 0));
			pop(&q);
			done += least(piece, size - done);
		}
	}
	vg_pause_end(&pause);
	drain(&q, unpacking);
	vg_copy_threads_end();
	pthread_mutex_unlock(&together);
	vg_stage_came(ahead);
	return result ? result : vg_channel_async(t->channel);
}

int vg_stage_to_host(struct vg_thread *t, void *dst, uint64_t src, size_t size, struct vg_stream *s)
{
	int result;

	result = vg_capture_break(s);
	if (!result)
		result = vg_stage_begin(t);
	if (result)
		return result;
	result = size <= SMALLEST_PIECE ? receive_alone(t, dst, src, size, s) : receive_together(t, dst, src, size, s);
	vg_text_waited_stream(t, s, result);
	return result;
}
