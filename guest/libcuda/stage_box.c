// SPDX-License-Identifier: Apache-2.0
/* Boxes of pageable memory: as many rows as a buffer holds travel together. */
#include <string.h>

#include "capture.h"
#include "copy_box.h"
#include "fence.h"
#include "stage.h"
#include "stream.h"

/* A part of the box that fits into a buffer: some rows of a plane, or a part of a row. */
struct piece {
	size_t x, y, z, width, rows;
};

static size_t least(size_t a, size_t b)
{
	return a < b ? a : b;
}

/* The first piece at p's place; false at the end. */
static bool fit(struct piece *p, const struct vg_box *box)
{
	if (p->z == box->depth)
		return false;
	p->width = least(box->width - p->x, VG_STAGE_PIECE);
	p->rows = box->width <= VG_STAGE_PIECE ? least(box->height - p->y, VG_STAGE_PIECE / box->width) : 1;
	return true;
}

static bool advance(struct piece *p, const struct vg_box *box)
{
	p->x += p->width;
	if (p->x == box->width) {
		p->x = 0;
		p->y += p->rows;
	}
	if (p->y == box->height) {
		p->y = 0;
		p->z++;
	}
	return fit(p, box);
}

static uint8_t *row_of(const struct vg_box_end *host, const struct piece *p, size_t row)
{
	return (uint8_t *)(uintptr_t)vg_box_at(host, p->x, p->y + row, p->z).address;
}

static int post(struct vg_thread *t, const struct vg_box_end *gpu, const struct vg_stage_buffer *b, bool to_gpu,
		const struct piece *p, struct vg_stream *s)
{
	struct vg_box_end there = vg_box_at(gpu, p->x, p->y, p->z);
	struct vg_box_end here = {
		.place = VG_PLACE_PINNED,
		.address = (uint64_t)(uintptr_t)b->data,
		.pitch = p->width,
		.slice = p->width * p->rows,
	};
	struct vg_box box = { p->width, p->rows, 1 };

	return to_gpu ? vg_box_post(t, &there, &here, &box, s) : vg_box_post(t, &here, &there, &box, s);
}

static int send(struct vg_thread *t, const struct vg_box_end *dst, const struct vg_box_end *src,
		const struct vg_box *box, struct vg_stream *s)
{
	struct piece p = { 0 };
	int result = 0;

	for (bool more = fit(&p, box); more && !result; more = advance(&p, box)) {
		struct vg_stage_buffer *b;

		result = vg_stage_take(t, &b);
		if (result)
			break;
		for (size_t row = 0; row < p.rows; row++)
			memcpy(b->data + row * p.width, row_of(src, &p, row), p.width);
		result = post(t, dst, b, true, &p, s);
		if (!result)
			result = vg_stage_in_use(t, b, s);
		vg_stage_leave(b);
	}
	return result;
}

/* As many pieces as there are buffers are under way, once the first has come, while earlier ones are unpacked. */
static int receive(struct vg_thread *t, const struct vg_box_end *dst, const struct vg_box_end *src,
		   const struct vg_box *box, struct vg_stream *s)
{
	struct vg_stage_buffer *queue[VG_STAGE_BUFFERS], *b = NULL;
	struct piece asked = { 0 }, got = { 0 };
	unsigned int ahead = vg_stage_ahead(VG_STAGE_BUFFERS), most = ahead, first = 0, count = 0;
	bool more = fit(&asked, box);
	int result = 0;

	if (!ahead) {
		result = vg_stream_wait(t, s);
		most = VG_STAGE_BUFFERS;
	}
	fit(&got, box);
	while (!result && (more || count)) {
		if (!count)
			result = vg_stage_take(t, &b);
		for (; more && count < most && !result && (b || (b = vg_stage_try(t))); b = NULL) {
			result = post(t, src, b, false, &asked, s);
			if (!result)
				result = vg_stage_in_use(t, b, s);
			queue[(first + count++) % VG_STAGE_BUFFERS] = b;
			more = advance(&asked, box);
		}
		if (!result)
			result = vg_fence_wait(t, queue[first]->slot, queue[first]->value, s, false);
		if (result)
			break;
		vg_stage_came(ahead);
		ahead = 0;
		most = VG_STAGE_BUFFERS;
		for (size_t row = 0; row < got.rows; row++)
			memcpy(row_of(dst, &got, row), queue[first]->data + row * got.width, got.width);
		vg_stage_leave(queue[first]);
		advance(&got, box);
		first = (first + 1) % VG_STAGE_BUFFERS;
		count--;
	}
	vg_stage_came(ahead);
	return result ? result : vg_channel_async(t->channel);
}

/* Without room in the arena data still travels to the device, row by row inside records. */
static int by_rows(struct vg_thread *t, const struct vg_box_end *dst, const struct vg_box_end *src,
		   const struct vg_box *box, struct vg_stream *s, bool complete)
{
	int result = 0;

	for (size_t z = 0; z < box->depth && !result; z++)
		for (size_t y = 0; y < box->height && !result; y++)
			result = vg_copy(t, vg_box_at(dst, 0, y, z).address, dst->place,
					 vg_box_at(src, 0, y, z).address, src->place, box->width, s, complete);
	return result;
}

int vg_box_stage(struct vg_thread *t, const struct vg_box_end *dst, const struct vg_box_end *src,
		 const struct vg_box *box, struct vg_stream *s, bool complete)
{
	bool to_gpu = src->place == VG_PLACE_PAGEABLE;
	int result = vg_capture_break(s);

	if (!result)
		result = vg_stage_begin(t);
	if (result == CUDA_ERROR_OUT_OF_MEMORY && to_gpu && dst->place == VG_PLACE_DEVICE)
		return by_rows(t, dst, src, box, s, complete);
	if (result)
		return result;
	result = to_gpu ? send(t, dst, src, box, s) : receive(t, dst, src, box, s);
	return result || !to_gpu || !complete ? result : vg_stream_wait(t, s);
}
