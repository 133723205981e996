/* SPDX-License-Identifier: Apache-2.0 */
/* The calls that a capture may forbid, and what they use. */
#ifndef CAPTURE_CALLS_H
#define CAPTURE_CALLS_H

#include "conformance.h"

enum { GLOBAL, THREAD_LOCAL, RELAXED };	/* modes of a capture */

#define BLOCK 4096

/* What a call may use while a stream is captured; capture_prepare makes the streams, events and the block. */
extern struct had {
	CUstream captured, other;
	CUevent event, recorded;
	CUdeviceptr memory;
	void *pinned, *block;
	CUmodule module;
	CUlibrary library;
} had;

struct forbidden {
	const char *name;	/* NULL: the end of a list */
	CUresult (*call)(void), (*undo)(void);
};
extern const struct forbidden capture_calls[], capture_frees[], capture_unload;

bool capture_prepare(unsigned int flags);	/* of the stream that is captured */
bool capture_clear(void);
bool capture_make_what_goes(void);	/* what capture_frees take away */

#endif
