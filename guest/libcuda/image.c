// SPDX-License-Identifier: Apache-2.0
#include "image.h"

#include <elf.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "gen/ops.h"
#include "image_sum.h"

#define WRAPPER_MAGIC	0x466243b1u
#define FATBIN_MAGIC	0xba55ed50u
#define PIECE		0xf000u		/* bytes of an image per record */

struct wrapper {
	uint32_t magic, version;
	const void *data;
	const void *extra;
};

struct fatbin_header {
	uint32_t magic;
	uint16_t version, header_size;
	uint64_t payload_size;
};

static uint32_t first_word(const void *image)
{
	uint32_t word;

	memcpy(&word, image, sizeof word);
	return word;
}

const void *vg_image_unwrap(const void *image)
{
	const struct wrapper *w = image;

	/* text may be shorter than a word */
	if (*(const unsigned char *)image == (WRAPPER_MAGIC & 0xff) && first_word(image) == WRAPPER_MAGIC)
		return w->data;
	return image;
}

static size_t max(size_t a, size_t b)
{
	return a > b ? a : b;
}

/* End of the last thing in the file that a header names. */
static size_t elf_size(const uint8_t *image)
{
	const Elf64_Ehdr *e = (const Elf64_Ehdr *)image;
	const Elf64_Shdr *sections = (const Elf64_Shdr *)(image + e->e_shoff);
	const Elf64_Phdr *segments = (const Elf64_Phdr *)(image + e->e_phoff);
	size_t count = e->e_shnum, size = sizeof *e;

	if (e->e_ident[EI_CLASS] != ELFCLASS64)
		return 0;
	if (!count && e->e_shoff)
		count = sections[0].sh_size; /* more sections than the header's field can say */
	size = max(size, e->e_shoff + count * e->e_shentsize);
	size = max(size, e->e_phoff + (size_t)e->e_phnum * e->e_phentsize);
	for (size_t i = 0; e->e_shoff && i < count; i++)
		if (sections[i].sh_type != SHT_NOBITS)
			size = max(size, sections[i].sh_offset + sections[i].sh_size);
	for (size_t i = 0; e->e_phoff && i < e->e_phnum; i++)
		size = max(size, segments[i].p_offset + segments[i].p_filesz);
	return size;
}

size_t vg_image_size(const void *image)
{
	const unsigned char *bytes = image;

	if (!image)
		return 0;
	if (bytes[0] == (FATBIN_MAGIC & 0xff) && first_word(image) == FATBIN_MAGIC) {
		const struct fatbin_header *h = image;

		return h->header_size + h->payload_size;
	}
	if (bytes[0] == ELFMAG0 && memcmp(image, ELFMAG, SELFMAG) == 0)
		return elf_size(image);
	return strlen(image) + 1; /* all else is PTX text */
}

static _Atomic uint32_t next_image = 1;

int vg_image_send(struct vg_thread *t, const void *image, size_t size, uint32_t *number)
{
	const uint8_t *bytes = image;
	uint8_t sum[32];
	uint32_t cached = 0;
	int result = vg_image_sum(image, size, sum);

	if (result)
		return result;
	*number = atomic_fetch_add(&next_image, 1);
	result = vg_op_image_begin(t, *number, size, sum, &cached);
	if (result)
		*number = 0;
	if (cached)
		return result;
	while (!result && size) {
		uint32_t piece = size < PIECE ? (uint32_t)size : PIECE;

		result = vg_op_image_inline(t, *number, bytes, piece);
		bytes += piece;
		size -= piece;
	}
	return result;
}

void vg_image_drop(struct vg_thread *t, uint32_t number)
{
	if (number)
		vg_op_image_drop(t, number);
}

int vg_image_read(const char *name, void **image, size_t *size)
{
	int fd = open(name, O_RDONLY | O_CLOEXEC);
	struct stat st;
	char *buffer = NULL;
	size_t have = 0;

	if (fd < 0)
		return CUDA_ERROR_FILE_NOT_FOUND;
	if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode))
		buffer = malloc((size_t)st.st_size + 1);
	while (buffer && have < (size_t)st.st_size) {
		ssize_t n = read(fd, buffer + have, (size_t)st.st_size - have);

		if (n <= 0)
			break;
		have += (size_t)n;
	}
	close(fd);
	if (!buffer)	/* of a directory the driver says this too (measured, 580) */
		return CUDA_ERROR_OUT_OF_MEMORY;
	buffer[have] = 0;
	*image = buffer;
	*size = have;
	return 0;
}
