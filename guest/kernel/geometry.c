// SPDX-License-Identifier: GPL-2.0
/* Reads the window's header once and refuses whatever does not fit. */
#include "vgpu.h"
#include <linux/log2.h>

struct region {
	const char *name;
	u64 start;
	u64 size;
	u64 align;
};

static u32 header_u32(const void *header, unsigned int offset)
{
	return le32_to_cpu(READ_ONCE(*(const __le32 *)(header + offset)));
}

static u64 header_u64(const void *header, unsigned int offset)
{
	return le64_to_cpu(READ_ONCE(*(const __le64 *)(header + offset)));
}

static int check_value(struct device *dev, const char *name, u64 value, u64 want)
{
	if (value == want)
		return 0;
	dev_err(dev, "window header: %s is %llu, layout version %u has %llu\n",
		name, value, VGPU_LAYOUT_VERSION, want);
	return -ENODEV;
}

static int check_regions(struct device *dev, const struct region *regions,
			 unsigned int count, u64 window_size)
{
	unsigned int i, j;

	for (i = 0; i < count; i++) {
		const struct region *r = &regions[i];

		if (!IS_ALIGNED(r->start, r->align)) {
			dev_err(dev, "window header: %s at %#llx is not aligned to %#llx\n",
				r->name, r->start, r->align);
			return -ENODEV;
		}
		if (r->size > window_size || r->start > window_size - r->size) {
			dev_err(dev, "window header: %s at %#llx + %#llx passes the window's %#llx bytes\n",
				r->name, r->start, r->size, window_size);
			return -ENODEV;
		}
		for (j = 0; j < i; j++) {
			const struct region *o = &regions[j];

			if (r->start >= o->start + o->size ||
			    o->start >= r->start + r->size)
				continue;
			dev_err(dev, "window header: %s at %#llx overlaps %s at %#llx\n",
				r->name, r->start, o->name, o->start);
			return -ENODEV;
		}
	}
	return 0;
}

/*
 * Returns -ENODEV, silently if the magic says that this is somebody else's
 * ivshmem device and with a message if it is ours and unusable.
 */
int vgpu_geometry_read(struct device *dev, const void *header, u64 bar_size,
		       struct vgpu_geometry *g)
{
	u32 version, channel_size, chunk_size, description_size;
	int err;

	if (header_u64(header, VGPU_HDR_MAGIC) != VGPU_MAGIC)
		return -ENODEV;

	version = header_u32(header, VGPU_HDR_VERSION);
	if (version != VGPU_LAYOUT_VERSION) {
		dev_err(dev, "the host's window has layout version %u, this module knows version %u: update the older side\n",
			version, VGPU_LAYOUT_VERSION);
		return -ENODEV;
	}

	g->window_size = header_u64(header, VGPU_HDR_WINDOW_SIZE);
	g->channel_count = header_u32(header, VGPU_HDR_CHANNEL_COUNT);
	g->channels = header_u64(header, VGPU_HDR_CHANNELS);
	g->arena = header_u64(header, VGPU_HDR_ARENA);
	g->chunk_count = header_u32(header, VGPU_HDR_CHUNK_COUNT);
	g->control = header_u64(header, VGPU_HDR_CONTROL);
	g->chunk_table = header_u64(header, VGPU_HDR_CHUNK_TABLE);
	g->description = header_u64(header, VGPU_HDR_DESCRIPTION);
	channel_size = header_u32(header, VGPU_HDR_CHANNEL_SIZE);
	chunk_size = header_u32(header, VGPU_HDR_CHUNK_SIZE);
	description_size = header_u32(header, VGPU_HDR_DESCRIPTION_SIZE);

	if (g->window_size != bar_size || !is_power_of_2(bar_size)) {
		dev_err(dev, "window header: window size is %#llx, BAR2 has %#llx bytes\n",
			g->window_size, bar_size);
		return -ENODEV;
	}
	if (!g->channel_count || g->channel_count > VGPU_MAX_CHANNELS) {
		dev_err(dev, "window header: %u channels, not 1 to %u\n",
			g->channel_count, VGPU_MAX_CHANNELS);
		return -ENODEV;
	}
	err = check_value(dev, "channel size", channel_size, VGPU_CHANNEL_SIZE);
	if (!err)
		err = check_value(dev, "chunk size", chunk_size, VGPU_CHUNK_SIZE);
	if (!err)
		err = check_value(dev, "description size", description_size,
				  VGPU_DESCRIPTION_SIZE);
	if (err)
		return err;

	{
		/* the products cannot overflow: both factors are below 2^32 */
		const struct region regions[] = {
			{ "header", 0, PAGE_SIZE, PAGE_SIZE },
			{ "control table", g->control,
			  (u64)g->channel_count * VGPU_CTL_ENTRY_SIZE, VGPU_CTL_ENTRY_SIZE },
			{ "chunk table", g->chunk_table,
			  (u64)g->chunk_count * sizeof(__le32), sizeof(__le32) },
			{ "description", g->description, VGPU_DESCRIPTION_SIZE, PAGE_SIZE },
			{ "channels", g->channels,
			  (u64)g->channel_count * VGPU_CHANNEL_SIZE, PAGE_SIZE },
			{ "arena", g->arena,
			  (u64)g->chunk_count * VGPU_CHUNK_SIZE, VGPU_CHUNK_SIZE },
		};

		return check_regions(dev, regions, ARRAY_SIZE(regions), g->window_size);
	}
}
