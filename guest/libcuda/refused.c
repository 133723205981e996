// SPDX-License-Identifier: Apache-2.0
/* Calls that are not carried: counted here, told to the host once each. */
#include "calls.h"
#include "channel.h"
#include "error_log.h"
#include "gen/ops.h"
#include "process.h"

#define MAX_CALLS 1024

static _Atomic uint32_t counts[MAX_CALLS];
static _Atomic uint8_t told[MAX_CALLS];

/* The host hears of it only once there is an executor: refusing starts none. */
static void tell(unsigned int call)
{
	struct vg_thread *t = vg_thread_get();

	if (!t || !atomic_load_explicit(&t->channel->started, memory_order_acquire) || vg_channel_lost(t->channel))
		return;
	if (!atomic_exchange_explicit(&told[call], 1, memory_order_relaxed))
		(void)vg_op_refused(t, call);
}

int vg_refuse(unsigned int call)
{
	int result = vg_process_ready();

	if (result)
		return result;
	if (call >= MAX_CALLS || call >= vg_call_count)
		return CUDA_ERROR_NOT_SUPPORTED;
	if (atomic_fetch_add_explicit(&counts[call], 1, memory_order_relaxed) == 0)
		vg_error_log("[CUDA][E] %s is not carried by this virtual GPU", vg_call_names[call]);
	if (!atomic_load_explicit(&told[call], memory_order_relaxed))
		tell(call);
	return CUDA_ERROR_NOT_SUPPORTED;
}

void vg_refused_report(void)
{
	for (unsigned int call = 0; call < vg_call_count && call < MAX_CALLS; call++) {
		uint32_t count = atomic_load_explicit(&counts[call], memory_order_relaxed);

		if (count > 1)
			vg_log("%s was refused %u times", vg_call_names[call], count);
	}
}
