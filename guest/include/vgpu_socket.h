/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Host-process mode: the channel without a VM. The process connects to the
 * SOCK_SEQPACKET socket named by VGPU_SOCKET; the connection is the channel,
 * closing it frees the channel. One request, one reply, little endian. A reply
 * that carries another number than the last request is an answer that came twice,
 * because mediatord was started again meanwhile; it counts for nothing. LOOK has no
 * reply.
 */
#ifndef VGPU_SOCKET_H
#define VGPU_SOCKET_H

#include <stdint.h>

#define VGPU_SOCKET_MAGIC	0x56475055u	/* in every message */
#define VGPU_SOCKET_OPEN	1	/* reply carries window memfd, doorbell eventfd, interrupt eventfd */
#define VGPU_SOCKET_START	2
#define VGPU_SOCKET_ALLOC	3	/* count in, offset out */
#define VGPU_SOCKET_FREE	4	/* count, offset in */
#define VGPU_SOCKET_HOLD	5	/* keeps the session alive; no channel, no fds */
#define VGPU_SOCKET_LOOK	6	/* have the description refreshed, see VGPU_DESC_LOOKS */

struct vgpu_socket_message {
	uint32_t magic;
	uint32_t type;
	int32_t error;		/* reply: 0 or an errno */
	uint32_t layout_version;
	uint32_t channel;
	uint32_t count;
	uint64_t offset;	/* bytes from the start of the arena */
	uint64_t number;	/* of the request, from 1 on; the reply has it too */
};

#endif
