/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The CUDA driver API as far as the test programs use it: own declarations, bound at run time to whatever
 * libcuda.so.1 the loader finds, so that one binary runs natively and virtually.
 */
#ifndef CUDA_DRIVER_H
#define CUDA_DRIVER_H

#include <stddef.h>
#include <stdint.h>

typedef int CUresult;
typedef int CUdevice;
typedef uint64_t CUdeviceptr;
typedef struct CUctx_st *CUcontext;
typedef struct CUmod_st *CUmodule;
typedef struct CUfunc_st *CUfunction;
typedef struct CUlib_st *CUlibrary;
typedef struct CUkern_st *CUkernel;
typedef struct CUstream_st *CUstream;
typedef struct CUevent_st *CUevent;
typedef struct CUgraph_st *CUgraph;
typedef struct CUgraphNode_st *CUgraphNode;
typedef struct CUgraphExec_st *CUgraphExec;
typedef uint64_t CUmemGenericAllocationHandle;

enum {
	CUDA_SUCCESS = 0,
	CUDA_ERROR_INVALID_VALUE = 1,
	CUDA_ERROR_OUT_OF_MEMORY = 2,
	CUDA_ERROR_NOT_INITIALIZED = 3,
	CUDA_ERROR_INVALID_DEVICE = 101,
	CUDA_ERROR_INVALID_CONTEXT = 201,
	CUDA_ERROR_INVALID_IMAGE = 200,
	CUDA_ERROR_INVALID_PTX = 218,
	CUDA_ERROR_UNSUPPORTED_PTX_VERSION = 222,
	CUDA_ERROR_INVALID_HANDLE = 400,
	CUDA_ERROR_NOT_FOUND = 500,
	CUDA_ERROR_NOT_READY = 600,
	CUDA_ERROR_ILLEGAL_ADDRESS = 700,
	CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED = 900,
	CUDA_ERROR_STREAM_CAPTURE_INVALIDATED = 901,
	CUDA_ERROR_STREAM_CAPTURE_IMPLICIT = 906,
	CUDA_ERROR_GRAPH_EXEC_UPDATE_FAILURE = 910,
};

enum {
	CU_DEVICE_ATTRIBUTE_MAX_THREADS_PER_BLOCK = 1,
	CU_DEVICE_ATTRIBUTE_WARP_SIZE = 10,
	CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT = 16,
	CU_DEVICE_ATTRIBUTE_UNIFIED_ADDRESSING = 41,
	CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR = 75,
	CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR = 76,
	CU_DEVICE_ATTRIBUTE_VIRTUAL_MEMORY_MANAGEMENT = 102,

	CU_FUNC_ATTRIBUTE_MAX_THREADS_PER_BLOCK = 0,
	CU_FUNC_ATTRIBUTE_SHARED_SIZE_BYTES = 1,
	CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES = 8,

	CU_POINTER_ATTRIBUTE_CONTEXT = 1,
	CU_POINTER_ATTRIBUTE_MEMORY_TYPE = 2,
	CU_POINTER_ATTRIBUTE_DEVICE_POINTER = 3,
	CU_POINTER_ATTRIBUTE_HOST_POINTER = 4,
	CU_POINTER_ATTRIBUTE_IS_MANAGED = 8,
	CU_POINTER_ATTRIBUTE_DEVICE_ORDINAL = 9,
	CU_POINTER_ATTRIBUTE_RANGE_START = 11,
	CU_POINTER_ATTRIBUTE_RANGE_SIZE = 12,
	CU_MEMORYTYPE_HOST = 1,
	CU_MEMORYTYPE_DEVICE = 2,

	CU_STREAM_DEFAULT = 0,
	CU_STREAM_NON_BLOCKING = 1,
	CU_EVENT_DEFAULT = 0,
	CU_EVENT_DISABLE_TIMING = 2,
	CU_STREAM_CAPTURE_MODE_GLOBAL = 0,
	CU_STREAM_CAPTURE_MODE_RELAXED = 2,
	CU_STREAM_CAPTURE_STATUS_NONE = 0,
	CU_STREAM_CAPTURE_STATUS_ACTIVE = 1,

	CU_MEMHOSTALLOC_PORTABLE = 1,
	CU_MEMHOSTALLOC_DEVICEMAP = 2,
	CU_MEM_ALLOCATION_TYPE_PINNED = 1,
	CU_MEM_LOCATION_TYPE_DEVICE = 1,
	CU_MEM_ACCESS_FLAGS_PROT_READWRITE = 3,
	CU_MEM_ALLOC_GRANULARITY_MINIMUM = 0,
	CU_LIMIT_MALLOC_HEAP_SIZE = 2,
};

#define CU_STREAM_LEGACY ((CUstream)1)
#define CU_STREAM_PER_THREAD ((CUstream)2)
#define CU_LAUNCH_PARAM_END ((void *)0)
#define CU_LAUNCH_PARAM_BUFFER_POINTER ((void *)1)
#define CU_LAUNCH_PARAM_BUFFER_SIZE ((void *)2)

typedef struct {
	unsigned char bytes[16];
} CUuuid;

typedef struct {
	unsigned int grid_x, grid_y, grid_z;
	unsigned int block_x, block_y, block_z;
	unsigned int shared_bytes;
	CUstream stream;
	void *attributes;
	unsigned int attribute_count;
} CUlaunchConfig;

typedef struct {
	int type;
	int id;
} CUmemLocation;

typedef struct {
	int type;
	int handle_types;
	CUmemLocation location;
	void *win32_attributes;
	struct {
		unsigned char compression;
		unsigned char gpu_direct_rdma;
		unsigned short usage;
		unsigned char reserved[4];
	} flags;
} CUmemAllocationProp;

typedef struct {
	CUmemLocation location;
	int flags;
} CUmemAccessDesc;

typedef struct {
	int result;
	CUgraphNode node;
	CUgraphNode from_node;
} CUgraphExecUpdateResultInfo;

typedef struct {
	size_t source_x, source_y;
	int source_type;
	const void *source_host;
	CUdeviceptr source_device;
	void *source_array;
	size_t source_pitch;
	size_t destination_x, destination_y;
	int destination_type;
	void *destination_host;
	CUdeviceptr destination_device;
	void *destination_array;
	size_t destination_pitch;
	size_t width_bytes, height;
} CUDA_MEMCPY2D;

_Static_assert(sizeof(CUlaunchConfig) == 56, "as in CUDA 12");
_Static_assert(sizeof(CUmemAllocationProp) == 32, "as in CUDA 12");
_Static_assert(sizeof(CUmemAccessDesc) == 12, "as in CUDA 12");
_Static_assert(sizeof(CUgraphExecUpdateResultInfo) == 24, "as in CUDA 12");
_Static_assert(sizeof(CUDA_MEMCPY2D) == 128, "as in CUDA 12");

/* X(exported symbol, member of struct cuda_driver, parameters) */
#define CUDA_DRIVER_CALLS(X)                                                                                        \
	X(cuInit, Init, (unsigned int flags))                                                                       \
	X(cuDriverGetVersion, DriverGetVersion, (int *version))                                                     \
	X(cuGetErrorName, GetErrorName, (CUresult result, const char **name))                                       \
	X(cuGetErrorString, GetErrorString, (CUresult result, const char **text))                                   \
	X(cuGetProcAddress_v2, GetProcAddress,                                                                      \
	  (const char *symbol, void **function, int version, uint64_t flags, int *status))                          \
	X(cuDeviceGetCount, DeviceGetCount, (int *count))                                                           \
	X(cuDeviceGet, DeviceGet, (CUdevice * device, int ordinal))                                                 \
	X(cuDeviceGetName, DeviceGetName, (char *name, int length, CUdevice device))                                \
	X(cuDeviceTotalMem_v2, DeviceTotalMem, (size_t *bytes, CUdevice device))                                    \
	X(cuDeviceGetAttribute, DeviceGetAttribute, (int *value, int attribute, CUdevice device))                   \
	X(cuDeviceGetUuid_v2, DeviceGetUuid, (CUuuid * uuid, CUdevice device))                                      \
	X(cuDeviceGetPCIBusId, DeviceGetPCIBusId, (char *text, int length, CUdevice device))                        \
	X(cuDeviceGetByPCIBusId, DeviceGetByPCIBusId, (CUdevice * device, const char *text))                        \
	X(cuDevicePrimaryCtxRetain, DevicePrimaryCtxRetain, (CUcontext * context, CUdevice device))                 \
	X(cuDevicePrimaryCtxRelease_v2, DevicePrimaryCtxRelease, (CUdevice device))                                 \
	X(cuDevicePrimaryCtxGetState, DevicePrimaryCtxGetState, (CUdevice device, unsigned int *flags, int *active)) \
	X(cuCtxGetCurrent, CtxGetCurrent, (CUcontext * context))                                                    \
	X(cuCtxSetCurrent, CtxSetCurrent, (CUcontext context))                                                      \
	X(cuCtxPushCurrent_v2, CtxPushCurrent, (CUcontext context))                                                 \
	X(cuCtxPopCurrent_v2, CtxPopCurrent, (CUcontext * context))                                                 \
	X(cuCtxGetDevice, CtxGetDevice, (CUdevice * device))                                                        \
	X(cuCtxSynchronize, CtxSynchronize, (void))                                                                 \
	X(cuCtxGetLimit, CtxGetLimit, (size_t *value, int limit))                                                   \
	X(cuCtxGetStreamPriorityRange, CtxGetStreamPriorityRange, (int *least, int *greatest))                      \
	X(cuModuleLoadData, ModuleLoadData, (CUmodule * module, const void *image))                                 \
	X(cuModuleLoadDataEx, ModuleLoadDataEx,                                                                     \
	  (CUmodule * module, const void *image, unsigned int count, int *options, void **values))                  \
	X(cuModuleUnload, ModuleUnload, (CUmodule module))                                                          \
	X(cuModuleGetFunction, ModuleGetFunction, (CUfunction * function, CUmodule module, const char *name))       \
	X(cuModuleGetGlobal_v2, ModuleGetGlobal,                                                                    \
	  (CUdeviceptr * address, size_t *bytes, CUmodule module, const char *name))                                \
	X(cuLibraryLoadData, LibraryLoadData,                                                                       \
	  (CUlibrary * library, const void *image, int *jit_options, void **jit_values, unsigned int jit_count,     \
	   int *options, void **values, unsigned int count))                                                        \
	X(cuLibraryUnload, LibraryUnload, (CUlibrary library))                                                      \
	X(cuLibraryGetKernel, LibraryGetKernel, (CUkernel * kernel, CUlibrary library, const char *name))           \
	X(cuLibraryGetGlobal, LibraryGetGlobal,                                                                     \
	  (CUdeviceptr * address, size_t *bytes, CUlibrary library, const char *name))                              \
	X(cuKernelGetFunction, KernelGetFunction, (CUfunction * function, CUkernel kernel))                         \
	X(cuKernelGetAttribute, KernelGetAttribute, (int *value, int attribute, CUkernel kernel, CUdevice device))  \
	X(cuFuncGetAttribute, FuncGetAttribute, (int *value, int attribute, CUfunction function))                   \
	X(cuFuncSetAttribute, FuncSetAttribute, (CUfunction function, int attribute, int value))                    \
	X(cuFuncGetParamInfo, FuncGetParamInfo, (CUfunction function, size_t index, size_t *offset, size_t *size))  \
	X(cuOccupancyMaxActiveBlocksPerMultiprocessor, OccupancyMaxActiveBlocks,                                    \
	  (int *blocks, CUfunction function, int block_size, size_t shared_bytes))                                  \
	X(cuLaunchKernel, LaunchKernel,                                                                             \
	  (CUfunction function, unsigned int grid_x, unsigned int grid_y, unsigned int grid_z,                      \
	   unsigned int block_x, unsigned int block_y, unsigned int block_z, unsigned int shared_bytes,             \
	   CUstream stream, void **parameters, void **extra))                                                       \
	X(cuLaunchKernelEx, LaunchKernelEx,                                                                         \
	  (const CUlaunchConfig *config, CUfunction function, void **parameters, void **extra))                     \
	X(cuMemAlloc_v2, MemAlloc, (CUdeviceptr * address, size_t bytes))                                           \
	X(cuMemAllocPitch_v2, MemAllocPitch,                                                                        \
	  (CUdeviceptr * address, size_t *pitch, size_t width, size_t height, unsigned int element))                \
	X(cuMemFree_v2, MemFree, (CUdeviceptr address))                                                             \
	X(cuMemGetInfo_v2, MemGetInfo, (size_t *free, size_t *total))                                               \
	X(cuMemGetAddressRange_v2, MemGetAddressRange, (CUdeviceptr * base, size_t *bytes, CUdeviceptr address))    \
	X(cuMemHostAlloc, MemHostAlloc, (void **address, size_t bytes, unsigned int flags))                         \
	X(cuMemAllocHost_v2, MemAllocHost, (void **address, size_t bytes))                                          \
	X(cuMemFreeHost, MemFreeHost, (void *address))                                                              \
	X(cuMemHostGetDevicePointer_v2, MemHostGetDevicePointer,                                                    \
	  (CUdeviceptr * device, void *host, unsigned int flags))                                                   \
	X(cuMemHostGetFlags, MemHostGetFlags, (unsigned int *flags, void *host))                                    \
	X(cuMemHostRegister_v2, MemHostRegister, (void *address, size_t bytes, unsigned int flags))                 \
	X(cuMemHostUnregister, MemHostUnregister, (void *address))                                                  \
	X(cuMemcpy, Memcpy, (CUdeviceptr destination, CUdeviceptr source, size_t bytes))                            \
	X(cuMemcpyAsync, MemcpyAsync, (CUdeviceptr destination, CUdeviceptr source, size_t bytes, CUstream stream)) \
	X(cuMemcpyHtoD_v2, MemcpyHtoD, (CUdeviceptr destination, const void *source, size_t bytes))                 \
	X(cuMemcpyDtoH_v2, MemcpyDtoH, (void *destination, CUdeviceptr source, size_t bytes))                       \
	X(cuMemcpyDtoD_v2, MemcpyDtoD, (CUdeviceptr destination, CUdeviceptr source, size_t bytes))                 \
	X(cuMemcpyHtoDAsync_v2, MemcpyHtoDAsync,                                                                    \
	  (CUdeviceptr destination, const void *source, size_t bytes, CUstream stream))                             \
	X(cuMemcpyDtoHAsync_v2, MemcpyDtoHAsync,                                                                    \
	  (void *destination, CUdeviceptr source, size_t bytes, CUstream stream))                                   \
	X(cuMemcpyDtoDAsync_v2, MemcpyDtoDAsync,                                                                    \
	  (CUdeviceptr destination, CUdeviceptr source, size_t bytes, CUstream stream))                             \
	X(cuMemcpy2D_v2, Memcpy2D, (const CUDA_MEMCPY2D *copy))                                                     \
	X(cuMemsetD8_v2, MemsetD8, (CUdeviceptr address, unsigned char value, size_t count))                        \
	X(cuMemsetD16_v2, MemsetD16, (CUdeviceptr address, unsigned short value, size_t count))                     \
	X(cuMemsetD32_v2, MemsetD32, (CUdeviceptr address, unsigned int value, size_t count))                       \
	X(cuMemsetD8Async, MemsetD8Async, (CUdeviceptr address, unsigned char value, size_t count, CUstream stream)) \
	X(cuMemsetD32Async, MemsetD32Async, (CUdeviceptr address, unsigned int value, size_t count, CUstream stream)) \
	X(cuMemAllocAsync, MemAllocAsync, (CUdeviceptr * address, size_t bytes, CUstream stream))                   \
	X(cuMemFreeAsync, MemFreeAsync, (CUdeviceptr address, CUstream stream))                                     \
	X(cuPointerGetAttribute, PointerGetAttribute, (void *value, int attribute, CUdeviceptr address))            \
	X(cuPointerGetAttributes, PointerGetAttributes,                                                             \
	  (unsigned int count, int *attributes, void **values, CUdeviceptr address))                                \
	X(cuMemGetAllocationGranularity, MemGetAllocationGranularity,                                               \
	  (size_t *bytes, const CUmemAllocationProp *prop, int option))                                             \
	X(cuMemAddressReserve, MemAddressReserve,                                                                   \
	  (CUdeviceptr * address, size_t bytes, size_t alignment, CUdeviceptr hint, unsigned long long flags))      \
	X(cuMemAddressFree, MemAddressFree, (CUdeviceptr address, size_t bytes))                                    \
	X(cuMemCreate, MemCreate,                                                                                   \
	  (CUmemGenericAllocationHandle * handle, size_t bytes, const CUmemAllocationProp *prop,                    \
	   unsigned long long flags))                                                                               \
	X(cuMemRelease, MemRelease, (CUmemGenericAllocationHandle handle))                                          \
	X(cuMemMap, MemMap,                                                                                         \
	  (CUdeviceptr address, size_t bytes, size_t offset, CUmemGenericAllocationHandle handle,                   \
	   unsigned long long flags))                                                                               \
	X(cuMemUnmap, MemUnmap, (CUdeviceptr address, size_t bytes))                                                \
	X(cuMemSetAccess, MemSetAccess,                                                                             \
	  (CUdeviceptr address, size_t bytes, const CUmemAccessDesc *access, size_t count))                         \
	X(cuStreamCreate, StreamCreate, (CUstream * stream, unsigned int flags))                                    \
	X(cuStreamCreateWithPriority, StreamCreateWithPriority,                                                     \
	  (CUstream * stream, unsigned int flags, int priority))                                                    \
	X(cuStreamGetPriority, StreamGetPriority, (CUstream stream, int *priority))                                 \
	X(cuStreamGetFlags, StreamGetFlags, (CUstream stream, unsigned int *flags))                                 \
	X(cuStreamDestroy_v2, StreamDestroy, (CUstream stream))                                                     \
	X(cuStreamSynchronize, StreamSynchronize, (CUstream stream))                                                \
	X(cuStreamQuery, StreamQuery, (CUstream stream))                                                            \
	X(cuStreamWaitEvent, StreamWaitEvent, (CUstream stream, CUevent event, unsigned int flags))                 \
	X(cuLaunchHostFunc, LaunchHostFunc, (CUstream stream, void (*function)(void *), void *data))                \
	X(cuEventCreate, EventCreate, (CUevent * event, unsigned int flags))                                        \
	X(cuEventDestroy_v2, EventDestroy, (CUevent event))                                                         \
	X(cuEventRecord, EventRecord, (CUevent event, CUstream stream))                                             \
	X(cuEventQuery, EventQuery, (CUevent event))                                                                \
	X(cuEventSynchronize, EventSynchronize, (CUevent event))                                                    \
	X(cuEventElapsedTime, EventElapsedTime, (float *milliseconds, CUevent start, CUevent end))                  \
	X(cuStreamBeginCapture_v2, StreamBeginCapture, (CUstream stream, int mode))                                 \
	X(cuStreamEndCapture, StreamEndCapture, (CUstream stream, CUgraph * graph))                                 \
	X(cuStreamIsCapturing, StreamIsCapturing, (CUstream stream, int *status))                                   \
	X(cuThreadExchangeStreamCaptureMode, ThreadExchangeStreamCaptureMode, (int *mode))                          \
	X(cuGraphCreate, GraphCreate, (CUgraph * graph, unsigned int flags))                                        \
	X(cuGraphDestroy, GraphDestroy, (CUgraph graph))                                                            \
	X(cuGraphGetNodes, GraphGetNodes, (CUgraph graph, CUgraphNode * nodes, size_t *count))                      \
	X(cuGraphInstantiateWithFlags, GraphInstantiate,                                                            \
	  (CUgraphExec * exec, CUgraph graph, unsigned long long flags))                                            \
	X(cuGraphLaunch, GraphLaunch, (CUgraphExec exec, CUstream stream))                                          \
	X(cuGraphExecUpdate_v2, GraphExecUpdate,                                                                    \
	  (CUgraphExec exec, CUgraph graph, CUgraphExecUpdateResultInfo * info))                                    \
	X(cuGraphExecDestroy, GraphExecDestroy, (CUgraphExec exec))

#define CUDA_DRIVER_MEMBER(symbol, member, parameters) CUresult(*member) parameters;
struct cuda_driver {
	CUDA_DRIVER_CALLS(CUDA_DRIVER_MEMBER)
};
#undef CUDA_DRIVER_MEMBER

/*
 * Opens libcuda.so.1, or the file that VGPU_TEST_LIBCUDA names, and binds every call.
 * 0, or -1 after saying on stderr what is missing.
 */
int cuda_driver_open(struct cuda_driver *driver);

/* A call that is not in the table above, after cuda_driver_open; ends the program if the library lacks it. */
void *cuda_driver_symbol(const char *symbol);

#endif
