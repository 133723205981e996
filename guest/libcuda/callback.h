/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Functions of the program that run in stream order. The executor holds the
 * stream, announces the function's number in the channel and goes on when the
 * process says that it has returned. One function runs at a time, on a thread of
 * its own, as with the driver.
 */
#ifndef VGPU_CALLBACK_H
#define VGPU_CALLBACK_H

#include "objects.h"

typedef void (*vg_host_function)(void *data);
typedef void (*vg_stream_function)(CUstream stream, CUresult status, void *data);

struct vg_callback {
	vg_host_function host;		/* one of the two */
	vg_stream_function stream;
	void *data;
	CUstream handle;		/* as the program named it */
	bool kept;			/* part of a graph: may run any number of times */
};

/*
 * Gives the callback its number for the executor and sees to it that somebody
 * runs it; 0 or OUT_OF_MEMORY. One that is not kept ends when it is run.
 */
int vg_callback_new(const struct vg_callback *callback, uint32_t *number);
void vg_callback_end(uint32_t number);
/* What a number stands for; false: nothing. */
bool vg_callback_find(uint32_t number, struct vg_callback *copy);

#endif
