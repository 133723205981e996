/* SPDX-License-Identifier: Apache-2.0 */
/* Copies of pageable memory by several threads: what one of them waits for, or ends, is no other one's business. */
#include "conformance.h"
#include "workload.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define PAGEABLE_SMALL (100u << 10)
#define PAGEABLE_LARGE (5u << 20)

static const struct timespec moment = { 0, 50000000 };

/* A copy to the host in a stream that stands still. */
struct held_copy {
	CUstream stream;
	CUdeviceptr from;
	unsigned char *to;
	size_t size;
	_Atomic int done;
	CUresult result;
};

static void *fetch(void *data)
{
	struct held_copy *c = data;

	c->result = cu.CtxSetCurrent(context);
	if (!c->result)
		c->result = cu.MemcpyDtoHAsync(c->to, c->from, c->size, c->stream);
	if (!c->result)
		c->result = cu.StreamSynchronize(c->stream);
	atomic_store(&c->done, 1);
	return NULL;
}

static bool there_and_back(CUdeviceptr memory, unsigned char *in, unsigned char *out, size_t size, CUstream stream)
{
	memset(out, 0, size);
	DO(cu.MemcpyHtoDAsync(memory, in, size, stream));
	DO(cu.MemcpyDtoHAsync(out, memory, size, stream));
	DO(cu.StreamSynchronize(stream));
	THAT(!memcmp(in, out, size));
	return true;
}

/* The other thread's copies end, and only then does the host let the held one go on: who waits must not be in their way. */
static bool beside_held(size_t size)
{
	BIND(cuStreamWaitValue32_v2, CUstream, CUdeviceptr, unsigned int, unsigned int);
	enum { HELD = 3 };
	struct held_copy held[HELD] = { 0 };
	pthread_t threads[HELD];
	volatile unsigned int *gate;
	unsigned char *in = malloc(PAGEABLE_LARGE), *out = malloc(PAGEABLE_LARGE), *before = malloc(size);
	CUdeviceptr memory;
	CUstream free_stream;

	USE_DEVICE;
	workload_bytes(in, PAGEABLE_LARGE, 4);
	workload_bytes(before, size, 5);
	DO(cu.MemHostAlloc((void **)&gate, 4096, 0));
	*gate = 0;
	DO(cu.StreamCreate(&free_stream, CU_STREAM_NON_BLOCKING));
	DO(cu.MemAlloc(&memory, PAGEABLE_LARGE));
	for (int i = 0; i < HELD; i++) {
		struct held_copy *c = &held[i];

		c->size = size;
		c->to = calloc(1, size);
		DO(cu.MemAlloc(&c->from, size));
		DO(cu.MemcpyHtoD(c->from, before, size));
		DO(cu.StreamCreate(&c->stream, CU_STREAM_NON_BLOCKING));
		DO(cuStreamWaitValue32_v2(c->stream, (CUdeviceptr)(size_t)gate, 1, 0));
		THAT(pthread_create(&threads[i], NULL, fetch, c) == 0);
	}
	nanosleep(&moment, NULL);
	for (int i = 0; i < 20; i++) {
		if (!there_and_back(memory, in, out, PAGEABLE_SMALL, free_stream) ||
		    !there_and_back(memory, in, out, PAGEABLE_LARGE, free_stream))
			return false;
	}
	for (int i = 0; i < HELD; i++)
		THAT(!atomic_load(&held[i].done));
	*gate = 1;
	for (int i = 0; i < HELD; i++) {
		THAT(pthread_join(threads[i], NULL) == 0);
		DO(held[i].result);
		THAT(!memcmp(held[i].to, before, size));
		DO(cu.MemFree(held[i].from));
		DO(cu.StreamDestroy(held[i].stream));
		free(held[i].to);
	}
	DO(cu.MemFree(memory));
	DO(cu.StreamDestroy(free_stream));
	DO(cu.MemFreeHost((void *)gate));
	free(in);
	free(out);
	free(before);
	return true;
}

static bool held_small(void) { return beside_held(PAGEABLE_SMALL); }
static bool held_large(void) { return beside_held(PAGEABLE_LARGE); }

/* Copies for as long as the others' contexts come and go. */
struct copier {
	_Atomic int end;
	unsigned int rounds;
	bool right;
};

static bool copy_on(struct copier *c)
{
	unsigned char *in = malloc(PAGEABLE_LARGE), *out = malloc(PAGEABLE_LARGE);
	CUdeviceptr memory;
	CUstream stream;

	DO(cu.CtxSetCurrent(context));
	workload_bytes(in, PAGEABLE_LARGE, 6);
	DO(cu.StreamCreate(&stream, CU_STREAM_NON_BLOCKING));
	DO(cu.MemAlloc(&memory, PAGEABLE_LARGE));
	while (!atomic_load(&c->end)) {
		in[c->rounds++ % PAGEABLE_SMALL]++;
		if (!there_and_back(memory, in, out, c->rounds % 4 ? PAGEABLE_SMALL : PAGEABLE_LARGE, stream))
			return false;
	}
	DO(cu.StreamDestroy(stream));
	DO(cu.MemFree(memory));
	free(in);
	free(out);
	return true;
}

static void *run_copier(void *data)
{
	struct copier *c = data;

	c->right = copy_on(c);
	return NULL;
}

/* Contexts in which memory was copied end while another thread copies in its own. */
static bool contexts_end(void)
{
	BIND(cuCtxCreate_v2, CUcontext *, unsigned int, CUdevice);
	BIND(cuCtxDestroy_v2, CUcontext);
	static unsigned char bytes[PAGEABLE_SMALL], back[PAGEABLE_SMALL];
	struct copier copier = { 0 };
	CUcontext other;
	CUdeviceptr memory;
	pthread_t thread;
	CUstream stream;

	USE_DEVICE;
	for (int i = 0; i < 20; i++) {
		DO(cuCtxCreate_v2(&other, 0, device));
		DO(cu.MemAlloc(&memory, PAGEABLE_SMALL));
		DO(cu.StreamCreate(&stream, CU_STREAM_NON_BLOCKING));
		workload_bytes(bytes, sizeof(bytes), (unsigned int)i);
		if (!there_and_back(memory, bytes, back, sizeof(bytes), stream))
			return false;
		if (!i)
			THAT(pthread_create(&thread, NULL, run_copier, &copier) == 0);
		nanosleep(&(const struct timespec){ 0, 2000000 }, NULL);
		DO(cuCtxDestroy_v2(other));
	}
	atomic_store(&copier.end, 1);
	THAT(pthread_join(thread, NULL) == 0);
	return copier.right;
}

#define CROWD 16

/* Sizes around all that copies are cut at: what travels in a record, in one buffer, in several, in all of them twice. */
static const size_t sizes[] = { 1, 0x7fff, 0x8001, 0x10000, 0x1ffff, 0x20001, 0x100000, 0x110003, 0x400001, 0x2100000 };

struct member {
	pthread_t thread;
	unsigned int seed;
	bool right;
};

static bool copy_in_crowd(unsigned int seed)
{
	enum { ROUNDS = 20, COUNT = sizeof(sizes) / sizeof(sizes[0]) };
	size_t largest = seed % 4 ? sizes[COUNT - 2] : sizes[COUNT - 1];
	unsigned char *in = malloc(largest), *out = malloc(largest);
	CUdeviceptr memory;
	CUstream stream;

	DO(cu.CtxSetCurrent(context));
	workload_bytes(in, largest, seed);
	DO(cu.StreamCreate(&stream, CU_STREAM_NON_BLOCKING));
	DO(cu.MemAlloc(&memory, largest));
	for (unsigned int round = 0; round < ROUNDS; round++) {
		size_t size = sizes[(seed * 7 + round) % (seed % 4 || round % 8 ? COUNT - 1 : COUNT)];

		in[round]++;
		if (!there_and_back(memory, in, out, size, stream))
			return false;
	}
	DO(cu.StreamDestroy(stream));
	DO(cu.MemFree(memory));
	free(in);
	free(out);
	return true;
}

static void *run_member(void *data)
{
	struct member *m = data;

	m->right = copy_in_crowd(m->seed);
	return NULL;
}

/* A child may be made at any moment of that, and can do nothing with the parent's GPU. */
static bool child_ends(void)
{
	int status = -1;
	size_t free_bytes, total;
	pid_t child = fork();

	THAT(child >= 0);
	if (!child)
		_exit(cu.MemGetInfo(&free_bytes, &total) ? 0 : 1);
	THAT(waitpid(child, &status, 0) == child && WIFEXITED(status));
	THAT(WEXITSTATUS(status) == 0);
	return true;
}

/* Sixteen threads copy at once, each in its own stream, and the process forks meanwhile. */
static bool crowd(void)
{
	struct member members[CROWD] = { 0 };

	USE_DEVICE;
	for (unsigned int i = 0; i < CROWD; i++) {
		members[i].seed = i;
		THAT(pthread_create(&members[i].thread, NULL, run_member, &members[i]) == 0);
	}
	for (int i = 0; i < 20; i++) {
		if (!child_ends())
			return false;
		nanosleep(&(const struct timespec){ 0, 5000000 }, NULL);
	}
	for (unsigned int i = 0; i < CROWD; i++)
		THAT(pthread_join(members[i].thread, NULL) == 0);
	for (unsigned int i = 0; i < CROWD; i++)
		THAT(members[i].right);
	return true;
}

static const struct check checks[] = {
	{ "held_small", held_small },
	{ "held_large", held_large },
	{ "contexts_end", contexts_end },
	{ "crowd", crowd },
};
const struct check_group copy_beside_family = GROUP("copies_beside", checks);
