// SPDX-License-Identifier: Apache-2.0
/* The tables of cuBLASLt and cuFFT: ids of contexts and streams, functions of a module. */
#include <stdlib.h>

#include "enter.h"
#include "objects.h"
#include "tables.h"

CUresult cuCtxGetId(CUcontext context, unsigned long long *id);
CUresult cuModuleGetFunctionCount(unsigned int *count, void *module);
CUresult cuModuleEnumerateFunctions(CUfunction *functions, unsigned int count, CUmodule module);

static CUresult context_device(CUcontext context, CUdevice *device)
{
	struct vg_thread *t;
	int result = vg_enter(&t);

	(void)context;
	if (result)
		return result;
	if (!device)
		return CUDA_ERROR_INVALID_VALUE;
	*device = 0;
	return 0;
}

static CUresult context_id(CUcontext context, unsigned long long *id)
{
	return cuCtxGetId(context, id);
}

/* The caller gives the stream back to stream_id and looks into it nowhere. */
static CUresult private_stream(CUcontext context, CUstream handle, void **stream, int per_thread)
{
	struct vg_stream *found;
	struct vg_thread *t;
	int result = vg_enter(&t);

	(void)context;
	if (result)
		return result;
	if (!stream)
		return CUDA_ERROR_INVALID_VALUE;
	result = vg_stream_get(t, handle, per_thread != 0, &found);
	if (!result)
		*stream = found;
	return result;
}

static CUresult stream_id(CUcontext context, const struct vg_stream *stream, unsigned long long *id)
{
	uint32_t number;
	int result = vg_process_ready();

	(void)context;
	if (!result)
		result = vg_number(VG_STREAM, stream, &number);
	if (result)
		return result;
	if (!id)
		return CUDA_ERROR_INVALID_VALUE;
	*id = stream->id;
	return 0;
}

/* one slot more than the size says: later drivers have it */
const void *const vg_table_context_streams[94] = {
	VG_TABLE_SIZE(93),
	[1 ... 2] = VG_UNSUPPORTED,
	[3] = (const void *)context_device,
	[4] = (const void *)context_id,
	[5 ... 38] = VG_UNSUPPORTED,
	[39] = (const void *)stream_id,
	[40 ... 50] = VG_UNSUPPORTED,
	[51] = (const void *)private_stream,
	[52 ... 93] = VG_UNSUPPORTED,
};

/* Calls visit for every function of the module; 1, or 0 when that is not possible. */
static int visit_functions(CUcontext context, CUmodule module,
			   void (*visit)(void *user, CUfunction function, uint64_t owner), void *user)
{
	CUfunction *functions;
	unsigned int count;
	int ok = 0;

	(void)context;
	if (!visit || cuModuleGetFunctionCount(&count, module))
		return 0;
	if (!count)
		return 1;
	functions = calloc(count, sizeof(CUfunction));
	if (functions && !cuModuleEnumerateFunctions(functions, count, module)) {
		for (unsigned int i = 0; i < count; i++)
			visit(user, functions[i], (uint64_t)(uintptr_t)module);
		ok = 1;
	}
	free(functions);
	return ok;
}

const void *const vg_table_modules[99] = {
	VG_TABLE_SIZE(99),
	[1 ... 6] = VG_UNSUPPORTED,
	[7] = (const void *)visit_functions,
	[8 ... 98] = VG_UNSUPPORTED,
};
