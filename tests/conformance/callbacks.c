/* SPDX-License-Identifier: Apache-2.0 */
/* Host functions and stream callbacks: when they run, with what, and what they may not do. */
#include "conformance.h"

#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

#define HOST_NODE 3

static void count(void *data)
{
	atomic_fetch_add((atomic_int *)data, 1);
}

/* A kernel writes before every function, which therefore sees what it wrote. */
struct seen {
	volatile unsigned int *word;
	unsigned int expected, found;
};

static void look(void *data)
{
	struct seen *s = data;

	s->found = *s->word;
}

static bool order(void)
{
	enum { ROUNDS = 100 };
	struct seen seen[ROUNDS];
	unsigned int *word;
	CUstream stream;

	USE_DEVICE;
	DO(cu.StreamCreate(&stream, CU_STREAM_NON_BLOCKING));
	DO(cu.MemHostAlloc((void **)&word, 4096, 0));
	for (unsigned int i = 0; i < ROUNDS; i++) {
		unsigned int value = 1000 + i;

		seen[i] = (struct seen){ .word = word, .expected = value };
		DO(cu.LaunchKernel(kernels.write_word, 1, 1, 1, 1, 1, 1, 0, stream, PARAMETERS(&word, &value), NULL));
		DO(cu.LaunchHostFunc(stream, look, &seen[i]));
	}
	DO(cu.StreamSynchronize(stream));
	for (unsigned int i = 0; i < ROUNDS; i++)
		if (seen[i].found != seen[i].expected)
			return check_reason("function %u saw %u, expected %u", i, seen[i].found, seen[i].expected);
	DO(cu.MemFreeHost(word));
	DO(cu.StreamDestroy(stream));
	return true;
}

static bool all_streams(void)
{
	BIND(cuLaunchHostFunc_ptsz, CUstream, void (*)(void *), void *);
	static atomic_int called;
	CUstream streams[8];

	USE_DEVICE;
	atomic_store(&called, 0);
	for (int i = 0; i < 8; i++)
		DO(cu.StreamCreate(&streams[i], i % 2 ? CU_STREAM_NON_BLOCKING : 0));
	for (int round = 0; round < 20; round++)
		for (int i = 0; i < 8; i++)
			DO(cu.LaunchHostFunc(streams[i], count, &called));
	DO(cu.LaunchHostFunc(NULL, count, &called));
	DO(cu.LaunchHostFunc((CUstream)1, count, &called));
	DO(cu.LaunchHostFunc((CUstream)2, count, &called));
	DO(cuLaunchHostFunc_ptsz(NULL, count, &called));
	DO(cu.CtxSynchronize());
	THAT(atomic_load(&called) == 164);
	for (int i = 0; i < 8; i++)
		DO(cu.StreamDestroy(streams[i]));
	return true;
}

struct gate {
	atomic_int entered, open;
};

static void wait_for_gate(void *data)
{
	struct gate *g = data;

	atomic_store(&g->entered, 1);
	while (!atomic_load(&g->open))
		usleep(100);
}

static bool holds_its_stream(void)
{
	static struct gate gate;
	CUstream held, other;
	CUdeviceptr memory;
	unsigned int word = 0;

	USE_DEVICE;
	memset(&gate, 0, sizeof(gate));
	DO(cu.StreamCreate(&held, CU_STREAM_NON_BLOCKING));
	DO(cu.StreamCreate(&other, CU_STREAM_NON_BLOCKING));
	DO(cu.MemAlloc(&memory, 4096));
	DO(cu.MemsetD32(memory, 1, 1024));
	DO(cu.CtxSynchronize());
	DO(cu.LaunchHostFunc(held, wait_for_gate, &gate));
	DO(cu.MemsetD32Async(memory, 2, 1024, held));
	while (!atomic_load(&gate.entered))
		usleep(100);
	/* the GPU works on elsewhere */
	for (int i = 0; i < 50; i++)
		DO(cu.MemsetD32Async(memory + 4, 10 + (unsigned int)i, 1, other));
	DO(cu.MemcpyDtoHAsync(&word, memory, 4, other));
	DO(cu.StreamSynchronize(other));
	THAT(word == 1);
	RESULT(CUDA_ERROR_NOT_READY, cu.StreamQuery(held));
	atomic_store(&gate.open, 1);
	DO(cu.StreamSynchronize(held));
	DO(cu.MemcpyDtoH(&word, memory, 4));
	THAT(word == 2);
	DO(cu.MemFree(memory));
	DO(cu.StreamDestroy(held));
	DO(cu.StreamDestroy(other));
	return true;
}

/* What the driver answers to calls in a callback. */
enum { FORBIDDEN = 18 };

static void try_calls(void *data)
{
	CUresult *codes = data;
	CUcontext current = NULL;
	CUdeviceptr address = 0;
	CUstream stream = NULL;
	size_t a, b;
	int n, version;
	const char *name;
	unsigned int flags;
	CUdevice found;

	*codes++ = cu.MemAlloc(&address, 4096);
	*codes++ = cu.CtxSynchronize();
	*codes++ = cu.StreamCreate(&stream, 0);
	*codes++ = cu.StreamQuery(NULL);
	*codes++ = cu.MemGetInfo(&a, &b);
	*codes++ = cu.LaunchKernel(kernels.empty, 1, 1, 1, 1, 1, 1, 0, NULL, NULL, NULL);
	*codes++ = cu.CtxGetCurrent(&current);
	*codes++ = cu.CtxSetCurrent(context);
	*codes++ = cu.DeviceGetCount(&n);
	*codes++ = cu.DriverGetVersion(&version);
	*codes++ = cu.GetErrorName(1, &name);
	*codes++ = cu.PointerGetAttribute(&n, CU_POINTER_ATTRIBUTE_MEMORY_TYPE, 16);
	*codes++ = cu.DeviceGet(&found, 0);
	*codes++ = cu.DeviceGetAttribute(&n, 1, device);
	*codes++ = cu.CtxGetDevice(&found);
	*codes++ = cu.DevicePrimaryCtxGetState(device, &flags, &n);
	*codes++ = cu.Init(0);
	*codes++ = cu.CtxSetCurrent(NULL);
}

static bool calls_inside(void)
{
	CUresult codes[FORBIDDEN];
	CUstream stream;

	USE_DEVICE;
	DO(cu.StreamCreate(&stream, CU_STREAM_NON_BLOCKING));
	memset(codes, 0xff, sizeof(codes));
	DO(cu.LaunchHostFunc(stream, try_calls, codes));
	DO(cu.StreamSynchronize(stream));
	for (int i = 0; i < FORBIDDEN; i++)
		check_note("%d", (int)codes[i]);
	THAT(codes[0] == 800);
	DO(cu.StreamDestroy(stream));
	return true;
}

struct called {
	CUstream stream;
	CUresult status;
	pthread_t thread;
	atomic_int times;
};

static void note_call(CUstream stream, CUresult status, void *data)
{
	struct called *c = data;

	c->stream = stream;
	c->status = status;
	c->thread = pthread_self();
	atomic_fetch_add(&c->times, 1);
}

static bool stream_callbacks(void)
{
	BIND(cuStreamAddCallback, CUstream, void (*)(CUstream, CUresult, void *), void *, unsigned int);
	BIND(cuStreamAddCallback_ptsz, CUstream, void (*)(CUstream, CUresult, void *), void *, unsigned int);
	struct called c = { .status = 77 };
	CUstream stream;

	USE_DEVICE;
	DO(cu.StreamCreate(&stream, 0));
	DO(cuStreamAddCallback(stream, note_call, &c, 0));
	DO(cu.StreamSynchronize(stream));
	THAT(c.times == 1 && c.stream == stream && c.status == CUDA_SUCCESS);
	THAT(!pthread_equal(c.thread, pthread_self()));
	for (size_t handle = 0; handle < 3; handle++) {
		DO(cuStreamAddCallback((CUstream)handle, note_call, &c, 0));
		DO(cu.CtxSynchronize());
		check_note("%d", (int)(size_t)c.stream);
	}
	DO(cuStreamAddCallback_ptsz(NULL, note_call, &c, 0));
	DO(cu.CtxSynchronize());
	check_note("%d", (int)(size_t)c.stream);
	THAT(c.times == 5);
	DO(cu.StreamDestroy(stream));
	return true;
}

static bool errors(void)
{
	BIND(cuStreamAddCallback, CUstream, void (*)(CUstream, CUresult, void *), void *, unsigned int);
	struct called c = { .status = 77 };
	CUstream stream;
	CUgraph graph = NULL;
	int status = -1;

	USE_DEVICE;
	DO(cu.StreamCreate(&stream, CU_STREAM_NON_BLOCKING));
	RESULT(CUDA_ERROR_INVALID_VALUE, cu.LaunchHostFunc(stream, NULL, NULL));
	RESULT(CUDA_ERROR_INVALID_VALUE, cuStreamAddCallback(stream, NULL, NULL, 0));
	RESULT(CUDA_ERROR_INVALID_VALUE, cuStreamAddCallback(stream, note_call, &c, 1));
	DO(cu.StreamBeginCapture(stream, CU_STREAM_CAPTURE_MODE_RELAXED));
	CODE(cuStreamAddCallback(stream, note_call, &c, 0));
	DO(cu.StreamIsCapturing(stream, &status));
	check_note("%d", status);
	CODE(cu.StreamEndCapture(stream, &graph));
	THAT(!graph && !c.times);
	DO(cu.StreamDestroy(stream));
	return true;
}

static bool captured(void)
{
	BIND(cuGraphNodeGetType, CUgraphNode, int *);
	static atomic_int first, second;
	CUgraphExec exec, twin;
	CUgraphNode nodes[4];
	size_t n = 4;
	CUgraph graph;
	CUstream stream;
	int type = -1;

	USE_DEVICE;
	atomic_store(&first, 0);
	atomic_store(&second, 0);
	DO(cu.StreamCreate(&stream, CU_STREAM_NON_BLOCKING));
	DO(cu.StreamBeginCapture(stream, CU_STREAM_CAPTURE_MODE_GLOBAL));
	DO(cu.LaunchHostFunc(stream, count, &first));
	DO(cu.LaunchKernel(kernels.empty, 1, 1, 1, 1, 1, 1, 0, stream, NULL, NULL));
	DO(cu.LaunchHostFunc(stream, count, &second));
	DO(cu.StreamEndCapture(stream, &graph));
	THAT(!atomic_load(&first) && !atomic_load(&second));
	DO(cu.GraphGetNodes(graph, nodes, &n));
	THAT(n == 3);
	n = 0;
	for (int i = 0; i < 3; i++) {
		DO(cuGraphNodeGetType(nodes[i], &type));
		n += type == HOST_NODE;
	}
	THAT(n == 2);
	DO(cu.GraphInstantiate(&exec, graph, 0));
	DO(cu.GraphInstantiate(&twin, graph, 0));
	DO(cu.GraphDestroy(graph));
	for (int i = 0; i < 10; i++) {
		DO(cu.GraphLaunch(exec, stream));
		DO(cu.GraphLaunch(twin, NULL));
	}
	DO(cu.CtxSynchronize());
	THAT(atomic_load(&first) == 20 && atomic_load(&second) == 20);
	DO(cu.GraphExecDestroy(exec));
	DO(cu.GraphExecDestroy(twin));
	DO(cu.StreamDestroy(stream));
	return true;
}

static bool destroyed_stream(void)
{
	static atomic_int called;
	CUstream stream;

	USE_DEVICE;
	atomic_store(&called, 0);
	for (int i = 0; i < 20; i++) {
		DO(cu.StreamCreate(&stream, CU_STREAM_NON_BLOCKING));
		DO(cu.LaunchHostFunc(stream, count, &called));
		DO(cu.StreamDestroy(stream));
	}
	DO(cu.CtxSynchronize());
	for (int i = 0; i < 1000 && atomic_load(&called) < 20; i++)
		usleep(1000);
	THAT(atomic_load(&called) == 20);
	return true;
}

static void *launch_many(void *data)
{
	CUstream stream;
	bool good = !cu.CtxSetCurrent(context) && !cu.StreamCreate(&stream, CU_STREAM_NON_BLOCKING);

	for (int i = 0; good && i < 200; i++)
		good = !cu.LaunchHostFunc(stream, count, data);
	return good && !cu.StreamSynchronize(stream) && !cu.StreamDestroy(stream) ? data : NULL;
}

static bool many_threads(void)
{
	static atomic_int called;
	pthread_t threads[6];
	void *good;

	USE_DEVICE;
	atomic_store(&called, 0);
	for (int i = 0; i < 6; i++)
		THAT(!pthread_create(&threads[i], NULL, launch_many, &called));
	for (int i = 0; i < 6; i++) {
		pthread_join(threads[i], &good);
		THAT(good);
	}
	THAT(atomic_load(&called) == 1200);
	return true;
}

static const struct check checks[] = {
	{ "order", order },
	{ "all_streams", all_streams },
	{ "holds_its_stream", holds_its_stream },
	{ "calls_inside", calls_inside },
	{ "stream_callbacks", stream_callbacks },
	{ "errors", errors },
	{ "captured", captured },
	{ "destroyed_stream", destroyed_stream },
	{ "many_threads", many_threads },
};
const struct check_group callback_family = GROUP("callbacks", checks);

/* Ends the context: alone in its process. */
static bool after_a_fault(void)
{
	BIND(cuStreamAddCallback, CUstream, void (*)(CUstream, CUresult, void *), void *, unsigned int);
	struct called c = { .status = 77 }, late = { .status = 77 };
	static struct gate gate;
	static atomic_int called;
	CUdeviceptr nowhere = 0x10000;
	unsigned int value = 1;

	USE_DEVICE;
	/* all are on the stream before the fault */
	DO(cu.LaunchHostFunc(NULL, wait_for_gate, &gate));
	DO(cu.LaunchKernel(kernels.write_word, 1, 1, 1, 1, 1, 1, 0, NULL, PARAMETERS(&nowhere, &value), NULL));
	DO(cuStreamAddCallback(NULL, note_call, &c, 0));
	DO(cu.LaunchHostFunc(NULL, count, &called));
	atomic_store(&gate.open, 1);
	RESULT(CUDA_ERROR_ILLEGAL_ADDRESS, cu.CtxSynchronize());
	CODE(cuStreamAddCallback(NULL, note_call, &late, 0));
	sleep(1);
	check_note("%d %d %d %d", c.times, (int)c.status, late.times, atomic_load(&called));
	return true;
}

static const struct check fault_checks[] = {
	{ "after_a_fault", after_a_fault },
};
const struct check_group callback_fault_family = GROUP_ON_REQUEST("callback_fault", fault_checks);
