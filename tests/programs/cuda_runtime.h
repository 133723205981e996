/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The CUDA runtime API as far as the test programs use it: own declarations for an unmodified libcudart.so.12 or
 * libcudart.so.13, bound at run time.
 */
#ifndef CUDA_RUNTIME_H
#define CUDA_RUNTIME_H

#include <stddef.h>
#include <stdint.h>

typedef int cudaError_t;
typedef struct CUstream_st *cudaStream_t;
typedef struct CUevent_st *cudaEvent_t;
typedef struct CUgraph_st *cudaGraph_t;
typedef struct CUgraphExec_st *cudaGraphExec_t;
typedef struct CUgraphNode_st *cudaGraphNode_t;

struct dim3 {
	unsigned int x, y, z;
};

enum {
	cudaErrorInvalidValue = 1,
	cudaErrorMemoryAllocation = 2,
	cudaErrorInvalidConfiguration = 9,
	cudaErrorInvalidDevice = 101,
	cudaErrorNotReady = 600,

	cudaMemcpyHostToDevice = 1,
	cudaMemcpyDeviceToHost = 2,
	cudaMemcpyDeviceToDevice = 3,
	cudaMemcpyDefault = 4,

	cudaStreamNonBlocking = 1,
	cudaEventDisableTiming = 2,
	cudaStreamCaptureModeRelaxed = 2,
	cudaMemoryTypeUnregistered = 0,
	cudaMemoryTypeHost = 1,
	cudaMemoryTypeDevice = 2,
	cudaDevAttrWarpSize = 10,
	cudaDevAttrComputeCapabilityMajor = 75,
};

/* The first members of cudaDeviceProp, the same in 12 and 13; the whole has about 1 KiB. */
struct device_properties {
	char name[256];
	unsigned char uuid[16];
	char luid[8];
	unsigned int luid_device_node_mask;
	size_t total_memory;
	size_t shared_bytes_per_block;
	int registers_per_block;
	int warp_size;
	char rest[4096];
};

struct function_attributes {
	size_t shared_bytes, constant_bytes, local_bytes;
	int max_threads_per_block, registers, ptx_version, binary_version;
	char rest[512];
};

struct pointer_attributes {
	int type, device;
	void *device_pointer, *host_pointer;
	char rest[256];
};

struct graph_update_result {
	int result;
	void *node, *from_node;
};

_Static_assert(offsetof(struct device_properties, total_memory) == 288, "as in CUDA 12 and 13");
_Static_assert(offsetof(struct device_properties, warp_size) == 308, "as in CUDA 12 and 13");

/* X(result type, exported symbol, member of struct cuda_runtime, parameters) */
#define CUDA_RUNTIME_CALLS(X)                                                                                         \
	X(void **, __cudaRegisterFatBinary, RegisterFatBinary, (void *wrapper))                                       \
	X(void, __cudaRegisterFatBinaryEnd, RegisterFatBinaryEnd, (void **handle))                                    \
	X(void, __cudaUnregisterFatBinary, UnregisterFatBinary, (void **handle))                                      \
	X(void, __cudaRegisterFunction, RegisterFunction,                                                             \
	  (void **handle, const char *host, char *device, const char *name, int thread_limit, void *thread_id,        \
	   void *block_id, void *block, void *grid, int *warp_size))                                                  \
	X(void, __cudaRegisterVar, RegisterVar,                                                                       \
	  (void **handle, char *host, char *device, const char *name, int external, size_t bytes, int constant,       \
	   int global))                                                                                               \
	X(unsigned int, __cudaPushCallConfiguration, PushCallConfiguration,                                           \
	  (struct dim3 grid, struct dim3 block, size_t shared_bytes, cudaStream_t stream))                            \
	X(cudaError_t, __cudaPopCallConfiguration, PopCallConfiguration,                                              \
	  (struct dim3 * grid, struct dim3 * block, size_t * shared_bytes, void *stream))                             \
	X(cudaError_t, cudaRuntimeGetVersion, RuntimeGetVersion, (int *version))                                      \
	X(cudaError_t, cudaDriverGetVersion, DriverGetVersion, (int *version))                                        \
	X(cudaError_t, cudaGetDeviceCount, GetDeviceCount, (int *count))                                              \
	X(cudaError_t, cudaSetDevice, SetDevice, (int ordinal))                                                       \
	X(cudaError_t, cudaGetDevice, GetDevice, (int *ordinal))                                                      \
	X(cudaError_t, cudaDeviceGetAttribute, DeviceGetAttribute, (int *value, int attribute, int ordinal))          \
	X(cudaError_t, cudaDeviceGetPCIBusId, DeviceGetPCIBusId, (char *text, int length, int ordinal))               \
	X(cudaError_t, cudaDeviceSynchronize, DeviceSynchronize, (void))                                              \
	X(cudaError_t, cudaDeviceReset, DeviceReset, (void))                                                          \
	X(cudaError_t, cudaGetLastError, GetLastError, (void))                                                        \
	X(cudaError_t, cudaPeekAtLastError, PeekAtLastError, (void))                                                  \
	X(const char *, cudaGetErrorName, GetErrorName, (cudaError_t error))                                          \
	X(cudaError_t, cudaMalloc, Malloc, (void **address, size_t bytes))                                            \
	X(cudaError_t, cudaFree, Free, (void *address))                                                               \
	X(cudaError_t, cudaMallocHost, MallocHost, (void **address, size_t bytes))                                    \
	X(cudaError_t, cudaHostAlloc, HostAlloc, (void **address, size_t bytes, unsigned int flags))                  \
	X(cudaError_t, cudaFreeHost, FreeHost, (void *address))                                                       \
	X(cudaError_t, cudaMemGetInfo, MemGetInfo, (size_t *free, size_t *total))                                     \
	X(cudaError_t, cudaMemcpy, Memcpy, (void *destination, const void *source, size_t bytes, int kind))           \
	X(cudaError_t, cudaMemcpyAsync, MemcpyAsync,                                                                  \
	  (void *destination, const void *source, size_t bytes, int kind, cudaStream_t stream))                       \
	X(cudaError_t, cudaMemcpy2D, Memcpy2D,                                                                        \
	  (void *destination, size_t destination_pitch, const void *source, size_t source_pitch, size_t width,        \
	   size_t height, int kind))                                                                                  \
	X(cudaError_t, cudaMemset, Memset, (void *address, int value, size_t bytes))                                  \
	X(cudaError_t, cudaMemsetAsync, MemsetAsync, (void *address, int value, size_t bytes, cudaStream_t stream))   \
	X(cudaError_t, cudaMemcpyToSymbol, MemcpyToSymbol,                                                            \
	  (const void *symbol, const void *source, size_t bytes, size_t offset, int kind))                            \
	X(cudaError_t, cudaMemcpyFromSymbol, MemcpyFromSymbol,                                                        \
	  (void *destination, const void *symbol, size_t bytes, size_t offset, int kind))                             \
	X(cudaError_t, cudaGetSymbolAddress, GetSymbolAddress, (void **address, const void *symbol))                  \
	X(cudaError_t, cudaPointerGetAttributes, PointerGetAttributes,                                                \
	  (struct pointer_attributes * attributes, const void *address))                                              \
	X(cudaError_t, cudaLaunchKernel, LaunchKernel,                                                                \
	  (const void *function, struct dim3 grid, struct dim3 block, void **arguments, size_t shared_bytes,          \
	   cudaStream_t stream))                                                                                      \
	X(cudaError_t, cudaFuncGetAttributes, FuncGetAttributes,                                                      \
	  (struct function_attributes * attributes, const void *function))                                            \
	X(cudaError_t, cudaFuncSetAttribute, FuncSetAttribute, (const void *function, int attribute, int value))      \
	X(cudaError_t, cudaOccupancyMaxActiveBlocksPerMultiprocessor, OccupancyMaxActiveBlocks,                       \
	  (int *blocks, const void *function, int block_size, size_t shared_bytes))                                   \
	X(cudaError_t, cudaStreamCreate, StreamCreate, (cudaStream_t * stream))                                       \
	X(cudaError_t, cudaStreamCreateWithFlags, StreamCreateWithFlags, (cudaStream_t * stream, unsigned int flags)) \
	X(cudaError_t, cudaStreamDestroy, StreamDestroy, (cudaStream_t stream))                                       \
	X(cudaError_t, cudaStreamSynchronize, StreamSynchronize, (cudaStream_t stream))                               \
	X(cudaError_t, cudaStreamQuery, StreamQuery, (cudaStream_t stream))                                           \
	X(cudaError_t, cudaStreamWaitEvent, StreamWaitEvent,                                                          \
	  (cudaStream_t stream, cudaEvent_t event, unsigned int flags))                                               \
	X(cudaError_t, cudaEventCreate, EventCreate, (cudaEvent_t * event))                                           \
	X(cudaError_t, cudaEventCreateWithFlags, EventCreateWithFlags, (cudaEvent_t * event, unsigned int flags))     \
	X(cudaError_t, cudaEventDestroy, EventDestroy, (cudaEvent_t event))                                           \
	X(cudaError_t, cudaEventRecord, EventRecord, (cudaEvent_t event, cudaStream_t stream))                        \
	X(cudaError_t, cudaEventQuery, EventQuery, (cudaEvent_t event))                                               \
	X(cudaError_t, cudaEventSynchronize, EventSynchronize, (cudaEvent_t event))                                   \
	X(cudaError_t, cudaEventElapsedTime, EventElapsedTime,                                                        \
	  (float *milliseconds, cudaEvent_t start, cudaEvent_t end))                                                  \
	X(cudaError_t, cudaStreamBeginCapture, StreamBeginCapture, (cudaStream_t stream, int mode))                   \
	X(cudaError_t, cudaStreamEndCapture, StreamEndCapture, (cudaStream_t stream, cudaGraph_t * graph))            \
	X(cudaError_t, cudaStreamIsCapturing, StreamIsCapturing, (cudaStream_t stream, int *status))                  \
	X(cudaError_t, cudaGraphInstantiate, GraphInstantiate,                                                        \
	  (cudaGraphExec_t * exec, cudaGraph_t graph, unsigned long long flags))                                      \
	X(cudaError_t, cudaGraphExecUpdate, GraphExecUpdate,                                                          \
	  (cudaGraphExec_t exec, cudaGraph_t graph, struct graph_update_result * result))                             \
	X(cudaError_t, cudaGraphLaunch, GraphLaunch, (cudaGraphExec_t exec, cudaStream_t stream))                     \
	X(cudaError_t, cudaGraphExecDestroy, GraphExecDestroy, (cudaGraphExec_t exec))                                \
	X(cudaError_t, cudaGraphDestroy, GraphDestroy, (cudaGraph_t graph))                                           \
	X(cudaError_t, cudaGraphCreate, GraphCreate, (cudaGraph_t * graph, unsigned int flags))                       \
	X(cudaError_t, cudaGraphClone, GraphClone, (cudaGraph_t * clone, cudaGraph_t graph))                          \
	X(cudaError_t, cudaGraphGetNodes, GraphGetNodes,                                                              \
	  (cudaGraph_t graph, cudaGraphNode_t * nodes, size_t *count))                                                \
	X(cudaError_t, cudaGraphAddMemsetNode, GraphAddMemsetNode,                                                    \
	  (cudaGraphNode_t * node, cudaGraph_t graph, const cudaGraphNode_t *after, size_t count,                     \
	   const void *parameters))                                                                                   \
	X(cudaError_t, cudaGraphAddKernelNode, GraphAddKernelNode,                                                    \
	  (cudaGraphNode_t * node, cudaGraph_t graph, const cudaGraphNode_t *after, size_t count,                     \
	   const void *parameters))                                                                                   \
	X(cudaError_t, cudaGraphAddHostNode, GraphAddHostNode,                                                        \
	  (cudaGraphNode_t * node, cudaGraph_t graph, const cudaGraphNode_t *after, size_t count,                     \
	   const void *parameters))                                                                                   \
	X(cudaError_t, cudaGraphAddMemcpyNode1D, GraphAddMemcpyNode1D,                                                \
	  (cudaGraphNode_t * node, cudaGraph_t graph, const cudaGraphNode_t *after, size_t count,                     \
	   void *destination, const void *source, size_t bytes, int kind))                                            \
	X(cudaError_t, cudaGraphKernelNodeGetParams, GraphKernelNodeGetParams,                                        \
	  (cudaGraphNode_t node, void *parameters))                                                                   \
	X(cudaError_t, cudaGraphExecKernelNodeSetParams, GraphExecKernelNodeSetParams,                                \
	  (cudaGraphExec_t exec, cudaGraphNode_t node, const void *parameters))                                       \
	X(cudaError_t, cudaUserObjectCreate, UserObjectCreate,                                                        \
	  (void **object, void *data, void (*destroy)(void *), unsigned int count, unsigned int flags))               \
	X(cudaError_t, cudaGraphRetainUserObject, GraphRetainUserObject,                                              \
	  (cudaGraph_t graph, void *object, unsigned int count, unsigned int flags))

#define CUDA_RUNTIME_MEMBER(type, symbol, member, parameters) type(*member) parameters;
struct cuda_runtime {
	/* cudaGetDeviceProperties_v2 in 12, cudaGetDeviceProperties in 13 */
	cudaError_t (*GetDeviceProperties)(struct device_properties *properties, int ordinal);
	CUDA_RUNTIME_CALLS(CUDA_RUNTIME_MEMBER)
};
#undef CUDA_RUNTIME_MEMBER

/*
 * Opens `path`, or when it is NULL the libcudart.so.13 or .12 that the loader finds, and binds every call.
 * 0, or -1 after saying on stderr what is missing.
 */
int cuda_runtime_open(struct cuda_runtime *runtime, const char *path);

#endif
