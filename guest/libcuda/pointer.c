// SPDX-License-Identifier: Apache-2.0
/* What a pointer is: answered from the ranges. */
#include <string.h>

#include "calls.h"
#include "enter.h"
#include "memory.h"
#include "vmm.h"

enum {
	ATTR_CONTEXT = 1, ATTR_MEMORY_TYPE, ATTR_DEVICE_POINTER, ATTR_HOST_POINTER, ATTR_P2P_TOKENS, ATTR_SYNC_MEMOPS,
	ATTR_BUFFER_ID, ATTR_IS_MANAGED, ATTR_DEVICE_ORDINAL, ATTR_IS_LEGACY_IPC_CAPABLE, ATTR_RANGE_START,
	ATTR_RANGE_SIZE, ATTR_MAPPED, ATTR_ALLOWED_HANDLE_TYPES, ATTR_IS_GPU_DIRECT_RDMA_CAPABLE, ATTR_ACCESS_FLAGS,
	ATTR_MEMPOOL_HANDLE, ATTR_MAPPING_SIZE, ATTR_MAPPING_BASE, ATTR_MEMORY_BLOCK_ID, ATTR_HW_DECOMPRESS,
	ATTR_COUNT
};

#define NO_ORDINAL (-2)
#define P2P_TOKENS 16		/* CUDA_POINTER_ATTRIBUTE_P2P_TOKENS */
#define SYNC_MEMOPS 1u		/* flags of DEVICE and GLOBAL */
#define USAGE_DECOMPRESS 2u	/* CU_MEM_CREATE_USAGE_HW_DECOMPRESS */

/* CUmemAllocationProp's allocFlags */
struct allocation_flags {
	uint8_t compression, direct_rdma;
	uint16_t usage;
	uint8_t reserved[4];
};

static struct allocation_flags flags_of(const struct vg_range *mapped)
{
	struct allocation_flags flags;

	memcpy(&flags, ((const struct vg_memory *)mapped->owner)->prop.allocFlags, sizeof flags);
	return flags;
}

static bool is_linear(const struct vg_range *r)
{
	return r && (r->kind == VG_RANGE_DEVICE || r->kind == VG_RANGE_GLOBAL);
}

/* The large pages that a range lies on: memory that was there before it was registered has its own. */
static uint64_t mapping(const struct vg_range *r, uint64_t *size)
{
	uint64_t page = r->kind == VG_RANGE_REGISTERED ? 1 : vg_memory_granularity(), base = r->base & ~(page - 1);

	*size = ((r->base + r->size + page - 1) & ~(page - 1)) - base;
	return base;
}

/*
 * Peer-to-peer tokens name memory to a driver of the host; a guest's driver has no use for them, so they are
 * none. As natively, whoever has asked for those of linear memory has it copied synchronously, managed memory has
 * none either, and host memory has no such attribute (measured, driver 580).
 */
static int tokens(void *out, const struct vg_range *r)
{
	if (r->kind == VG_RANGE_PINNED || r->kind == VG_RANGE_REGISTERED)
		return CUDA_ERROR_INVALID_VALUE;
	if (!is_linear(r) && r->kind != VG_RANGE_MANAGED)
		return CUDA_ERROR_NOT_SUPPORTED;
	if (is_linear(r))
		vg_range_set_flags(r->base, SYNC_MEMOPS);
	memset(out, 0, P2P_TOKENS);
	return 0;
}

/* An attribute's value in r; NULL: memory that CUDA does not know. */
static int attribute(void *out, int id, uint64_t address, const struct vg_range *r)
{
	bool managed = r && r->kind == VG_RANGE_MANAGED, pinned = r && vg_range_is_host(r);
	uint64_t word = 0, mapped;
	size_t size = 4;

	switch (id) {
	case ATTR_CONTEXT:
		/* stream-ordered memory belongs to none */
		word = r && r->kind != VG_RANGE_POOL ? (uint64_t)(uintptr_t)r->context : 0;
		size = 8;
		break;
	case ATTR_MEMORY_TYPE:
		word = !r ? 0 : pinned && !managed ? CU_MEMORYTYPE_HOST : CU_MEMORYTYPE_DEVICE;
		break;
	case ATTR_DEVICE_POINTER:
		word = r ? address : 0;
		size = 8;
		break;
	case ATTR_HOST_POINTER:
		/* memory that CUDA does not know is the host's (measured, driver 580) */
		word = pinned || !r ? address : 0;
		size = 8;
		break;
	case ATTR_BUFFER_ID:
	case ATTR_MEMORY_BLOCK_ID:
		word = r ? r->id : 0;
		size = 8;
		break;
	case ATTR_DEVICE_ORDINAL:
		word = r ? 0 : (uint32_t)NO_ORDINAL;
		break;
	case ATTR_RANGE_START:
		word = r ? r->base : 0;
		size = 8;
		break;
	case ATTR_RANGE_SIZE:
		word = r ? r->size : 0;
		size = 8;
		break;
	case ATTR_MAPPING_BASE:
		word = r ? mapping(r, &mapped) : 0;
		size = 8;
		break;
	case ATTR_MAPPING_SIZE:
		if (r)
			mapping(r, &word);
		size = 8;
		break;
	case ATTR_MAPPED:
		word = r != NULL;
		break;
	case ATTR_ACCESS_FLAGS:
		word = !r ? 0 : r->kind == VG_RANGE_MAPPED ? r->flags : 3;
		break;
	case ATTR_MEMPOOL_HANDLE:
		word = r && r->kind == VG_RANGE_POOL ? (uint64_t)(uintptr_t)r->owner : 0;
		size = 8;
		break;
	case ATTR_ALLOWED_HANDLE_TYPES:
		word = r && r->kind == VG_RANGE_MAPPED ? ((const struct vg_memory *)r->owner)->prop.handleTypes : 0;
		size = 8;
		break;
	case ATTR_IS_LEGACY_IPC_CAPABLE:
		word = r && r->kind == VG_RANGE_DEVICE;
		break;
	case ATTR_IS_MANAGED:
		word = managed;
		break;
	case ATTR_SYNC_MEMOPS:
		/* managed memory is ever since it was allocated (measured, driver 580) */
		word = managed || (is_linear(r) && r->flags & SYNC_MEMOPS);
		break;
	case ATTR_IS_GPU_DIRECT_RDMA_CAPABLE:
		/* what kind of memory it is; which devices reach it is another question */
		word = r && (r->kind == VG_RANGE_DEVICE || (r->kind == VG_RANGE_MAPPED && flags_of(r).direct_rdma));
		break;
	case ATTR_HW_DECOMPRESS:
		word = r && (r->kind == VG_RANGE_DEVICE || (r->kind == VG_RANGE_MAPPED && flags_of(r).usage & USAGE_DECOMPRESS));
		break;
	case ATTR_P2P_TOKENS:
		return r ? tokens(out, r) : CUDA_ERROR_INVALID_VALUE;
	default:
		return CUDA_ERROR_INVALID_VALUE;
	}
	memcpy(out, &word, size);
	return 0;
}

VG_EXPORT CUresult cuPointerGetAttribute(void *out, int id, CUdeviceptr address)
{
	struct vg_range r;
	int result = vg_enter_local();

	if (result)
		return result;
	if (!out || id < 1 || id >= ATTR_COUNT)
		return CUDA_ERROR_INVALID_VALUE;
	if (!vg_range_find(address, &r))
		return CUDA_ERROR_INVALID_VALUE;
	/* a device pointer has no host pointer */
	if (id == ATTR_HOST_POINTER && !vg_range_is_host(&r))
		return CUDA_ERROR_INVALID_VALUE;
	return attribute(out, id, address, &r);
}

VG_EXPORT CUresult cuPointerGetAttributes(unsigned int count, const int *ids, void **out, CUdeviceptr address)
{
	struct vg_range r;
	bool known;
	int result = vg_enter_local();

	if (result)
		return result;
	if (!ids || !out || !count)
		return CUDA_ERROR_INVALID_VALUE;
	known = vg_range_find(address, &r);
	for (unsigned int i = 0; i < count; i++) {
		if (!out[i])
			return CUDA_ERROR_INVALID_VALUE;
		result = attribute(out[i], ids[i], address, known ? &r : NULL);
		if (result)
			return result;
	}
	return CUDA_SUCCESS;
}

VG_EXPORT CUresult cuMemGetAddressRange_v2(CUdeviceptr *base, size_t *size, CUdeviceptr address)
{
	struct vg_range r;
	struct vg_thread *t;
	int result = vg_enter(&t);

	if (result)
		return result;
	if (!vg_range_find(address, &r))
		return CUDA_ERROR_NOT_FOUND;
	if (base)
		*base = r.base;
	if (size)
		*size = r.size;
	return CUDA_SUCCESS;
}
