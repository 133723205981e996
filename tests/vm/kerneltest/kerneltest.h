// SPDX-License-Identifier: Apache-2.0
/* What the cases share: a channel of /dev/vgpu0, checks that end the run, and requests to the host. */
#ifndef KERNELTEST_H
#define KERNELTEST_H

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/mman.h>

#include "vgpu_layout.h"
#include "vgpu_uapi.h"

struct test_case {
	const char *name;
	void (*run)(void);
};

/* each ends with a case without a name */
extern const struct test_case channel_cases[], chunk_cases[], wait_cases[], removal_cases[], stress_cases[];

/* Requests to the host, in the first fence words of the channel. */
#define REQUEST VGPU_CH_FENCES
#define REQUEST_ARGUMENT (VGPU_CH_FENCES + 4)
#define REQUEST_INTERRUPT 1	/* raise the channel's interrupt */
#define REQUEST_FORGE_CHUNK 2	/* store 0 in the table entry of chunk ARGUMENT */
#define REQUEST_NOTHING 3	/* only the doorbell matters */

#define HOST_SECONDS 30	/* that an answer of the host may take on a busy machine */

#define PAGE 4096UL
#define RW (PROT_READ | PROT_WRITE)

extern const char *device;	/* changes when it is bound again */

/* Says on stderr where and why, with errno, and ends the run with status 1. */
void fail(const char *file, int line, const char *format, ...) __attribute__((format(printf, 3, 4), noreturn));

#define check(condition) \
	do { \
		if (!(condition)) \
			fail(__FILE__, __LINE__, "%s", #condition); \
	} while (0)

/* The call must fail, and for this reason. */
#define refused(call, reason) \
	do { \
		errno = 0; \
		if ((long)(call) != -1L) \
			fail(__FILE__, __LINE__, "%s succeeded", #call); \
		if (errno != (reason)) \
			fail(__FILE__, __LINE__, "%s: wanted %s", #call, #reason); \
	} while (0)

int open_channel(void);
struct vgpu_info info_of(int fd);
void *map(int fd, size_t size, int prot, uint64_t offset);
volatile uint8_t *map_channel(int fd);
volatile uint32_t *word(volatile uint8_t *channel, unsigned int offset);
bool is_zero(const volatile uint8_t *at, size_t size);	/* looks at each 64th byte */

uint64_t alloc(int fd, uint32_t count);			/* the offset of chunks in a row; must succeed */
int alloc_ioctl(int fd, uint32_t count, uint32_t reserved);
int free_ioctl(int fd, uint64_t offset, uint32_t count);

double now(void);	/* seconds */

/* Rings the doorbell and waits until the host has done what was asked. */
void ask_host(int fd, volatile uint8_t *channel, uint32_t request, uint32_t argument);

/* Sleeps until the interrupt after the one that wait has seen. */
void await_interrupt(int fd, struct vgpu_wait *wait);

/* Asks for an executor and sleeps until the host says that it is there. */
void start(int fd, volatile uint8_t *channel);

/* The signal that reading (or writing) one byte raises, 0 if none. */
int signal_of(volatile uint8_t *at, bool write);

#endif
