/* SPDX-License-Identifier: Apache-2.0 */
/* Structures of the graph calls, and what the graph families share. */
#ifndef GRAPH_ABI_H
#define GRAPH_ABI_H

#include "conformance.h"

#include <string.h>

enum {
	NODE_KERNEL, NODE_MEMCPY, NODE_MEMSET, NODE_HOST, NODE_GRAPH, NODE_EMPTY, NODE_WAIT_EVENT, NODE_EVENT_RECORD,
	NODE_MEM_ALLOC = 10, NODE_MEM_FREE, NODE_BATCH_MEM_OP, NODE_CONDITIONAL
};

#define NOT_SUPPORTED 801

typedef struct {
	unsigned char from_port, to_port, type, reserved[5];
} edge_data;

struct kernel_params {
	CUfunction func;
	unsigned int grid[3], block[3], shared;
	void **params, **extra;
	/* the first version ends here */
	CUkernel kern;
	CUcontext ctx;
};
_Static_assert(sizeof(struct kernel_params) == 72, "CUDA_KERNEL_NODE_PARAMS_v2");

struct memset_params {
	CUdeviceptr dst;
	size_t pitch;
	unsigned int value, element;
	size_t width, height;
	CUcontext ctx;	/* second version */
};

struct memcpy_end {
	size_t x, y, z, level;
	unsigned int type;
	const void *host;
	CUdeviceptr device;
	void *array, *reserved;
	size_t pitch, height;
};
struct memcpy_3d {
	struct memcpy_end src, dst;
	size_t width, height, depth;
};
_Static_assert(sizeof(struct memcpy_3d) == 200, "CUDA_MEMCPY3D");
enum { TYPE_HOST = 1, TYPE_DEVICE, TYPE_ARRAY, TYPE_UNIFIED };

struct host_params {
	void (*fn)(void *);
	void *data;
};

struct location {
	int type, id;
};
struct alloc_params {
	int alloc_type, handle_types;
	struct location location;
	void *win32;
	size_t max_size;
	unsigned short usage;
	unsigned char reserved[54];
	const void *access;
	size_t access_count, bytes;
	CUdeviceptr address;
};
_Static_assert(sizeof(struct alloc_params) == 120, "CUDA_MEM_ALLOC_NODE_PARAMS");

struct memop {
	uint32_t operation, pad;
	uint64_t address, value;
	uint32_t flags, pad2;
	uint64_t alias, unused;
};
struct memop_params {
	CUcontext ctx;
	unsigned int count;
	struct memop *array;
	unsigned int flags;
};

struct conditional_params {
	unsigned long long handle;
	unsigned int type, size;
	CUgraph *graphs;
	CUcontext ctx;
};

struct node_params {
	int type, reserved0[3];
	union {
		long long reserved1[29];
		struct kernel_params kernel;
		struct {
			int flags, reserved;
			CUcontext ctx;
			struct memcpy_3d copy;
		} memcpy;
		struct memset_params memset;
		struct host_params host;
		struct {
			CUgraph graph;
			int ownership;
		} graph;
		CUevent event;
		struct alloc_params alloc;
		CUdeviceptr free;
		struct memop_params memop;
		struct conditional_params conditional;
	};
	long long reserved2;
};
_Static_assert(sizeof(struct node_params) == 256, "CUgraphNodeParams");

struct instantiate_params {
	unsigned long long flags;
	CUstream upload;
	CUgraphNode node;
	unsigned int result;
};
_Static_assert(sizeof(struct instantiate_params) == 32, "CUDA_GRAPH_INSTANTIATE_PARAMS");

#define GRAPH_WORDS 256

/* One launch of step over GRAPH_WORDS words: words = words * factor + addend. */
#define STEP_PARAMETERS(words, factor, addend, n) ((void *[]){ &(words), &(factor), &(addend), &(n) })
#define STEP_NODE(parameters) \
	((struct kernel_params){ .func = kernels.step, .grid = { 2, 1, 1 }, .block = { 128, 1, 1 }, .params = (parameters) })

/* Every word has this value. */
bool words_are(CUdeviceptr words, unsigned int value);
/* Instantiates, launches in the stream and waits; then destroys the executable graph. */
CUresult run_graph(CUgraph graph, CUstream stream);

#endif
