// SPDX-License-Identifier: Apache-2.0
/* Chunks of the arena: handing out, mapping, giving back. */
#include "kerneltest.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>

static void case_chunks(void)
{
	int fd = open_channel(), other = open_channel();
	uint64_t one = alloc(fd, 1), three = alloc(fd, 3), theirs = alloc(other, 1);
	volatile uint8_t *a, *b;

	a = map(fd, VGPU_CHUNK_SIZE, RW, VGPU_MMAP_ARENA + one);
	b = map(fd, 3 * VGPU_CHUNK_SIZE, RW, VGPU_MMAP_ARENA + three);
	check(a != MAP_FAILED && b != MAP_FAILED);
	check(is_zero(a, VGPU_CHUNK_SIZE) && is_zero(b, 3 * VGPU_CHUNK_SIZE));
	a[0] = 1;
	b[3 * VGPU_CHUNK_SIZE - 1] = 2;
	b[VGPU_CHUNK_SIZE] = 3;
	check(*(volatile uint8_t *)map(fd, PAGE, PROT_READ, VGPU_MMAP_ARENA + three + VGPU_CHUNK_SIZE) == 3);

	/* somebody else's, nobody's, outside */
	refused(map(fd, VGPU_CHUNK_SIZE, RW, VGPU_MMAP_ARENA + theirs), EACCES);
	refused(map(other, PAGE, RW, VGPU_MMAP_ARENA + three + VGPU_CHUNK_SIZE), EACCES);
	refused(map(fd, PAGE, RW, VGPU_MMAP_ARENA + theirs + VGPU_CHUNK_SIZE), EACCES);
	refused(map(fd, VGPU_CHUNK_SIZE + PAGE, RW, VGPU_MMAP_ARENA + theirs - VGPU_CHUNK_SIZE), EACCES);
	refused(map(fd, PAGE, RW, VGPU_MMAP_ARENA + (1ULL << 30)), EINVAL);
	refused(map(fd, PAGE, RW | PROT_EXEC, VGPU_MMAP_ARENA + one), EACCES);

	refused(alloc_ioctl(fd, 0, 0), EINVAL);
	refused(alloc_ioctl(fd, 1, 1), EINVAL);
	refused(alloc_ioctl(fd, 512, 0), ENOMEM);
	refused(alloc_ioctl(fd, UINT32_MAX, 0), ENOMEM);
	refused(ioctl(fd, VGPU_IOC_ALLOC, NULL), EFAULT);
}

static void case_free(void)
{
	int fd = open_channel(), other = open_channel();
	uint64_t at = alloc(fd, 4), theirs = alloc(other, 1), again;
	volatile uint8_t *memory = map(fd, 4 * VGPU_CHUNK_SIZE, RW, VGPU_MMAP_ARENA + at);

	check(memory != MAP_FAILED);
	memset((void *)memory, 0xaa, 4 * VGPU_CHUNK_SIZE);

	refused(free_ioctl(fd, at + PAGE, 1), EINVAL);
	refused(free_ioctl(fd, at, 0), EINVAL);
	refused(free_ioctl(fd, at, 5), EINVAL);
	refused(free_ioctl(fd, theirs, 1), EINVAL);
	refused(free_ioctl(fd, 1ULL << 40, 1), EINVAL);
	refused(free_ioctl(fd, UINT64_MAX - VGPU_CHUNK_SIZE + 1, 1), EINVAL);
	refused(free_ioctl(fd, UINT64_MAX - VGPU_CHUNK_SIZE + 1, 2), EINVAL);
	refused(free_ioctl(fd, at, UINT32_MAX), EINVAL);
	refused(ioctl(fd, VGPU_IOC_FREE, NULL), EFAULT);
	check(memory[4 * VGPU_CHUNK_SIZE - 1] == 0xaa);

	/* the middle two go, their mapping with them; the outer two stay */
	check(free_ioctl(fd, at + VGPU_CHUNK_SIZE, 2) == 0);
	check(signal_of(memory + VGPU_CHUNK_SIZE, false) == SIGBUS);
	check(signal_of(memory + 3 * VGPU_CHUNK_SIZE - 1, true) == SIGBUS);
	check(memory[VGPU_CHUNK_SIZE - 1] == 0xaa && memory[3 * VGPU_CHUNK_SIZE] == 0xaa);
	refused(free_ioctl(fd, at + VGPU_CHUNK_SIZE, 1), EINVAL);

	/* handed out again only after the host has punched them */
	again = alloc(fd, 2);
	memory = map(fd, 2 * VGPU_CHUNK_SIZE, RW, VGPU_MMAP_ARENA + again);
	check(memory != MAP_FAILED);
	check(is_zero(memory, 2 * VGPU_CHUNK_SIZE));
	check(free_ioctl(fd, at, 1) == 0);
}

static void case_exhaust(void)
{
	int fd = open_channel();
	volatile uint8_t *memory;
	uint64_t last = 0;
	int count = 0;

	for (struct vgpu_chunks chunks = { .count = 1 }; ioctl(fd, VGPU_IOC_ALLOC, &chunks) == 0; count++)
		last = chunks.offset;
	check(errno == ENOMEM);
	printf("%d chunks\n", count);
	check(count == 507);
	memory = map(fd, VGPU_CHUNK_SIZE, RW, VGPU_MMAP_ARENA + last);
	check(memory != MAP_FAILED);
	memory[17] = 1;
	check(free_ioctl(fd, last, 1) == 0);
	check(alloc(fd, 1) == last);
	check(signal_of(memory + 17, false) == 0 && memory[17] == 0);
}

/* A host that stores 0 for a chunk in use must not make it free. */
static void case_forged_table(void)
{
	int fd = open_channel(), other = open_channel();
	volatile uint8_t *channel = map_channel(fd);
	uint64_t at = alloc(fd, 1);

	ask_host(fd, channel, REQUEST_FORGE_CHUNK, at / VGPU_CHUNK_SIZE);
	for (struct vgpu_chunks chunks = { .count = 1 }; ioctl(other, VGPU_IOC_ALLOC, &chunks) == 0;)
		check(chunks.offset != at);
	check(errno == ENOMEM);
	check(map(fd, PAGE, RW, VGPU_MMAP_ARENA + at) != MAP_FAILED);
	refused(map(other, PAGE, RW, VGPU_MMAP_ARENA + at), EACCES);
}

const struct test_case chunk_cases[] = {
	{ "chunks", case_chunks },
	{ "free", case_free },
	{ "exhaust", case_exhaust },
	{ "forged-table", case_forged_table },
	{ NULL, NULL },
};
