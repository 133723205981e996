/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The few calls of the driver's resource manager that channel groups need, as a process makes them on /dev/nvidiactl.
 *
 * Numbers and layouts are those of NVIDIA's open kernel modules, the same in 570, 580, 590 and 595: nv_escape.h and nv-ioctl-numbers.h
 * (escapes), nvos.h (what an escape carries), ctrla06c.h (controls of a channel group), ctrl2080fifo.h (of a subdevice),
 * cl2080_notification.h (engines). Who may ask for what is in their tables of controls (g_kernel_channel_group_api_nvoc.c,
 * g_subdevice_nvoc.c): all but SET_INTERLEAVE_LEVEL are for any process that owns the group; that one needs CAP_SYS_NICE or
 * CAP_SYS_ADMIN. Where the GPU's own firmware (GSP) does the scheduling, which is so on Hopper, the kernel module only passes them on;
 * GET_TIMESLICE alone is answered by the kernel module, with what was last set, and says nothing of what the hardware does.
 */
#ifndef RM_CALLS_H
#define RM_CALLS_H

#include <stdint.h>
#include <sys/ioctl.h>

#define RM_MAGIC 'F'
#define RM_ESCAPE_FREE 0x29
#define RM_ESCAPE_CONTROL 0x2a
#define RM_ESCAPE_ALLOC 0x2b
#define RM_ESCAPE_TRANSFER 211 /* another escape, whose bytes lie elsewhere */

#define RM_CLASS_SUBDEVICE 0x2080
#define RM_CLASS_CHANNEL_GROUP 0xa06c
#define RM_CLASS_IS_CHANNEL(class) (((class) & 0xff) == 0x6f) /* a06f ... c86f (Hopper), c96f, ca6f */

#define RM_GROUP_SCHEDULE 0xa06c0101
#define RM_GROUP_SET_TIMESLICE 0xa06c0103
#define RM_GROUP_GET_TIMESLICE 0xa06c0104
#define RM_GROUP_PREEMPT 0xa06c0105
#define RM_GROUP_SET_INTERLEAVE 0xa06c0107
#define RM_SUBDEVICE_DISABLE_CHANNELS 0x2080110b

/* what a call's status may be; nvstatuscodes.h */
#define RM_STATUS_INVALID_CLIENT 0x23
#define RM_STATUS_INVALID_OBJECT_HANDLE 0x33
#define RM_STATUS_OBJECT_NOT_FOUND 0x57

#define RM_ENGINE_GRAPHICS 1 /* kernels run on it; 9 and more copy */

#define RM_ALLOC_FLAG_SERIALIZED 1

struct rm_free {
	uint32_t client, parent, object, status;
};

/* An allocation has one of two sizes, which begin alike. */
struct rm_alloc {
	uint32_t client, parent, object, class;
	uint64_t parameters;
	uint32_t parameters_size, status;
};

struct rm_alloc_with_rights {
	uint32_t client, parent, object, class;
	uint64_t parameters, rights;
	uint32_t parameters_size, flags, status;
};

struct rm_control {
	uint32_t client, object, command, flags;
	uint64_t parameters;
	uint32_t parameters_size, status;
};

struct rm_transfer {
	uint32_t escape, size;
	uint64_t address;
};

/* parameters of an allocation of a channel group */
struct rm_group_parameters {
	uint32_t error, ecc_error, address_space, engine;
	uint8_t of_vgpu_plugin;
};

struct rm_timeslice {
	uint64_t microseconds;
};

struct rm_interleave {
	uint32_t level; /* 0 low, 1 medium, which is the default, 2 high */
};

struct rm_preempt {
	uint8_t wait, own_timeout;
	uint32_t timeout_us;
};

struct rm_schedule {
	uint8_t enable, skip_submit, skip_enable;
};

#define RM_MOST_CHANNELS 64
struct rm_disable_channels {
	uint8_t disable;
	uint32_t count;
	uint8_t leave_running, rewind;
	uint64_t event __attribute__((aligned(8)));
	uint32_t clients[RM_MOST_CHANNELS], channels[RM_MOST_CHANNELS];
};

_Static_assert(sizeof(struct rm_free) == 16, "size is part of the call");
_Static_assert(sizeof(struct rm_alloc) == 32, "size is part of the call");
_Static_assert(sizeof(struct rm_alloc_with_rights) == 48, "size is part of the call");
_Static_assert(sizeof(struct rm_control) == 32, "size is part of the call");
_Static_assert(sizeof(struct rm_transfer) == 16, "size is part of the call");
_Static_assert(sizeof(struct rm_preempt) == 8, "size is part of the call");
_Static_assert(sizeof(struct rm_schedule) == 3, "size is part of the call");
_Static_assert(sizeof(struct rm_disable_channels) == 536, "size is part of the call");

#endif
