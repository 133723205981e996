/* SPDX-License-Identifier: Apache-2.0 */
/* Launches with attributes, and grids whose blocks run together. Clusters and events inside a launch need a GPU that has them. */
#include "conformance.h"

#include <stdio.h>
#include <string.h>

enum {
	ACCESS_WINDOW = 1, COOPERATIVE, SYNCHRONIZATION, CLUSTER_DIMENSION, CLUSTER_SCHEDULING, SERIALIZATION,
	PROGRAMMATIC_EVENT, PRIORITY, DOMAIN_MAP, DOMAIN, PREFERRED_CLUSTER, COMPLETION_EVENT, UPDATABLE_NODE, CARVEOUT
};

struct attribute {
	int id, pad;
	union {
		char room[64];
		int number;
		unsigned int dimensions[3];
		unsigned char domains[2];
		struct {
			CUevent event;
			int flags, at_block_start;
		} event;
		struct {
			CUdeviceptr base;
			size_t bytes;
			float hit_ratio;
			int hit, miss;
		} window;
	};
};
_Static_assert(sizeof(struct attribute) == 72, "as in CUDA 12");

/*
 * Launches write_word with the attributes: the launch's result. The word must have arrived if it succeeds; if it does
 * not, nothing is heard of it later.
 */
static CUresult launch_with(struct attribute *attributes, unsigned int count, unsigned int blocks, bool *arrived)
{
	static unsigned int value;
	unsigned int seen = 0;
	CUlaunchConfig config = { .grid_x = blocks, .grid_y = 1, .grid_z = 1, .block_x = 32, .block_y = 1, .block_z = 1,
				  .attributes = attributes, .attribute_count = count };
	CUdeviceptr word;
	CUresult result, later;

	value++;
	if ((result = cu.MemAlloc(&word, 4)) || (result = cu.MemsetD32(word, 0, 1)))
		return result;
	result = cu.LaunchKernelEx(&config, kernels.write_word, PARAMETERS(&word, &value), NULL);
	later = cu.CtxSynchronize();
	if (later)
		check_note("later %d", later);
	else if (!result)
		result = cu.MemcpyDtoH(&seen, word, 4);
	*arrived = seen == value;
	cu.MemFree(word);
	return result;
}

#define TRY(count, attributes, blocks)                                                                                \
	do {                                                                                                          \
		bool arrived_;                                                                                        \
		CUresult result_ = launch_with(attributes, count, blocks, &arrived_);                                 \
		check_note("%d", result_);                                                                            \
		if (!result_ && !arrived_)                                                                            \
			return check_reason("the kernel has not run (line %d)", __LINE__);                            \
	} while (0)

/* What only asks for how a kernel is run, not what it does. */
static bool wishes(void)
{
	struct attribute a;
	CUdeviceptr memory;

	USE_DEVICE;
	DO(cu.MemAlloc(&memory, 1 << 20));
	a = (struct attribute){ .id = ACCESS_WINDOW, .window = { memory, 1 << 16, 0.5f, 2, 1 } };
	TRY(1, &a, 4);
	a.window.hit_ratio = 1.5f;
	TRY(1, &a, 4);
	for (int policy = 0; policy < 5; policy++) {
		a = (struct attribute){ .id = SYNCHRONIZATION, .number = policy };
		TRY(1, &a, 4);
	}
	for (int policy = 0; policy < 4; policy++) {
		a = (struct attribute){ .id = CLUSTER_SCHEDULING, .number = policy };
		TRY(1, &a, 4);
	}
	for (int percent = -2; percent < 102; percent += 51) {
		a = (struct attribute){ .id = CARVEOUT, .number = percent };
		TRY(1, &a, 4);
	}
	a = (struct attribute){ .id = PRIORITY, .number = -1 };
	TRY(1, &a, 4);
	a.number = 1000;
	TRY(1, &a, 4);
	a = (struct attribute){ .id = DOMAIN_MAP, .domains = { 0, 1 } };
	TRY(1, &a, 4);
	a = (struct attribute){ .id = DOMAIN, .number = 1 };
	TRY(1, &a, 4);
	a = (struct attribute){ .id = 0 };	/* what lists are padded with */
	TRY(1, &a, 4);
	a = (struct attribute){ .id = 99 };
	TRY(1, &a, 4);
	TRY(0, NULL, 4);
	TRY(1, NULL, 4);
	DO(cu.MemFree(memory));
	return true;
}

static bool together(void)
{
	BIND(cuLaunchCooperativeKernel, CUfunction, unsigned int, unsigned int, unsigned int, unsigned int, unsigned int,
	     unsigned int, unsigned int, CUstream, void **);
	struct attribute pair[2] = { { .id = COOPERATIVE, .number = 1 }, { .id = SERIALIZATION, .number = 0 } };
	unsigned int value = 77, seen = 0;
	CUdeviceptr word;
	CUstream stream;

	USE_DEVICE;
	TRY(1, pair, 4);
	TRY(2, pair, 4);
	pair[0].number = 0;
	TRY(1, pair, 4);
	pair[0].number = 1;
	TRY(1, pair, 1 << 20);	/* more than the GPU holds at once */
	DO(cu.StreamCreate(&stream, CU_STREAM_NON_BLOCKING));
	DO(cu.MemAlloc(&word, 4));
	DO(cuLaunchCooperativeKernel(kernels.write_word, 4, 1, 1, 32, 1, 1, 0, stream, PARAMETERS(&word, &value)));
	DO(cu.StreamSynchronize(stream));
	DO(cu.MemcpyDtoH(&seen, word, 4));
	THAT(seen == 77);
	CODE(cuLaunchCooperativeKernel(kernels.write_word, 1 << 20, 1, 1, 32, 1, 1, 0, stream, PARAMETERS(&word, &value)));
	CODE(cuLaunchCooperativeKernel(kernels.write_word, 0, 1, 1, 32, 1, 1, 0, stream, PARAMETERS(&word, &value)));
	CODE(cuLaunchCooperativeKernel(kernels.write_word, 1, 1, 1, 2048, 1, 1, 0, stream, PARAMETERS(&word, &value)));
	CODE(cuLaunchCooperativeKernel(NULL, 1, 1, 1, 32, 1, 1, 0, stream, PARAMETERS(&word, &value)));
	DO(cu.MemFree(word));
	DO(cu.StreamDestroy(stream));
	return true;
}

/* Kernels that may begin before the one in front of them has ended: what they write is there in the end. */
static bool serialization(void)
{
	enum { KERNELS = 20 };
	struct attribute a = { .id = SERIALIZATION, .number = 1 };
	CUlaunchConfig config = { .grid_x = 1, .grid_y = 1, .grid_z = 1, .block_x = 32, .block_y = 1, .block_z = 1,
				  .attributes = &a, .attribute_count = 1 };
	unsigned int seen[KERNELS];
	CUdeviceptr words;

	USE_DEVICE;
	DO(cu.StreamCreate(&config.stream, CU_STREAM_NON_BLOCKING));
	DO(cu.MemAlloc(&words, sizeof(seen)));
	for (unsigned int i = 0; i < KERNELS; i++) {
		CUdeviceptr word = words + 4 * i;

		DO(cu.LaunchKernelEx(&config, kernels.write_word, PARAMETERS(&word, &i), NULL));
	}
	DO(cu.StreamSynchronize(config.stream));
	DO(cu.MemcpyDtoH(seen, words, sizeof(seen)));
	for (unsigned int i = 0; i < KERNELS; i++)
		THAT(seen[i] == i);
	DO(cu.MemFree(words));
	DO(cu.StreamDestroy(config.stream));
	return true;
}

static bool clusters(void)
{
	struct attribute two[2] = { { .id = CLUSTER_DIMENSION, .dimensions = { 2, 1, 1 } },
				    { .id = CLUSTER_SCHEDULING, .number = 1 } };
	struct attribute preferred[2] = { two[0], { .id = PREFERRED_CLUSTER, .dimensions = { 4, 1, 1 } } };

	USE_DEVICE;
	TRY(1, two, 8);
	TRY(2, two, 8);
	TRY(1, two, 7);	/* not a multiple */
	two[0].dimensions[0] = 1;
	TRY(1, two, 8);
	two[0].dimensions[0] = 8;
	TRY(1, two, 8);
	two[0].dimensions[0] = 64;
	TRY(1, two, 64);
	two[0].dimensions[0] = 0;
	TRY(1, two, 8);
	TRY(2, preferred, 8);
	return true;
}

static bool events(void)
{
	struct attribute a;
	CUevent event, timed;
	bool arrived;
	CUresult result;

	USE_DEVICE;
	DO(cu.EventCreate(&event, CU_EVENT_DISABLE_TIMING));
	DO(cu.EventCreate(&timed, CU_EVENT_DEFAULT));
	for (int id = PROGRAMMATIC_EVENT; id <= COMPLETION_EVENT; id += COMPLETION_EVENT - PROGRAMMATIC_EVENT) {
		a = (struct attribute){ .id = id, .event = { .event = event } };
		result = launch_with(&a, 1, 4, &arrived);
		check_note("%d", result);
		if (!result) {
			THAT(arrived);
			DO(cu.EventQuery(event));
		}
		a.event.event = timed;
		TRY(1, &a, 4);
		a.event.event = NULL;
		TRY(1, &a, 4);
	}
	DO(cu.EventDestroy(event));
	DO(cu.EventDestroy(timed));
	/* natively a node of a capture may be updated by the device; a vGPU refuses it everywhere */
	a = (struct attribute){ .id = UPDATABLE_NODE, .number = 1 };
	printf("info a node that the device updates: %d\n", launch_with(&a, 1, 4, &arrived));
	return true;
}

static const struct check checks[] = {
	{ "wishes", wishes },
	{ "together", together },
	{ "serialization", serialization },
	{ "clusters", clusters },
	{ "events", events },
};
const struct check_group launch_attribute_family = GROUP("launch_attributes", checks);
