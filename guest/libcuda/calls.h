/* SPDX-License-Identifier: Apache-2.0 */
/* What the generated calls.c and the hand-written calls share. */
#ifndef VGPU_CALLS_H
#define VGPU_CALLS_H

#define VG_EXPORT __attribute__((visibility("default")))
/* debugger hooks: present for tools that look the symbol up, never used */
#define VG_EXPORT_DATA(name) VG_EXPORT unsigned long long name;

/* one answer of cuGetProcAddress; sorted by base, per_thread, since */
struct vg_proc_name {
	const char *base;
	int since;		/* CUDA version, 1000 * major + 10 * minor */
	int per_thread;		/* answers flag 2 */
	void *function;
};
extern const struct vg_proc_name vg_proc_names[];
extern const unsigned int vg_proc_name_count;

/* calls.table order; vg_refuse takes the index */
extern const char *const vg_call_names[];
extern const unsigned int vg_call_count;

/* Answer of a call that is not carried: counts it, tells the host if there is
 * one, returns CUDA_ERROR_NOT_SUPPORTED; 3 or 4 as every call before cuInit, after exit. */
int vg_refuse(unsigned int call);
/* Logs the counts. */
void vg_refused_report(void);

#endif
