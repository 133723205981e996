/* SPDX-License-Identifier: GPL-2.0 OR Apache-2.0 */
/*
 * Layout of a domain's shared window, version 1.
 *
 * The window is one memfd per domain. The guest sees it as BAR2 of its
 * ivshmem-doorbell device. Everything is little endian; offsets are bytes from
 * the start of the window, of a channel or of a record as the name says.
 * Go's mirror of this file is plugin/window/layout.go; a test keeps them equal.
 */
#ifndef VGPU_LAYOUT_H
#define VGPU_LAYOUT_H

/* Header page, written once by the host before the guest can see the window. */
#define VGPU_MAGIC			0x314e495755504756ULL	/* "VGPUWIN1" */
#define VGPU_LAYOUT_VERSION		1
#define VGPU_HDR_MAGIC			0	/* u64 */
#define VGPU_HDR_VERSION		8	/* u32 */
#define VGPU_HDR_FEATURES		12	/* u32, none defined */
#define VGPU_HDR_WINDOW_SIZE		16	/* u64, power of two */
#define VGPU_HDR_CHANNEL_COUNT		24	/* u32, 1..VGPU_MAX_CHANNELS */
#define VGPU_HDR_CHANNEL_SIZE		28	/* u32, VGPU_CHANNEL_SIZE */
#define VGPU_HDR_CHANNELS		32	/* u64, offset of channel 0 */
#define VGPU_HDR_ARENA			40	/* u64, offset of chunk 0, 2 MiB aligned */
#define VGPU_HDR_CHUNK_COUNT		48	/* u32 */
#define VGPU_HDR_CHUNK_SIZE		52	/* u32, VGPU_CHUNK_SIZE */
#define VGPU_HDR_CONTROL		56	/* u64, offset of the control table */
#define VGPU_HDR_CHUNK_TABLE		64	/* u64, offset of the chunk table */
#define VGPU_HDR_DESCRIPTION		72	/* u64, offset of the description */
#define VGPU_HDR_DESCRIPTION_SIZE	80	/* u32, VGPU_DESCRIPTION_SIZE */

#define VGPU_MAX_CHANNELS		64
#define VGPU_CHUNK_SIZE			0x200000
#define VGPU_DESCRIPTION_SIZE		0x4000

/*
 * Control table: one entry per channel, seen by the guest kernel (or the
 * host-process server that plays its part) and by mediatord, never by guest
 * processes. Each side writes its own half; state is level triggered: vector 0
 * only says "look again".
 */
#define VGPU_CTL_ENTRY_SIZE		64
#define VGPU_CTL_GUEST_STATE		0	/* u32, VGPU_GUEST_* */
#define VGPU_CTL_GUEST_GENERATION	4	/* u32, +1 at each open */
#define VGPU_CTL_PID			8	/* u32, as the guest numbers it */
#define VGPU_CTL_UID			12	/* u32 */
#define VGPU_CTL_COMM			16	/* char[16], NUL padded */
#define VGPU_CTL_HOST_STATE		32	/* u32, VGPU_HOST_* */
#define VGPU_CTL_HOST_GENERATION	36	/* u32, the generation HOST_STATE speaks of */

#define VGPU_GUEST_FREE			0	/* nobody has the channel open */
#define VGPU_GUEST_OPEN			1	/* open, no executor wanted yet */
#define VGPU_GUEST_START		2	/* open, wants an executor */
#define VGPU_GUEST_CLOSED		3	/* process gone; host must clean up */

#define VGPU_HOST_FREE			0	/* nothing on the host side; clean */
#define VGPU_HOST_STARTING		1
#define VGPU_HOST_READY			2	/* executor consumes the ring */
#define VGPU_HOST_FAILED		3	/* no executor; reason in the channel */

/*
 * Chunk table: one u32 per chunk, same writers as the control table. The guest
 * side sets the owner when it hands a chunk out and RETURNED when the process
 * gives it back or dies; the host punches the chunk out of the memfd (so it
 * reads as zero) and stores 0. A chunk is free only at 0.
 */
#define VGPU_CHUNK_OWNER_MASK		0xffff	/* channel number + 1 */
#define VGPU_CHUNK_RETURNED		0x80000000U

/*
 * Channel. The guest process maps its own channel whole and the executor maps
 * the same pages; each field names its one writer.
 */
#define VGPU_CHANNEL_SIZE		0x100000
#define VGPU_CH_HEAD			0x000	/* u64, executor: bytes consumed so far */
#define VGPU_CH_TAIL			0x040	/* u64, process (compare and swap): bytes reserved so far */
#define VGPU_CH_SLEEPING		0x080	/* u32, executor: 1 = ring the doorbell after a commit */
#define VGPU_CH_STATE			0x0c0	/* u32, mediatord: VGPU_HOST_* */
#define VGPU_CH_FAILURE			0x0c4	/* u32, mediatord: CUresult to answer once FAILED */
#define VGPU_CH_STICKY			0x100	/* u32, executor: CUresult of the first fault that killed the context, 0 = none */
#define VGPU_CH_ASYNC			0x104	/* u32, executor: first CUresult of a posted call that failed; process exchanges it to 0 */
#define VGPU_CH_ASYNC_OPCODE		0x108	/* u32, executor: opcode that raised ASYNC */
#define VGPU_CH_PRINTS			0x10c	/* u32, executor: 1 once code that may print is loaded */
#define VGPU_CH_PRINTED			0x110	/* u32, executor: bytes that kernels have printed so far */
#define VGPU_CH_CALLED			0x140	/* u32, executor: callbacks announced so far; one at a time */
#define VGPU_CH_CALL			0x144	/* u32, executor: number of the callback announced last */
#define VGPU_CH_CALL_STATUS		0x148	/* u32, executor: CUresult to pass to it */
#define VGPU_CH_RETURNED		0x180	/* u32, process: announced callbacks that have returned */
#define VGPU_CH_MESSAGE			0x400	/* char[1024], NUL terminated, why the channel FAILED */
#define VGPU_CH_MESSAGE_SIZE		1024
#define VGPU_CH_FENCES			0x1000	/* u32[VGPU_FENCE_COUNT], GPU or executor */
#define VGPU_FENCE_COUNT		4096
#define VGPU_CH_REPLIES			0x10000	/* VGPU_REPLY_COUNT slots */
#define VGPU_REPLY_COUNT		64
#define VGPU_REPLY_SIZE			0x1000
#define VGPU_CH_RING			0x80000
#define VGPU_RING_SIZE			0x80000	/* power of two */

/*
 * Record: starts on a 64 byte line at (position % VGPU_RING_SIZE) and may wrap;
 * both sides map the ring twice in a row, so a record is always contiguous.
 * The producer reserves lines by compare and swap on TAIL while (tail + size -
 * HEAD) <= VGPU_RING_SIZE, fills everything but REC_SIZE, then stores REC_SIZE
 * with release order. A first word of 0 means "not committed"; the executor
 * zeroes the first word of every line of a record before it advances HEAD.
 */
#define VGPU_LINE			64
#define VGPU_REC_SIZE			0	/* u32, whole record in bytes without padding, 24..VGPU_REC_MAX */
#define VGPU_REC_OPCODE			4	/* u16 */
#define VGPU_REC_REPLY			6	/* u16, reply slot or VGPU_NO_REPLY */
#define VGPU_REC_SEQ			8	/* u32, echoed in the reply */
#define VGPU_REC_THREAD			12	/* u32, guest thread number: capture mode is per thread */
#define VGPU_REC_CTX			16	/* u32, context id current in the thread, 0 = none */
#define VGPU_REC_RESERVED		20	/* u32, 0 */
#define VGPU_REC_PAYLOAD		24
#define VGPU_REC_MAX			0x10000
#define VGPU_NO_REPLY			0xffff

/*
 * Reply slot, held by one guest thread for one call. The executor writes RESULT,
 * LENGTH and the data, then SEQ with release order.
 */
#define VGPU_REP_SEQ			0	/* u32, equals the record's SEQ when done */
#define VGPU_REP_RESULT			4	/* u32, CUresult */
#define VGPU_REP_LENGTH			8	/* u32, bytes of data */
#define VGPU_REP_DATA			16
#define VGPU_REP_DATA_MAX		(VGPU_REPLY_SIZE - VGPU_REP_DATA)

/*
 * Address ranges that the guest process reserves PROT_NONE at start and that
 * the executor keeps free: device addresses, and host memory that the GPU
 * sees (arena chunks), which has the same address on both sides. They are here
 * unless both sides have agreed on other places (place_ranges).
 */
#define VGPU_DEVICE_BASE		0x300000000000ULL
#define VGPU_DEVICE_SIZE		0x080000000000ULL	/* 8 TiB */
#define VGPU_PINNED_BASE		0x200000000000ULL
#define VGPU_PINNED_SIZE		0x010000000000ULL	/* 1 TiB */
#define VGPU_TAKEN_DEVICE		1	/* bits of place_ranges' answer */
#define VGPU_TAKEN_PINNED		2

/*
 * MSI-X vectors and doorbells: 0 is control, 1 + channel is the channel's own. A
 * device with V < 1 + channels vectors shares them, both ways: channel c then
 * has 1 + c % (V - 1), or 0 if V is 1.
 */
#define VGPU_VECTOR_CONTROL		0
#define VGPU_PEER_HOST			0
#define VGPU_PEER_GUEST			1

/*
 * Description: what the shims answer without asking the host. Written by
 * mediatord; guest processes map it read-only. What is neither the description
 * nor one of its parts below reads as 0.
 */
#define VGPU_DESC_VERSION		1
#define VGPU_DESC_ATTRIBUTES		200
struct vgpu_description {
	unsigned int version;		/* VGPU_DESC_VERSION */
	unsigned int device_count;	/* 0 or 1 */
	unsigned int driver_version;	/* cuDriverGetVersion, 13000 */
	unsigned int reserved0;
	char driver_string[32];		/* NVML's, "580.159.04" */
	char name[96];
	unsigned char uuid[16];		/* of the vGPU, derived from the domain's */
	unsigned long long total_memory;	/* the quota */
	unsigned long long used_memory;	/* live, all processes of the domain */
	unsigned int pci_domain, pci_bus, pci_device;	/* host-process mode; a VM uses its own */
	unsigned int pci_device_id, pci_subsystem_id;	/* device << 16 | vendor */
	unsigned int utilization;	/* live, percent of the last second */
	unsigned int temperature;	/* live, degrees C, 0 = unknown */
	unsigned int power_milliwatts;	/* live, 0 = unknown */
	unsigned int vmm_granularity;	/* bytes */
	unsigned int limits[8];		/* cuCtxGetLimit 0..7 defaults, bytes or counts */
	int priority_lowest, priority_highest;	/* stream priorities */
	unsigned int attribute_max;	/* attributes 1..attribute_max are filled */
	struct {
		int value;
		unsigned int result;	/* CUresult of the query on the GPU */
	} attributes[VGPU_DESC_ATTRIBUTES];
};

/* The domain's processes, struct vgpu_process[VGPU_MAX_CHANNELS] by channel, from the start of the description. */
#define VGPU_DESC_PROCESSES		0x1000
struct vgpu_process {
	unsigned int pid;		/* as the guest numbers it; 0 = the channel has no executor */
	unsigned int reserved;
	unsigned long long used_memory;	/* live, bytes on the device */
};

/*
 * u32 from the start of the description: how often mediatord has refreshed what is
 * live, times two, and 1 while it does so no more, since nothing in the domain
 * has happened for a while. Who wants to know more then has it look (VGPU_IOC_LOOK,
 * VGPU_SOCKET_LOOK) and waits until the word is another.
 */
#define VGPU_DESC_LOOKS			0x1400
#define VGPU_LOOKS_RESTING		1

#endif
