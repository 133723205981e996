/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Programs whose own memory lies anywhere: Go's runtime, for one, puts its heap at a random address. The driver works
 * beside whatever a process had before it was initialised.
 */
#include "child.h"
#include "conformance.h"
#include "kernels.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define OCCUPIED	6
#define OWN_BYTES	((size_t)64 << 20) /* an arena of Go's heap */
#define NEIGHBOURS	4
#define WORDS		1024

/* What a settler has before it initialises the driver. */
struct plan {
	uint32_t number;
	uint64_t own[OCCUPIED]; /* addresses of OWN_BYTES each, 0: none */
};

struct handle {
	char bytes[64];
};

/* What it says when it has computed. */
struct settled {
	CUresult initialised, computed;
	uint32_t same;	/* pinned memory has one address for host and device */
	uint32_t right; /* words of the result that are right */
	struct handle handle;
};

struct settler {
	CUdeviceptr device;
	float *pinned;
};

static void occupy(const struct plan *plan)
{
	for (int i = 0; i < OCCUPIED; i++) {
		void *at = (void *)(uintptr_t)plan->own[i];
		volatile char *p;

		if (!at)
			continue;
		p = mmap(at, OWN_BYTES, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE, -1, 0);
		if (p != MAP_FAILED)
			*p = 1;
	}
}

/* A kernel adds device memory to pinned memory, which it reaches at its address of the host. */
static CUresult compute(struct settler *s, uint32_t number, struct settled *answer)
{
	float factor = (float)(number + 2), values[WORDS];
	int n = WORDS;
	CUresult result = device_ready();
	CUdeviceptr seen = 0;

	if (result || (result = cu.MemAlloc(&s->device, sizeof values)) ||
	    (result = cu.MemHostAlloc((void **)&s->pinned, sizeof values, CU_MEMHOSTALLOC_DEVICEMAP)) ||
	    (result = cu.MemHostGetDevicePointer(&seen, s->pinned, 0)))
		return result;
	answer->same = seen == (CUdeviceptr)(uintptr_t)s->pinned;
	for (int i = 0; i < WORDS; i++) {
		values[i] = (float)(i % 97);
		s->pinned[i] = 1;
	}
	if ((result = cu.MemcpyHtoD(s->device, values, sizeof values)) ||
	    (result = launch_1d(kernels.saxpy, WORDS, NULL, PARAMETERS(&factor, &s->device, &s->pinned, &n))) ||
	    (result = cu.CtxSynchronize()))
		return result;
	for (int i = 0; i < WORDS; i++)
		answer->right += s->pinned[i] == factor * (float)(i % 97) + 1;
	return 0;
}

/* Adds this process's number to one word of each neighbour's memory. */
static int visit(uint32_t number, const struct handle *neighbours)
{
	BIND(cuIpcOpenMemHandle_v2, CUdeviceptr *, struct handle, unsigned int);
	BIND(cuIpcCloseMemHandle, CUdeviceptr);
	float word, own = (float)(number + 100);
	CUdeviceptr memory;

	for (uint32_t other = 0; other < NEIGHBOURS; other++) {
		if (other == number)
			continue;
		if (cuIpcOpenMemHandle_v2(&memory, neighbours[other], 1) || cu.MemcpyDtoH(&word, memory + 4 * 5, 4))
			return 5;
		if (word != 5)
			return 6;
		if (cu.MemcpyHtoD(memory + 4 * (WORDS - 1 - number), &own, 4) || cu.CtxSynchronize() ||
		    cuIpcCloseMemHandle(memory))
			return 7;
	}
	return 0;
}

/* What the neighbours have written. */
static int visited(uint32_t number, const struct settler *s)
{
	float words[NEIGHBOURS];

	if (cu.MemcpyDtoH(words, s->device + 4 * (WORDS - NEIGHBOURS), sizeof words))
		return 8;
	for (uint32_t other = 0; other < NEIGHBOURS; other++)
		if (other != number && words[NEIGHBOURS - 1 - other] != (float)(other + 100))
			return 9;
	return 0;
}

static int play_settler(int socket)
{
	BIND(cuIpcGetMemHandle, struct handle *, CUdeviceptr);
	struct handle neighbours[NEIGHBOURS];
	struct settled answer = { 0 };
	struct settler s = { 0 };
	struct plan plan;
	char word = 0;
	int status;

	if (!hear(socket, &plan, sizeof plan, NULL))
		return 3;
	occupy(&plan);
	answer.initialised = cu.Init(0);
	answer.computed = compute(&s, plan.number, &answer);
	if (!answer.computed)
		answer.computed = cuIpcGetMemHandle(&answer.handle, s.device);
	if (!tell(socket, &answer, sizeof answer, -1))
		return 4;
	if (!hear(socket, neighbours, sizeof neighbours, NULL))
		return 0; /* it has none */
	if ((status = visit(plan.number, neighbours)))
		return status;
	if (!tell(socket, &word, 1, -1) || !hear(socket, &word, 1, NULL))
		return 10;
	return visited(plan.number, &s);
}

const struct role settler_role = { "settler", play_settler };

/* Where a virtual driver may want to have its ranges. */
static const uint64_t wanted[] = { 0x300000000000, 0x200000000000, 0x400000000000, 0x500000000000, 0x480000000000 };

/* Go's way: the highest of 2^46 addresses, in steps of OWN_BYTES. */
static uint64_t anywhere(void)
{
	uint64_t arena = ((uint64_t)random() << 20 ^ (uint64_t)random()) & ((1u << 20) - 1);

	return arena * OWN_BYTES;
}

/* The first ones have something at some of the wanted places, the others anywhere. */
static struct plan plan_of(uint32_t number)
{
	const uint32_t count = sizeof wanted / sizeof *wanted;
	struct plan plan = { .number = number };

	for (uint32_t i = 0; i < count; i++)
		if (number & (1u << i))
			plan.own[i] = wanted[i] + (number % 3) * ((uint64_t)1 << 36);
	if (number >= 1u << count)
		for (uint32_t i = 0; i < count; i++)
			plan.own[i] = anywhere();
	plan.own[count] = anywhere();
	return plan;
}

static bool settle(struct child *child, uint32_t number, struct settled *answer)
{
	struct plan plan = plan_of(number);

	if (!child_start(child, "settler") || !tell(child->socket, &plan, sizeof plan, -1) ||
	    !hear(child->socket, answer, sizeof *answer, NULL))
		return check_reason("process %u does not start", number);
	if (answer->initialised || answer->computed || !answer->same || answer->right != WORDS)
		return check_reason("process %u: cuInit %d, computing %d, one address %u, %u of %d words right", number,
				    answer->initialised, answer->computed, answer->same, answer->right, WORDS);
	return true;
}

/* PLACES_STARTS says how many; the bare driver takes half a second for each. */
static bool starts(void)
{
	const char *wish = getenv("PLACES_STARTS");
	uint32_t count = wish ? (uint32_t)atoi(wish) : 8;
	struct settled answer;
	struct child child;

	srandom(20261122);
	THAT(count > 0);
	for (uint32_t number = 0; number < count; number++)
		if (!settle(&child, number, &answer) || !child_join(&child))
			return false;
	return true;
}

/* Four processes with their memory at different places open each other's. */
static bool neighbours(void)
{
	struct handle handles[NEIGHBOURS];
	struct child children[NEIGHBOURS];
	struct settled answer;
	char word;

	for (uint32_t number = 0; number < NEIGHBOURS; number++) {
		if (!settle(&children[number], number, &answer))
			return false;
		handles[number] = answer.handle;
	}
	for (int number = 0; number < NEIGHBOURS; number++) {
		bool told = tell(children[number].socket, handles, sizeof handles, -1) &&
			    hear(children[number].socket, &word, 1, NULL);

		if (!told)
			return child_join(&children[number]) && check_reason("process %d says nothing", number);
	}
	for (int number = 0; number < NEIGHBOURS; number++)
		THAT(tell(children[number].socket, &word, 1, -1));
	for (int number = 0; number < NEIGHBOURS; number++)
		if (!child_join(&children[number]))
			return false;
	return true;
}

static const struct check checks[] = { { "starts", starts }, { "neighbours", neighbours } };

const struct check_group place_family = GROUP("places", checks);
