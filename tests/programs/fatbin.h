/* SPDX-License-Identifier: Apache-2.0 */
/* A fat binary around one PTX text, as nvcc's output holds them: container, one uncompressed PTX entry. */
#ifndef FATBIN_H
#define FATBIN_H

#include <stdint.h>

struct fatbin_wrapper {
	uint32_t magic;
	uint32_t version;
	void *data;	/* the container */
	void *extra;
};

/* arch: 80 for sm_80. 0, or -1 without memory. The wrapper must stay where it is while it is registered. */
int fatbin_of_ptx(struct fatbin_wrapper *wrapper, const char *ptx, uint32_t arch);
void fatbin_free(struct fatbin_wrapper *wrapper);

#endif
