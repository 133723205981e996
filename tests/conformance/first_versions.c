/* SPDX-License-Identifier: Apache-2.0 */
/* First versions of memory calls that have no device address in them. */
#include "conformance.h"

#include <string.h>

static bool memory(void)
{
	BIND(cuMemGetInfo, unsigned int *, unsigned int *);
	BIND(cuMemAllocHost, void **, unsigned int);
	unsigned int free_bytes = 0, total = 0;
	CUdeviceptr address;
	void *host = NULL;
	char back[256];

	USE_DEVICE;
	DO(cuMemGetInfo(&free_bytes, &total));
	THAT(free_bytes && total);
	/* the GPU has more than 32 bits can say */
	check_note("%s", total == UINT32_MAX ? "most" : "a part");
	CODE(cuMemGetInfo(NULL, &total));
	CODE(cuMemGetInfo(&free_bytes, NULL));
	DO(cuMemAllocHost(&host, sizeof(back)));
	memset(host, 0x33, sizeof(back));
	DO(cu.MemAlloc(&address, sizeof(back)));
	DO(cu.MemcpyHtoD(address, host, sizeof(back)));
	DO(cu.MemcpyDtoH(back, address, sizeof(back)));
	THAT(!memcmp(back, host, sizeof(back)));
	DO(cu.MemFree(address));
	DO(cu.MemFreeHost(host));
	CODE(cuMemAllocHost(NULL, 16));
	CODE(cuMemAllocHost(&host, 0));
	return true;
}

static const struct check checks[] = {
	{ "memory", memory },
};
const struct check_group first_version_family = GROUP("first_versions", checks);
