// SPDX-License-Identifier: Apache-2.0
/* Events that several processes record and wait for. No fence tells of them: the executor is asked. */
#include <string.h>

#include "calls.h"
#include "enter.h"
#include "gen/ops.h"
#include "ipc.h"

#define EVENT_MAGIC	0x45504756u	/* "VGPE" */
#define EVENT_NO_TIMING	2u
#define EVENT_IPC	4u

/* CUipcEventHandle */
struct handle {
	uint32_t magic;
	uint32_t reserved;
	uint8_t token[VG_TOKEN_SIZE];
	uint64_t process;	/* that exported it */
	uint64_t unused[2];
};
_Static_assert(sizeof(struct handle) == 64, "CUipcEventHandle");

VG_EXPORT CUresult cuIpcGetEventHandle(struct handle *out, CUevent event)
{
	struct handle h = { .magic = EVENT_MAGIC, .process = vg_process_nonce() };
	struct vg_thread *t;
	uint32_t number;
	int result = vg_enter(&t);

	if (result)
		return result;
	if (!out)
		return CUDA_ERROR_INVALID_VALUE;
	if (vg_number(VG_EVENT, event, &number))
		return CUDA_ERROR_INVALID_VALUE;
	if (!(event->flags & EVENT_IPC))
		return CUDA_ERROR_INVALID_HANDLE;
	result = vg_op_event_export(t, number, h.token);
	if (!result)
		memcpy(out, &h, sizeof h);
	return result;
}

VG_EXPORT CUresult cuIpcOpenEventHandle(CUevent *event, struct handle h)
{
	struct vg_event *e;
	struct vg_thread *t;
	int result = vg_enter(&t);

	if (result)
		return result;
	if (!event)
		return CUDA_ERROR_INVALID_VALUE;
	if (h.magic != EVENT_MAGIC)
		return CUDA_ERROR_MAP_FAILED;
	if (h.process == vg_process_nonce())
		return CUDA_ERROR_INVALID_CONTEXT;
	e = vg_object_new(VG_EVENT, sizeof *e);
	if (!e)
		return CUDA_ERROR_OUT_OF_MEMORY;
	e->context = t->current->base;
	e->flags = EVENT_NO_TIMING | EVENT_IPC;
	result = vg_op_event_import(t, e->object.number, h.token);
	if (result)
		vg_object_end(e);
	else
		*event = e;
	return result;
}
