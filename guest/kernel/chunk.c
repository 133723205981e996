// SPDX-License-Identifier: GPL-2.0
/*
 * Who has which chunk of the arena. The table in the window only tells the
 * host; what this driver believes is in vgpu_device.chunks. A chunk that was
 * returned is free again when the host has stored 0 in its table entry.
 */
#include "vgpu.h"
#include <linux/jiffies.h>

/* How long ALLOC waits for chunks that the host is about to free. */
#define ALLOC_WAIT_MS	1000

static u64 entry(const struct vgpu_device *vdev, u32 chunk)
{
	return vdev->geometry.chunk_table + (u64)chunk * sizeof(__le32);
}

static u8 owner_of(const struct vgpu_channel *chan)
{
	BUILD_BUG_ON(VGPU_MAX_CHANNELS + 1 >= VGPU_CHUNK_WITH_HOST);
	return chan->index + 1;
}

/* What an earlier driver handed out goes back to the host. */
void vgpu_chunks_adopt(struct vgpu_device *vdev)
{
	u32 i;

	for (i = 0; i < vdev->geometry.chunk_count; i++) {
		u32 value = vgpu_load(vdev, entry(vdev, i));

		vdev->chunks[i] = VGPU_CHUNK_FREE;
		if (!value)
			continue;
		vdev->chunks[i] = VGPU_CHUNK_WITH_HOST;
		vgpu_store(vdev, entry(vdev, i), value | VGPU_CHUNK_RETURNED);
	}
}

/* Lock held for writing. The channel's chunks among count from first on. */
void vgpu_chunks_return(struct vgpu_channel *chan, u32 first, u32 count)
{
	struct vgpu_device *vdev = chan->vdev;
	u8 owner = owner_of(chan);
	u32 i;

	for (i = first; i < first + count; i++) {
		if (vdev->chunks[i] != owner)
			continue;
		vdev->chunks[i] = VGPU_CHUNK_WITH_HOST;
		vgpu_store(vdev, entry(vdev, i), owner | VGPU_CHUNK_RETURNED);
	}
}

/* Lock held. offset and size in bytes from the start of the arena. */
bool vgpu_chunks_owned(const struct vgpu_channel *chan, u64 offset, u64 size)
{
	const struct vgpu_device *vdev = chan->vdev;
	u64 arena_size = (u64)vdev->geometry.chunk_count * VGPU_CHUNK_SIZE;
	u64 i;

	if (!size || size > arena_size || offset > arena_size - size)
		return false;
	for (i = offset / VGPU_CHUNK_SIZE; i <= (offset + size - 1) / VGPU_CHUNK_SIZE; i++)
		if (vdev->chunks[i] != owner_of(chan))
			return false;
	return true;
}

/*
 * Start of the first run of count free chunks; -EAGAIN if there is one once the
 * host has freed what was returned to it, -ENOMEM if not even then.
 */
static s64 find_run(struct vgpu_device *vdev, u32 count)
{
	u32 free = 0, hoped = 0, i;
	bool hope = false;

	for (i = 0; i < vdev->geometry.chunk_count; i++) {
		u8 *chunk = &vdev->chunks[i];

		if (*chunk == VGPU_CHUNK_WITH_HOST && !vgpu_load(vdev, entry(vdev, i)))
			*chunk = VGPU_CHUNK_FREE;
		free = *chunk == VGPU_CHUNK_FREE ? free + 1 : 0;
		hoped = free || *chunk == VGPU_CHUNK_WITH_HOST ? hoped + 1 : 0;
		if (free == count)
			return i + 1 - count;
		hope |= hoped >= count;
	}
	return hope ? -EAGAIN : -ENOMEM;
}

static s64 take_run(struct vgpu_channel *chan, u32 count)
{
	struct vgpu_device *vdev = chan->vdev;
	s64 first;
	u32 i;

	if (vdev->dead)
		return -ENODEV;
	first = find_run(vdev, count);
	if (first < 0)
		return first;
	for (i = first; i < first + count; i++) {
		vdev->chunks[i] = owner_of(chan);
		vgpu_store(vdev, entry(vdev, i), owner_of(chan));
	}
	return first;
}

/*
 * Takes no lock held. offset: out, bytes from the start of the arena. -ENOMEM
 * if there is no such run, -ERESTARTSYS on a signal while waiting for the host.
 */
int vgpu_chunks_alloc(struct vgpu_channel *chan, u32 count, u64 *offset)
{
	struct vgpu_device *vdev = chan->vdev;
	unsigned long deadline = jiffies + msecs_to_jiffies(ALLOC_WAIT_MS);
	int seen, err;
	s64 first;

	if (!count)
		return -EINVAL;
	for (;;) {
		seen = atomic_read(&vdev->control_interrupts);
		down_write(&vdev->lock);
		first = take_run(chan, count);
		up_write(&vdev->lock);
		if (first != -EAGAIN)
			break;
		if (time_after(jiffies, deadline))
			return -ENOMEM;
		err = vgpu_control_wait(vdev, seen);
		if (err)
			return err;
	}
	if (first < 0)
		return first;
	*offset = (u64)first * VGPU_CHUNK_SIZE;
	return 0;
}

/* Takes no lock held. -EINVAL, and nothing freed, unless all of them are the channel's. */
int vgpu_chunks_free(struct vgpu_channel *chan, u32 count, u64 offset)
{
	struct vgpu_device *vdev = chan->vdev;
	u64 size = (u64)count * VGPU_CHUNK_SIZE;
	int err = 0;

	down_write(&vdev->lock);
	if (vdev->dead) {
		err = -ENODEV;
	} else if (offset % VGPU_CHUNK_SIZE || !vgpu_chunks_owned(chan, offset, size)) {
		err = -EINVAL;
	} else {
		/* no new page of it is inserted while the lock is held */
		vgpu_unmap(vdev, VGPU_MMAP_ARENA + offset, size);
		vgpu_chunks_return(chan, offset / VGPU_CHUNK_SIZE, count);
		vgpu_ring(vdev, VGPU_VECTOR_CONTROL);
	}
	up_write(&vdev->lock);
	return err;
}
