/* SPDX-License-Identifier: Apache-2.0 */
/* The binary interface of graphs, CUDA 10 to 13. */
#ifndef VGPU_ABI_GRAPH_H
#define VGPU_ABI_GRAPH_H

#include "abi.h"

enum {
	NODE_KERNEL, NODE_MEMCPY, NODE_MEMSET, NODE_HOST, NODE_GRAPH, NODE_EMPTY, NODE_WAIT_EVENT, NODE_EVENT_RECORD,
	NODE_EXT_SEMAS_SIGNAL, NODE_EXT_SEMAS_WAIT, NODE_MEM_ALLOC, NODE_MEM_FREE, NODE_BATCH_MEM_OP, NODE_CONDITIONAL,
	NODE_TYPES
};

typedef struct {
	unsigned char from_port, to_port, type, reserved[5];
} CUgraphEdgeData;
_Static_assert(sizeof(CUgraphEdgeData) == 8, "CUgraphEdgeData");

/* The first version, 56 bytes, ends before kern. */
typedef struct {
	CUfunction func;
	unsigned int gridDimX, gridDimY, gridDimZ;
	unsigned int blockDimX, blockDimY, blockDimZ;
	unsigned int sharedMemBytes;
	void **kernelParams, **extra;
	CUkernel kern;
	CUcontext ctx;
} CUDA_KERNEL_NODE_PARAMS;
_Static_assert(sizeof(CUDA_KERNEL_NODE_PARAMS) == 72, "CUDA_KERNEL_NODE_PARAMS_v2");
#define KERNEL_NODE_PARAMS_V1_SIZE 56

/* The first version, 40 bytes, ends before ctx. */
typedef struct {
	CUdeviceptr dst;
	size_t pitch;
	unsigned int value, elementSize;
	size_t width, height;
	CUcontext ctx;
} CUDA_MEMSET_NODE_PARAMS;
_Static_assert(sizeof(CUDA_MEMSET_NODE_PARAMS) == 48, "CUDA_MEMSET_NODE_PARAMS_v2");
#define MEMSET_NODE_PARAMS_V1_SIZE 40

typedef struct {
	int flags, reserved;
	CUcontext copyCtx;
	CUDA_MEMCPY3D copyParams;
} CUDA_MEMCPY_NODE_PARAMS;
_Static_assert(sizeof(CUDA_MEMCPY_NODE_PARAMS) == 216, "CUDA_MEMCPY_NODE_PARAMS");

typedef struct {
	void (*fn)(void *data);
	void *userData;
} CUDA_HOST_NODE_PARAMS;
_Static_assert(sizeof(CUDA_HOST_NODE_PARAMS) == 16, "CUDA_HOST_NODE_PARAMS");

typedef struct {
	CUgraph graph;
	unsigned int ownership;	/* 0 cloned, 1 moved */
} CUDA_CHILD_GRAPH_NODE_PARAMS;
_Static_assert(sizeof(CUDA_CHILD_GRAPH_NODE_PARAMS) == 16, "CUDA_CHILD_GRAPH_NODE_PARAMS");

typedef struct {
	unsigned int type, id;
} CUmemLocation;

typedef struct {
	unsigned int allocType, handleTypes;
	CUmemLocation location;
	void *win32SecurityAttributes;
	size_t maxSize;
	unsigned short usage;
	unsigned char reserved[54];
} CUmemPoolProps;
_Static_assert(sizeof(CUmemPoolProps) == 88, "CUmemPoolProps");

typedef struct {
	CUmemLocation location;
	unsigned int flags;
} CUmemAccessDesc;
_Static_assert(sizeof(CUmemAccessDesc) == 12, "CUmemAccessDesc");

typedef struct {
	CUmemPoolProps poolProps;
	const CUmemAccessDesc *accessDescs;
	size_t accessDescCount, bytesize;
	CUdeviceptr dptr;
} CUDA_MEM_ALLOC_NODE_PARAMS;
_Static_assert(sizeof(CUDA_MEM_ALLOC_NODE_PARAMS) == 120, "CUDA_MEM_ALLOC_NODE_PARAMS");

#define MEMOP_SIZE 48u	/* CUstreamBatchMemOpParams */
typedef struct {
	CUcontext ctx;
	unsigned int count;
	void *paramArray;
	unsigned int flags;
} CUDA_BATCH_MEM_OP_NODE_PARAMS;
_Static_assert(sizeof(CUDA_BATCH_MEM_OP_NODE_PARAMS) == 32, "CUDA_BATCH_MEM_OP_NODE_PARAMS");

typedef struct {
	unsigned long long handle;
	unsigned int type, size;
	CUgraph *phGraph_out;
	CUcontext ctx;
} CUDA_CONDITIONAL_NODE_PARAMS;
_Static_assert(sizeof(CUDA_CONDITIONAL_NODE_PARAMS) == 32, "CUDA_CONDITIONAL_NODE_PARAMS");

typedef struct {
	unsigned int type;
	int reserved0[3];
	union {
		long long reserved1[29];
		CUDA_KERNEL_NODE_PARAMS kernel;
		CUDA_MEMCPY_NODE_PARAMS memcpy;
		CUDA_MEMSET_NODE_PARAMS memset;
		CUDA_HOST_NODE_PARAMS host;
		CUDA_CHILD_GRAPH_NODE_PARAMS graph;
		CUevent event;
		CUDA_MEM_ALLOC_NODE_PARAMS alloc;
		CUdeviceptr free;
		CUDA_BATCH_MEM_OP_NODE_PARAMS memOp;
		CUDA_CONDITIONAL_NODE_PARAMS conditional;
	};
	long long reserved2;
} CUgraphNodeParams;
_Static_assert(sizeof(CUgraphNodeParams) == 256, "CUgraphNodeParams");

/* CUgraphExecUpdateResultInfo */
typedef struct {
	unsigned int result;	/* 0 success, 1 error, 2 topology, ... */
	CUgraphNode errorNode, errorFromNode;
} CUgraphExecUpdateResultInfo;
_Static_assert(sizeof(CUgraphExecUpdateResultInfo) == 24, "CUgraphExecUpdateResultInfo");

typedef struct {
	unsigned long long flags;
	CUstream hUploadStream;
	CUgraphNode hErrNode_out;
	unsigned int result_out;
} CUDA_GRAPH_INSTANTIATE_PARAMS;
_Static_assert(sizeof(CUDA_GRAPH_INSTANTIATE_PARAMS) == 32, "CUDA_GRAPH_INSTANTIATE_PARAMS");

#define INSTANTIATE_AUTO_FREE		1ull
#define INSTANTIATE_UPLOAD		2ull
#define INSTANTIATE_DEVICE_LAUNCH	4ull
#define INSTANTIATE_FLAGS		15ull

#define CUDA_ERROR_LOSSY_QUERY 402

#endif
