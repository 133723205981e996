// SPDX-License-Identifier: GPL-2.0
/*
 * The guest's half of the control table. A channel goes FREE, OPEN, START,
 * CLOSED, and back to FREE once the host says that it cleaned this generation.
 */
#include "vgpu.h"
#include <linux/cred.h>
#include <linux/jiffies.h>
#include <linux/sched.h>
#include <linux/string.h>
#include <linux/uidgid.h>

/* How long open waits for the host to clean a channel that was just closed. */
#define OPEN_WAIT_MS	2000

static u64 entry(const struct vgpu_channel *chan)
{
	return chan->vdev->geometry.control + (u64)chan->index * VGPU_CTL_ENTRY_SIZE;
}

static void set_state(struct vgpu_channel *chan, u32 state)
{
	chan->state = state;
	vgpu_store(chan->vdev, entry(chan) + VGPU_CTL_GUEST_STATE, state);
}

/* The host's state in the low half and the generation it speaks of in the high. */
static u64 host_half(const struct vgpu_channel *chan)
{
	BUILD_BUG_ON(VGPU_CTL_HOST_GENERATION != VGPU_CTL_HOST_STATE + 4);
	return vgpu_load_pair(chan->vdev, entry(chan) + VGPU_CTL_HOST_STATE);
}

/*
 * Takes over the table as an earlier driver left it: a guest that was reset
 * closed nothing, so whatever is not FREE is closed now.
 */
void vgpu_channels_adopt(struct vgpu_device *vdev)
{
	u32 i;

	for (i = 0; i < vdev->geometry.channel_count; i++) {
		struct vgpu_channel *chan = &vdev->channels[i];

		chan->vdev = vdev;
		chan->index = i;
		init_waitqueue_head(&chan->wait);
		chan->generation = vgpu_load(vdev, entry(chan) + VGPU_CTL_GUEST_GENERATION);
		chan->state = VGPU_GUEST_FREE;
		if (vgpu_load(vdev, entry(chan) + VGPU_CTL_GUEST_STATE) != VGPU_GUEST_FREE)
			set_state(chan, VGPU_GUEST_CLOSED);
	}
}

/* Lock held for writing, as in all below unless said. */
void vgpu_channels_reap(struct vgpu_device *vdev)
{
	u32 i;

	for (i = 0; i < vdev->geometry.channel_count; i++) {
		struct vgpu_channel *chan = &vdev->channels[i];

		if (chan->state == VGPU_GUEST_CLOSED &&
		    host_half(chan) == ((u64)chan->generation << 32 | VGPU_HOST_FREE))
			set_state(chan, VGPU_GUEST_FREE);
	}
}

static void close_channel(struct vgpu_channel *chan)
{
	vgpu_chunks_return(chan, 0, chan->vdev->geometry.chunk_count);
	set_state(chan, VGPU_GUEST_CLOSED);
}

/* The device goes away: the host hears that all is closed, the processes get -ENODEV. */
void vgpu_channels_kill(struct vgpu_device *vdev)
{
	u32 i;

	for (i = 0; i < vdev->geometry.channel_count; i++) {
		struct vgpu_channel *chan = &vdev->channels[i];

		if (chan->state == VGPU_GUEST_OPEN || chan->state == VGPU_GUEST_START)
			close_channel(chan);
		wake_up_all(&chan->wait);
	}
	vgpu_ring(vdev, VGPU_VECTOR_CONTROL);
	atomic_inc(&vdev->control_interrupts);
	wake_up_all(&vdev->control_wait);
}

/* The host punches a channel before it is free again, so it reads as zero. */
static void clear_channel(struct vgpu_channel *chan)
{
	struct vgpu_device *vdev = chan->vdev;
	void *pages = vdev->window + vdev->geometry.channels +
		      (u64)chan->index * VGPU_CHANNEL_SIZE;

	if (!memchr_inv(pages, 0, VGPU_CH_FENCES))
		return;
	dev_warn_ratelimited(&vdev->dev, "the host left channel %u dirty, clearing it\n",
			     chan->index);
	memset(pages, 0, VGPU_CHANNEL_SIZE);
}

static void take_channel(struct vgpu_channel *chan)
{
	struct vgpu_device *vdev = chan->vdev;
	char comm[TASK_COMM_LEN] = {};

	clear_channel(chan);
	chan->generation++;
	get_task_comm(comm, current->group_leader);
	BUILD_BUG_ON(sizeof(comm) != VGPU_CTL_HOST_STATE - VGPU_CTL_COMM);
	memcpy(vdev->window + entry(chan) + VGPU_CTL_COMM, comm, sizeof(comm));
	vgpu_store(vdev, entry(chan) + VGPU_CTL_PID, task_tgid_nr(current));
	vgpu_store(vdev, entry(chan) + VGPU_CTL_UID,
		   from_kuid(&init_user_ns, current_uid()));
	vgpu_store(vdev, entry(chan) + VGPU_CTL_GUEST_GENERATION, chan->generation);
	set_state(chan, VGPU_GUEST_OPEN);
}

/* ERR_PTR: -EAGAIN if the host still cleans a channel, -EBUSY if all are in use. */
static struct vgpu_channel *find_channel(struct vgpu_device *vdev)
{
	bool cleaning = false;
	u32 i;

	if (vdev->dead)
		return ERR_PTR(-ENODEV);
	vgpu_channels_reap(vdev);
	for (i = 0; i < vdev->geometry.channel_count; i++) {
		struct vgpu_channel *chan = &vdev->channels[i];

		if (chan->state == VGPU_GUEST_FREE && (u32)host_half(chan) == VGPU_HOST_FREE)
			return chan;
		cleaning |= chan->state == VGPU_GUEST_CLOSED;
	}
	return ERR_PTR(cleaning ? -EAGAIN : -EBUSY);
}

/*
 * Takes no lock held. ERR_PTR(-EBUSY) when every channel is in use, or is still
 * being cleaned by the host after a wait, which O_NONBLOCK leaves out.
 */
struct vgpu_channel *vgpu_channel_open(struct vgpu_device *vdev, bool nonblock)
{
	unsigned long deadline = jiffies + msecs_to_jiffies(OPEN_WAIT_MS);
	struct vgpu_channel *chan;
	int seen, err;

	for (;;) {
		seen = atomic_read(&vdev->control_interrupts);
		down_write(&vdev->lock);
		chan = find_channel(vdev);
		if (!IS_ERR(chan))
			take_channel(chan);
		up_write(&vdev->lock);
		if (chan != ERR_PTR(-EAGAIN) || nonblock || time_after(jiffies, deadline))
			break;
		err = vgpu_control_wait(vdev, seen);
		if (err)
			return ERR_PTR(err);
	}
	if (chan == ERR_PTR(-EBUSY) || chan == ERR_PTR(-EAGAIN)) {
		dev_notice_ratelimited(&vdev->dev, "%s[%d] refused: all %u channels are %s\n",
				       current->comm, task_tgid_nr(current),
				       vdev->geometry.channel_count,
				       chan == ERR_PTR(-EBUSY) ? "in use" :
				       "in use or not yet cleaned by the host");
		return ERR_PTR(-EBUSY);
	}
	return chan;
}

/* Takes no lock held. May be repeated. */
int vgpu_channel_start(struct vgpu_channel *chan)
{
	struct vgpu_device *vdev = chan->vdev;
	int err = 0;

	down_write(&vdev->lock);
	if (vdev->dead) {
		err = -ENODEV;
	} else if (chan->state == VGPU_GUEST_OPEN) {
		set_state(chan, VGPU_GUEST_START);
		vgpu_ring(vdev, VGPU_VECTOR_CONTROL);
	}
	up_write(&vdev->lock);
	return err;
}

/* Takes no lock held. Last reference: no mapping of the channel is left. */
void vgpu_channel_close(struct vgpu_channel *chan)
{
	struct vgpu_device *vdev = chan->vdev;

	down_write(&vdev->lock);
	if (!vdev->dead) {
		close_channel(chan);
		vgpu_ring(vdev, VGPU_VECTOR_CONTROL);
	}
	up_write(&vdev->lock);
}
