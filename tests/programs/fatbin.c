/* SPDX-License-Identifier: Apache-2.0 */
#include "fatbin.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

struct container_header {
	uint32_t magic;
	uint16_t version;
	uint16_t header_size;
	uint64_t payload_size;
};

struct entry_header {
	uint16_t kind;
	uint16_t version;
	uint32_t header_size;
	uint64_t payload_size;
	uint32_t compressed_size;
	uint32_t options_offset;
	uint16_t minor;
	uint16_t major;
	uint32_t arch;
	uint32_t name_offset;
	uint32_t name_length;
	uint64_t flags;
	uint64_t reserved;
	uint64_t uncompressed_size;
	uint32_t options_at;		/* from the start of the entry; the driver follows it even when there are none */
	uint32_t padding;
	char options[8];
};

#define KIND_PTX 1
#define FLAG_64_BIT 0x1u
#define FLAG_LINUX 0x10u

_Static_assert(sizeof(struct container_header) == 16, "as measured");
_Static_assert(sizeof(struct entry_header) == 80, "as nvcc 13.0 writes it");

int fatbin_of_ptx(struct fatbin_wrapper *wrapper, const char *ptx, uint32_t arch)
{
	size_t length = strlen(ptx) + 1;
	size_t padded = (length + 7) & ~(size_t)7;
	size_t payload = sizeof(struct entry_header) + padded;
	char *container = aligned_alloc(8, sizeof(struct container_header) + payload);
	struct container_header header = { 0xBA55ED50u, 1, sizeof(header), payload };
	struct entry_header entry = { 0 };

	if (!container)
		return -1;
	entry.kind = KIND_PTX;
	entry.version = 0x101;
	entry.header_size = sizeof(entry);
	entry.payload_size = padded;
	entry.options_offset = offsetof(struct entry_header, options_at);
	entry.options_at = offsetof(struct entry_header, options);
	entry.minor = 4;
	entry.major = 8;
	entry.arch = arch;
	entry.flags = FLAG_64_BIT | FLAG_LINUX;

	memset(container, 0, sizeof(header) + payload);
	memcpy(container, &header, sizeof(header));
	memcpy(container + sizeof(header), &entry, sizeof(entry));
	memcpy(container + sizeof(header) + sizeof(entry), ptx, length);

	wrapper->magic = 0x466243B1u;
	wrapper->version = 1;
	wrapper->data = container;
	wrapper->extra = NULL;
	return 0;
}

void fatbin_free(struct fatbin_wrapper *wrapper)
{
	free(wrapper->data);
	wrapper->data = NULL;
}
