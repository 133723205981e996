// SPDX-License-Identifier: Apache-2.0
/*
 * Memory behind a file descriptor. The descriptor that a program gets holds the
 * token and nothing else; it goes wherever descriptors go, inside this domain it
 * opens the memory. It does not keep the memory alive.
 */
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "calls.h"
#include "enter.h"
#include "gen/ops.h"
#include "ipc.h"
#include "vmm.h"

#define FILE_MAGIC	0x3159524f4d454d56ull	/* "VMEMORY1" */

/* the descriptor's content */
struct content {
	uint64_t magic;
	uint64_t size;
	uint8_t token[VG_TOKEN_SIZE];
	struct allocation_prop prop;
};

static int write_content(const struct content *c, int *out)
{
	int fd = memfd_create("vgpu-memory", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	if (fd < 0)
		return CUDA_ERROR_OPERATING_SYSTEM;
	if (write(fd, c, sizeof *c) != sizeof *c ||
	    fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL) < 0) {
		close(fd);
		return CUDA_ERROR_OPERATING_SYSTEM;
	}
	*out = fd;
	return 0;
}

static int check_type(unsigned int type)
{
	if (type == VG_HANDLE_FABRIC)
		return CUDA_ERROR_NOT_SUPPORTED;
	return type == VG_HANDLE_DESCRIPTOR ? 0 : CUDA_ERROR_INVALID_VALUE;
}

VG_EXPORT CUresult cuMemExportToShareableHandle(int *out, CUmemGenericAllocationHandle handle, unsigned int type,
						unsigned long long flags)
{
	struct vg_memory *m = vg_memory_of(handle);
	struct content c = { .magic = FILE_MAGIC };
	struct vg_thread *t;
	int result = vg_enter_library(&t);

	if (result)
		return result;
	if (!out || !m || flags)
		return CUDA_ERROR_INVALID_VALUE;
	result = check_type(type);
	if (!result && !(m->prop.handleTypes & type))
		result = CUDA_ERROR_INVALID_VALUE;
	if (!result)
		result = vg_op_mem_export(t, m->object.number, c.token);
	if (result)
		return result;
	c.size = m->size;
	c.prop = m->prop;
	c.prop.win32 = NULL;
	return write_content(&c, out);
}

VG_EXPORT CUresult cuMemImportFromShareableHandle(CUmemGenericAllocationHandle *out, void *descriptor,
						  unsigned int type)
{
	struct content c;
	struct vg_memory *m;
	struct vg_thread *t;
	int result = vg_enter_library(&t);

	if (result)
		return result;
	if (!out)
		return CUDA_ERROR_INVALID_VALUE;
	if (type != VG_HANDLE_DESCRIPTOR)
		return CUDA_ERROR_NOT_SUPPORTED;
	/* as the driver answers to a descriptor of something else */
	if (pread((int)(intptr_t)descriptor, &c, sizeof c, 0) != sizeof c || c.magic != FILE_MAGIC || !c.size ||
	    c.size % vg_memory_granularity())
		return CUDA_ERROR_UNKNOWN;
	c.prop.handleTypes = 0;
	m = vg_memory_new(c.size, &c.prop);
	if (!m)
		return CUDA_ERROR_OUT_OF_MEMORY;
	result = vg_op_mem_import(t, m->object.number, c.size, c.token);
	if (result)
		vg_memory_forget(m);
	else
		*out = (CUmemGenericAllocationHandle)(uintptr_t)m;
	return result;
}
