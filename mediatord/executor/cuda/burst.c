/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The ring is written by the guest process at any time: a record is copied first and only the copy is looked at, as in
 * channel/record.go. Whatever is not exactly as it should be is left to Go, which says what is wrong.
 */
#include "burst.h"

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#include "vgpu_layout.h"

#define PUBLISH_EVERY	(16u << 10)	/* bytes of the ring; as channel/record.go */
/*
 * How much may be consumed beyond what was reserved when TAIL was last read: producers write that word with every record, and
 * a look takes it from them. A process that commits what it has not reserved deceives only itself, and is found out then.
 */
#define UNSEEN_MOST	(16u << 10)
#define PARAMETERS_MOST	4096u
#define RECORDS_MOST	4096u		/* then others may have the thread */
#define FETCHED_MOST	512u		/* bytes of the next record */
#define LOOKS		32u		/* at the ring, between two at the clock */
#define OUT_OF_MEMORY	2		/* CUDA_ERROR_OUT_OF_MEMORY */

struct header {
	uint32_t size;
	uint16_t opcode, reply;
	uint32_t sequence, thread, context, reserved;
};
struct launch {
	struct header h;
	uint32_t f, gx, gy, gz, bx, by, bz, shared, stream, padding;
	unsigned char parameters[PARAMETERS_MOST];
};
struct fence {
	struct header h;
	uint32_t stream, slot, value, padding;
};
struct copying {
	struct header h;
	uint64_t dst, src, size;
	uint32_t stream, padding;
};
union record {
	struct header h;
	struct launch launch;
	struct fence fence;
	struct copying copying;
};
_Static_assert(sizeof(struct header) == VGPU_REC_PAYLOAD, "record header");
_Static_assert(offsetof(struct launch, parameters) == VGPU_REC_PAYLOAD + 40, "launch record");
_Static_assert(sizeof(union record) % VGPU_LINE == 0, "whole lines are copied");

typedef int launch_function(uintptr_t, unsigned int, unsigned int, unsigned int, unsigned int, unsigned int, unsigned int,
			    unsigned int, uintptr_t, void **, void **);
typedef int write_function(uintptr_t, uint64_t, uint32_t, unsigned int);
typedef int copy_function(uint64_t, uint64_t, size_t, uintptr_t);	/* host addresses are numbers too */

struct table {
	const unsigned char *entries;
	uint32_t count;
};
struct tables {
	struct table functions, kernels, streams;
	const struct vg_duration *durations;
	const struct vg_extent *host;
	uint32_t host_count;
};

static inline uint32_t word(const void *at)
{
	return __atomic_load_n((const uint32_t *)at, __ATOMIC_ACQUIRE);
}

/* The entry of a handle, NULL if there is none. */
static const unsigned char *find(const struct vg_burst *b, const struct table *table, uint32_t number, uintptr_t *native)
{
	const unsigned char *entry = table->entries + (size_t)number * b->entry_size;

	if (number >= table->count || !entry[b->entry_used])
		return NULL;
	memcpy(native, entry, sizeof(*native));
	return entry;
}

/* Makes parameters as long as the kernel's: what the process left out is zero. false: Go has to do it. */
static bool pad(const struct vg_burst *b, const unsigned char *kernel, unsigned char *parameters, size_t *size)
{
	uint32_t all;

	memcpy(&all, kernel + b->entry_parameters, sizeof(all));
	if (!all--)
		return false;
	if (!*size || *size >= all)
		return true;
	if (all > PARAMETERS_MOST)
		return false;
	memset(parameters + *size, 0, all - *size);
	*size = all;
	return true;
}

static void publish(struct vg_burst *b)
{
	if (b->published == b->head)
		return;
	b->published = b->head;
	__atomic_store_n((uint64_t *)b->head_word, b->head, __ATOMIC_RELEASE);
}

/* Whether there may be other terms. */
static bool changed(const struct vg_burst *b, const uint32_t *changes) { return changes && word(changes) != b->seen; }

/* Whether a record comes within the time to spin, and before the meter has something to do or there may be other terms. */
static bool await(const struct vg_burst *b, struct vg_meter *m, const unsigned char *at, const uint32_t *woken,
		  const uint32_t *changes)
{
	uint64_t until = b->spin_ns ? monotonic_ns() + b->spin_ns : 0;

	if (!until)
		return false;
	do {
		for (unsigned int i = 0; i < LOOKS; i++) {
			if (word(at))
				return true;
			__builtin_ia32_pause();
		}
	} while (!word(woken) && !changed(b, changes) && monotonic_ns() < until && (!m || meter_quiet(m)));
	return false;
}

/* Whether so much at the head was reserved, as far as one knows. */
static bool reserved(struct vg_burst *b, uint64_t bytes)
{
	uint64_t tail;

	if (b->believed - b->head >= bytes && b->believed - b->head <= VGPU_RING_SIZE + UNSEEN_MOST)
		return true;
	tail = __atomic_load_n((const uint64_t *)b->tail_word, __ATOMIC_RELAXED);
	if (tail - b->head < bytes || tail - b->head > VGPU_RING_SIZE)
		return false;
	b->believed = tail + UNSEEN_MOST;
	return true;
}

/*
 * The next record comes from another processor while this one is executed, and its lines will be written to. It is likely to be as
 * long as this one, but lines that its producer may still have to write are best left to that, all but the first.
 */
static void fetch_next(const struct vg_burst *b, uint64_t bytes)
{
	uint64_t next = b->head + bytes, most = VGPU_LINE;

	if ((int64_t)(b->believed - UNSEEN_MOST - next) >= (int64_t)bytes)
		most = bytes < FETCHED_MOST ? bytes : FETCHED_MOST;
	for (uint64_t line = 0; line < most; line += VGPU_LINE)
		__asm__ volatile("prefetchw %0" : : "m"(*(const unsigned char *)(b->ring + ((next + line) & (VGPU_RING_SIZE - 1)))));
}

/* Copies the record at the head; false: Go has to look at it. */
static bool copy(struct vg_burst *b, const unsigned char *at, union record *r, uint64_t *bytes)
{
	uint32_t size = word(at);

	*bytes = ((uint64_t)size + VGPU_LINE - 1) & ~(uint64_t)(VGPU_LINE - 1);
	if (size < sizeof(struct header) || size > sizeof(*r))
		return false;
	if (!reserved(b, *bytes))
		return false;
	fetch_next(b, *bytes);
	for (uint64_t line = 0; line < *bytes; line += VGPU_LINE) /* of a fixed size: far cheaper than one of any */
		memcpy((unsigned char *)r + line, at + line, VGPU_LINE);
	__asm__ volatile("" ::: "memory"); /* from here on the copy counts */
	r->h.size = size;
	return r->h.reply == VGPU_NO_REPLY && !r->h.reserved && (!r->h.context || r->h.context == b->context);
}

static void advance(struct vg_burst *b, unsigned char *at, uint64_t bytes)
{
	for (uint64_t line = 0; line < bytes; line += VGPU_LINE)
		__atomic_store_n((uint32_t *)(at + line), 0, __ATOMIC_RELAXED);
	b->head += bytes;
	b->calls++;
	if (b->head - b->published >= PUBLISH_EVERY)
		publish(b);
}

static bool failed(struct vg_burst *b, int result, uint32_t opcode)
{
	if (!result)
		return false;
	b->result = result;
	b->failed = opcode;
	b->stop = BURST_FAILED;
	return true;
}

/* Executes a launch; false: it is Go's. */
static bool launch(struct vg_burst *b, struct vg_meter *m, launch_function *call, const struct tables *t,
		   struct launch *r, const uint32_t *changes)
{
	const unsigned char *kernel;
	size_t size = r->h.size - offsetof(struct launch, parameters);
	void *extra[] = { (void *)1, (void *)r->parameters, (void *)2, &size, NULL };
	struct vg_submission submission;
	uintptr_t function, stream;
	int result;

	if (r->h.size < offsetof(struct launch, parameters))
		return false;
	kernel = find(b, r->h.opcode == b->launch ? &t->functions : &t->kernels, r->f, &function);
	if (!kernel || !find(b, &t->streams, r->stream, &stream) || !pad(b, kernel, r->parameters, &size))
		return false;
	if (m && !meter_admit(m, t->durations, r->h.opcode, &r->f, stream, &submission))
		return false;
	result = call(function, r->gx, r->gy, r->gz, r->bx, r->by, r->bz, r->shared, stream, NULL, size ? extra : NULL);
	if (result == OUT_OF_MEMORY)
		return false; /* nothing was launched: Go tries again, when others have made room */
	if (failed(b, result, r->h.opcode))
		return true;
	b->launches++;
	b->submitted++;
	if (m) {
		b->noted = r->stream;
		if (meter_submitted(m, &submission) || changed(b, changes))
			b->stop = BURST_MARK;
	} else if ((r->stream != b->stream && !b->any_stream) || changed(b, changes)) {
		b->noted = r->stream;
		b->noted_key = launch_key(r->h.opcode, &r->f);
		b->stop = BURST_NOTE;
	}
	return true;
}

/* Whether one extent of host memory holds all of it; what lies in several is Go's. */
static bool holds(const struct tables *t, uint64_t address, uint64_t size)
{
	uint32_t first = 0, count = t->host_count; /* the first that begins behind the address is one of so many */

	while (count) {
		uint32_t half = count / 2;
		bool before = t->host[first + half].begin <= address;

		first += before ? half + 1 : 0;
		count = before ? count - half - 1 : half;
	}
	return first && address < t->host[first - 1].end && size <= t->host[first - 1].end - address;
}

/* Executes a copy between device and pinned memory; false: it is Go's. */
static bool copying(struct vg_burst *b, copy_function *call, const struct tables *t, const struct copying *r,
		    const uint32_t *changes)
{
	bool in = r->h.opcode == b->copy_in;
	uintptr_t stream;

	if (r->h.size != sizeof(*r) || !r->size || !holds(t, in ? r->src : r->dst, r->size) || !find(b, &t->streams, r->stream, &stream))
		return false;
	if (failed(b, call(r->dst, r->src, r->size, stream), r->h.opcode))
		return true;
	b->submitted++;
	b->bytes_in += in ? r->size : 0;
	b->bytes_out += in ? 0 : r->size;
	if ((r->stream != b->stream && !b->any_stream) || changed(b, changes)) {
		b->noted = r->stream;
		b->noted_key = 0;
		b->noted_bytes = r->size;
		b->stop = BURST_NOTE;
	}
	return true;
}

static bool fence(struct vg_burst *b, write_function *call, const struct tables *t, const struct fence *r)
{
	uintptr_t stream;

	if (r->h.size != sizeof(*r) || r->slot >= VGPU_FENCE_COUNT || !find(b, &t->streams, r->stream, &stream))
		return false;
	b->written[b->fenced].stream = stream;
	b->written[b->fenced].slot = r->slot;
	b->written[b->fenced].value = r->value;
	if (!failed(b, call(stream, b->fences + r->slot * sizeof(uint32_t), r->value, 0), r->h.opcode) && ++b->fenced == BURST_FENCES)
		b->stop = BURST_LONG;
	return true;
}

void vg_burst(struct vg_burst *b, uintptr_t launch_kernel, uintptr_t write_value, uintptr_t htod, uintptr_t dtoh,
	      const unsigned char *functions, uint32_t function_count, const unsigned char *kernels, uint32_t kernel_count,
	      const unsigned char *streams, uint32_t stream_count, const struct vg_extent *host, uint32_t host_count,
	      struct vg_meter *meter, const struct vg_duration *durations, const uint32_t *woken,
	      const uint32_t *changes)
{
	const struct tables tables = { { functions, function_count }, { kernels, kernel_count }, { streams, stream_count },
				       durations, host, host_count };
	/* what lies behind a record's parameters, should the driver look there, is zero or came from the same process */
	static _Thread_local _Alignas(VGPU_LINE) union record r;
	uint64_t bytes;

	b->calls = b->launches = b->submitted = b->fenced = 0;
	b->bytes_in = b->bytes_out = 0;
	b->stop = BURST_EMPTY;
	while (b->stop == BURST_EMPTY) {
		unsigned char *at = (unsigned char *)(b->ring + (b->head & (VGPU_RING_SIZE - 1)));
		bool done = false;

		if (!word(at)) {
			publish(b);
			if (!await(b, meter, at, woken, changes))
				return;
		}
		if (word(woken) || changed(b, changes)) {
			b->stop = BURST_OTHER;
			return;
		}
		if (copy(b, at, &r, &bytes)) {
			if (r.h.opcode == b->launch || r.h.opcode == b->launch_kernel)
				done = launch(b, meter, (launch_function *)launch_kernel, &tables, &r.launch, changes);
			else if (r.h.opcode == b->fence)
				done = fence(b, (write_function *)write_value, &tables, &r.fence);
			else if ((r.h.opcode == b->copy_in || r.h.opcode == b->copy_out) && !meter)
				done = copying(b, (copy_function *)(r.h.opcode == b->copy_in ? htod : dtoh), &tables, &r.copying, changes);
		}
		if (!done) {
			b->stop = BURST_OTHER;
			return;
		}
		advance(b, at, bytes);
		if (b->stop == BURST_EMPTY && b->calls == RECORDS_MOST)
			b->stop = BURST_LONG;
	}
}
