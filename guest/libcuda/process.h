/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The guest process: whether CUDA is initialised, the description of its
 * device, its channel, its threads.
 */
#ifndef VGPU_PROCESS_H
#define VGPU_PROCESS_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "abi.h"
#include "../include/vgpu_layout.h"

struct vg_channel;
struct vg_context;
struct vg_stream;

struct vg_process {
	_Atomic int result;	/* of cuInit: VG_UNINITIALISED, or a CUresult */
	_Atomic int forked;	/* a child of an initialised parent: every call answers 3 */
	_Atomic int exiting;	/* exit handlers ran: every call answers 4 */
	const struct vgpu_description *description;	/* read-only shared memory of the host */
	int device_count;	/* after CUDA_VISIBLE_DEVICES */
	int launch_blocking;	/* CUDA_LAUNCH_BLOCKING, as it was at cuInit */
	uint32_t pci_domain, pci_bus, pci_device;
	struct vg_channel *channel;	/* opened by cuInit, started by the first context */
};
#define VG_UNINITIALISED (-1)

extern struct vg_process vg_process;

/* A thread of the guest process that has called this library. */
struct vg_thread {
	uint32_t number;		/* unique in the process, from 1 */
	uint32_t sequence;		/* of its records */
	struct vg_channel *channel;
	struct vg_context *current;	/* top of the stack, NULL: none */
	struct vg_context **stack;	/* below the top */
	unsigned int depth, capacity;
	struct vg_stream *per_thread;	/* its CU_STREAM_PER_THREAD of the primary context */
	unsigned int capture_mode;	/* cuThreadExchangeStreamCaptureMode */
	bool in_callback;		/* runs the program's callbacks; has no context and gets none */
};

extern _Thread_local struct vg_thread *vg_self __attribute__((tls_model("initial-exec")));

/* the calling thread's record, made at its first call; NULL: out of memory */
struct vg_thread *vg_thread_new(void);
static inline struct vg_thread *vg_thread_get(void)
{
	return vg_self ? vg_self : vg_thread_new();
}

/* cuInit's work, once. Opens the channel and maps the description. */
int vg_process_init(void);

/* 0 when cuInit has succeeded, else 3 or 4: what a call before, after or in a
 * forked child answers. */
int vg_process_unready(void);
static inline int vg_process_ready(void)
{
	if (__builtin_expect(atomic_load_explicit(&vg_process.forked, memory_order_relaxed) |
			     atomic_load_explicit(&vg_process.exiting, memory_order_relaxed) |
			     atomic_load_explicit(&vg_process.result, memory_order_acquire), 0))
		return vg_process_unready();
	return 0;
}

/* What cuDriverGetVersion answers, also before cuInit: the host's version, at
 * most VG_API_VERSION. The same for the life of the process. */
int vg_process_driver_version(void);
#define VG_API_VERSION 13000	/* the newest CUDA that calls.table knows */

/* Debug lines on stderr if VGPU_LOG is set; never on a hot path. */
void vg_log(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
