// SPDX-License-Identifier: Apache-2.0
#include "pause.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

#define LOOK		64u		/* turns between looks at the clock */
#define REPLY_SPIN_NS	1000000u	/* most replies come within microseconds, small modules within a millisecond */
#define FEW_CPUS_SPIN_NS 3000000u	/* where a spinning thread is in the way of what it waits for */
#define FIRST_SLEEP_NS	10000u
#define LAST_SLEEP_NS	500000u

static _Atomic int spinners;		/* threads spinning now */
static _Atomic int most_spinners;	/* 0: not yet known */
static _Atomic uint32_t most_ns = UINT32_MAX;

static int limits(void)
{
	const char *text = getenv("VGPU_SPIN_US");
	long cpus = sysconf(_SC_NPROCESSORS_ONLN);
	int most = cpus > 2 ? (int)cpus - 1 : 1;

	if (text && *text)
		atomic_store(&most_ns, (uint32_t)strtoul(text, NULL, 10) * 1000u);
	else if (cpus <= 2)
		atomic_store(&most_ns, FEW_CPUS_SPIN_NS);
	atomic_store(&most_spinners, most);
	return most;
}

static bool begin(struct vg_pause *p, uint32_t limit_ns)
{
	int most = atomic_load_explicit(&most_spinners, memory_order_relaxed);

	if (!most)
		most = limits();
	p->spinning = true;
	if (atomic_fetch_add_explicit(&spinners, 1, memory_order_relaxed) >= most)
		limit_ns = 0;
	if (limit_ns > atomic_load_explicit(&most_ns, memory_order_relaxed))
		limit_ns = atomic_load_explicit(&most_ns, memory_order_relaxed);
	p->until_ns = vg_now_ns() + limit_ns;
	return limit_ns != 0;
}

bool vg_pause_spin(struct vg_pause *p, uint32_t limit_ns)
{
	__builtin_ia32_pause();
	if (++p->turns % LOOK)
		return true;
	if (!p->until_ns)
		return begin(p, limit_ns);
	if (vg_now_ns() < p->until_ns)
		return true;
	vg_pause_end(p);
	return false;
}

void vg_pause_end(struct vg_pause *p)
{
	if (p->spinning)
		atomic_fetch_sub_explicit(&spinners, 1, memory_order_relaxed);
	p->spinning = false;
}

void vg_pause(struct vg_pause *p)
{
	if (!p->sleep_ns) {
		if (vg_pause_spin(p, REPLY_SPIN_NS))
			return;
		vg_pause_end(p);
		p->sleep_ns = FIRST_SLEEP_NS;
	}
	nanosleep(&(struct timespec){ .tv_nsec = (long)p->sleep_ns }, NULL);
	p->sleep_ns += p->sleep_ns / 8;
	if (p->sleep_ns > LAST_SLEEP_NS)
		p->sleep_ns = LAST_SLEEP_NS;
}
