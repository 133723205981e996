/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Device code. A CUmodule and a CUlibrary are alike here, as are a CUfunction and
 * a CUkernel: programs hand either to the calls that take the other.
 */
#ifndef VGPU_MODULE_H
#define VGPU_MODULE_H

#include "objects.h"

#define VG_FUNCTION_ATTRIBUTES 16	/* CUfunction_attribute 0..15 travel with a function */
#define VG_NO_ATTRIBUTE INT32_MIN	/* the driver has none of this number */

struct vg_parameter {
	uint32_t offset, size;		/* in the packed buffer */
};

struct vg_module {
	struct vg_object object;	/* VG_MODULE or VG_LIBRARY */
	pthread_mutex_t lock;		/* functions, module */
	struct vg_function *functions;	/* found so far */
	struct vg_module *library;	/* this is the module of that library */
	struct vg_module *module;	/* of this library, once asked for */
	int unreadable;			/* of a library whose file holds no image: what its uses answer */
	struct vg_context *context;	/* a module ends with it, a library does not */
	struct vg_module *next, *previous;	/* all modules and libraries */
};

#define VG_OCCUPANCY_CACHE 8

struct vg_function {
	struct vg_object object;	/* VG_FUNCTION or VG_KERNEL */
	struct vg_function *next;
	struct vg_module *module;
	struct vg_function *function;	/* of this kernel, once asked for */
	struct vg_context *context;	/* of its module; NULL: of a library, which has none */
	char *name;
	uint32_t hash;			/* of the name */
	_Atomic bool known;		/* what follows; a kernel is asked for it at its first use */
	_Atomic int attributes[VG_FUNCTION_ATTRIBUTES];	/* or VG_NO_ATTRIBUTE */
	uint32_t bytes;			/* packed parameters */
	uint32_t count;
	struct vg_parameter *parameters;
	_Atomic uint32_t taken;		/* the blocks that the driver has taken, see launch.c */
	struct vg_first_launch *first;	/* what the first launch calls set, NULL: nothing */
	/* last answers of the occupancy call, it is a pure function of these */
	pthread_mutex_t lock;		/* that, known and function */
	struct vg_occupancy {
		int block_size;
		uint64_t shared;
		uint32_t flags;
		int blocks;		/* answer, 0: entry unused */
	} occupancy[VG_OCCUPANCY_CACHE];
	unsigned int next_occupancy;
};

/* CUDA_MODULE_LOADING asks for it. */
bool vg_loads_eagerly(void);

/* Asks for attributes and parameters of a kernel. */
int vg_function_learn(struct vg_function *f);

/* A handle of either kind; CUDA_ERROR_INVALID_HANDLE for others. */
static inline int vg_function_handle(const struct vg_function *f)
{
	return f && (f->object.kind == VG_FUNCTION || f->object.kind == VG_KERNEL) ? 0 : CUDA_ERROR_INVALID_HANDLE;
}

/* The same; from then on all is known of the function. */
static inline int vg_function_check(struct vg_function *f)
{
	int result = vg_function_handle(f);

	if (result)
		return result;
	return __builtin_expect(atomic_load_explicit(&f->known, memory_order_acquire), 1) ? 0 : vg_function_learn(f);
}

/* Whether so many blocks run at once on the whole GPU, as a cooperative launch demands: 0, 720 or another code. */
int vg_blocks_together(struct vg_function *f, uint64_t blocks, int block_size, size_t shared);

/* 0 function, 1 kernel: what the wire calls kind. */
static inline uint32_t vg_function_kind(const struct vg_function *f)
{
	return f->object.kind == VG_KERNEL;
}

/* A library whose content is at hand: 0, CUDA_ERROR_INVALID_HANDLE, or why there is none. */
static inline int vg_library_check(const struct vg_module *library)
{
	if (!library || library->object.kind != VG_LIBRARY)
		return CUDA_ERROR_INVALID_HANDLE;
	return library->unreadable;
}

/* A library of a file without an image has no kernels, and says so (measured, driver 580). */
static inline bool vg_library_unreadable(const struct vg_module *library)
{
	return library && library->object.kind == VG_LIBRARY && library->unreadable;
}

void vg_functions_end(struct vg_module *m);
/* Forgets the functions that kernels of the library were given. */
void vg_kernel_functions_end(struct vg_module *library);

/* A context ends, and with it its modules and what libraries and kernels gave in it. */
void vg_modules_end(const struct vg_context *c);

CUresult cuLibraryGetModule(CUmodule *module, CUlibrary library);

#endif
