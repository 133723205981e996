/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One eventfd, many waiting threads: one of them reads it and counts, the others
 * wait for the count.
 */
#ifndef VGPU_TRANSPORT_INTERRUPTS_H
#define VGPU_TRANSPORT_INTERRUPTS_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

struct vg_interrupts {
	pthread_mutex_t lock;
	pthread_cond_t changed;	/* CLOCK_MONOTONIC */
	uint32_t count;
	bool watched;		/* a thread reads the eventfd */
};

void vg_interrupts_init(struct vg_interrupts *i);
/* vg_transport_ops.wait on a non-blocking eventfd. */
int vg_interrupts_wait(struct vg_interrupts *i, int eventfd, uint32_t *seen, uint32_t timeout_us);

#endif
