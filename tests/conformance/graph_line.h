/* SPDX-License-Identifier: Apache-2.0 */
/* A small graph that most checks of graphs start from. */
#ifndef GRAPH_LINE_H
#define GRAPH_LINE_H

#include "graph_abi.h"

/* Three nodes in a line: words = 5, words = words * 3 + 1, copy = words. */
struct line {
	CUgraph graph;
	CUstream stream;
	CUdeviceptr words, copy;
	CUgraphNode set, kernel, transfer;
	unsigned int factor, addend;
	int n;
	struct memset_params memset;
	struct memcpy_3d memcpy;
};

bool line_open(struct line *l);
bool line_close(struct line *l);

#endif
