// SPDX-License-Identifier: Apache-2.0
/* Context local storage with the process and the contexts played by this program. */
#include <pthread.h>
#include <string.h>
#include <time.h>

#include "check.h"
#include "objects.h"
#include "tables.h"

_Thread_local struct vg_thread *vg_self;
struct vg_process vg_process;
static int ready;
static void (*context_ended)(struct vg_context *);

int vg_process_unready(void)
{
	return ready;
}

static void set_ready(int result)
{
	ready = result;
	vg_process.result = result;
}

void vg_context_on_end(void (*run)(struct vg_context *))
{
	context_ended = run;
}

typedef int (*put_function)(CUcontext, void *, void *, void (*)(CUcontext, void *, void *));
typedef int (*drop_function)(CUcontext, void *);
typedef int (*get_function)(void **, CUcontext, void *);
static put_function put;
static drop_function drop;
static get_function get;

static struct vg_context one = { .object = { VG_CONTEXT, 1 } }, two = { .object = { VG_CONTEXT, 2 }, .retained = 1 };
static char keys[32];
static int ended;
static void *last_value;

static void end_value(CUcontext context, void *key, void *value)
{
	CHECK(context == &one);
	CHECK(key == &keys[0]);
	last_value = value;
	ended++;
}

static void *other_thread(void *use)
{
	struct vg_thread self = { .current = &one };
	void *value;

	(void)use;
	CHECK_EQUAL(get(&value, NULL, &keys[0]), 201);
	vg_self = &self;
	CHECK_EQUAL(get(&value, NULL, &keys[0]), 0);
	CHECK(value == (void *)2);
	return NULL;
}

/* Many threads read while one changes: every read must be a value that was stored. */
static _Atomic int stop;

static void *reader(void *use)
{
	struct vg_thread self = { .current = &one };
	void *value = NULL;

	(void)use;
	vg_self = &self;
	while (!atomic_load(&stop)) {
		CHECK_EQUAL(get(&value, NULL, &keys[7]), 0);
		CHECK((uintptr_t)value >= 100 && (uintptr_t)value < 1100);
	}
	return NULL;
}

static void race(void)
{
	pthread_t threads[3];

	CHECK_EQUAL(put(NULL, &keys[7], (void *)100, NULL), 0);
	for (int i = 0; i < 3; i++)
		CHECK_EQUAL(pthread_create(&threads[i], NULL, reader, NULL), 0);
	for (uintptr_t i = 0; i < 1000; i++)
		CHECK_EQUAL(put(NULL, &keys[7], (void *)(100 + i), NULL), 0);
	atomic_store(&stop, 1);
	for (int i = 0; i < 3; i++)
		pthread_join(threads[i], NULL);
	CHECK_EQUAL(drop(NULL, &keys[7]), 0);
}

static void measure(void)
{
	struct timespec begin, end;
	enum { CALLS = 10000000 };
	void *value;

	clock_gettime(CLOCK_MONOTONIC, &begin);
	for (int i = 0; i < CALLS; i++)
		get(&value, NULL, &keys[0]);
	clock_gettime(CLOCK_MONOTONIC, &end);
	printf("nanoseconds_per_get=%.1f\n",
	       ((double)(end.tv_sec - begin.tv_sec) * 1e9 + (double)(end.tv_nsec - begin.tv_nsec)) / CALLS);
}

int main(void)
{
	struct vg_thread self = { .current = NULL };
	pthread_t thread;
	void *value = NULL;

	memcpy(&put, &vg_table_local_storage[0], sizeof put);
	memcpy(&drop, &vg_table_local_storage[1], sizeof drop);
	memcpy(&get, &vg_table_local_storage[2], sizeof get);
	CHECK(!vg_table_local_storage[3]);

	set_ready(3);
	CHECK_EQUAL(put(&one, &keys[0], (void *)1, NULL), 3);
	set_ready(0);
	CHECK_EQUAL(put(NULL, &keys[0], (void *)1, NULL), 201);
	vg_self = &self;
	CHECK_EQUAL(get(&value, NULL, &keys[0]), 201);
	CHECK_EQUAL(get(&value, (CUcontext)-1, &keys[0]), 201);

	self.current = &one;
	CHECK_EQUAL(get(&value, NULL, &keys[0]), 201);
	CHECK_EQUAL(put(NULL, &keys[0], (void *)1, NULL), 709);
	one.retained = 1;
	CHECK_EQUAL(get(&value, NULL, &keys[0]), 400);
	CHECK_EQUAL(put(NULL, &keys[0], (void *)1, end_value), 0);
	CHECK_EQUAL(get(&value, NULL, &keys[0]), 0);
	CHECK(value == (void *)1);
	CHECK_EQUAL(put((CUcontext)-1, &keys[0], (void *)2, end_value), 0);
	CHECK_EQUAL(get(&value, &one, &keys[0]), 0);
	CHECK(value == (void *)2);
	CHECK(get(&value, &two, &keys[0]) != 0);
	CHECK_EQUAL(pthread_create(&thread, NULL, other_thread, NULL), 0);
	pthread_join(thread, NULL);

	/* more keys than a thread caches, in two contexts */
	for (uintptr_t i = 1; i < sizeof keys; i++) {
		CHECK_EQUAL(put(&one, &keys[i], (void *)i, NULL), 0);
		CHECK_EQUAL(put(&two, &keys[i], (void *)(i + 100), NULL), 0);
	}
	for (int round = 0; round < 3; round++) {
		for (uintptr_t i = 1; i < sizeof keys; i++) {
			CHECK_EQUAL(get(&value, NULL, &keys[i]), 0);
			CHECK(value == (void *)i);
			CHECK_EQUAL(get(&value, &two, &keys[i]), 0);
			CHECK(value == (void *)(i + 100));
		}
	}
	CHECK_EQUAL(drop(&two, &keys[5]), 0);
	CHECK_EQUAL(drop(&two, &keys[5]), 400);
	CHECK(get(&value, &two, &keys[5]) != 0);
	CHECK_EQUAL(get(&value, &one, &keys[5]), 0);

	measure();
	race();

	/* the end of a context runs destructors and leaves the other context alone */
	CHECK_EQUAL(ended, 0);
	context_ended(&one);
	CHECK_EQUAL(ended, 1);
	CHECK(last_value == (void *)2);
	CHECK(get(&value, NULL, &keys[0]) != 0);
	CHECK(get(&value, NULL, &keys[9]) != 0);
	CHECK_EQUAL(get(&value, &two, &keys[9]), 0);
	context_ended(&one);
	CHECK_EQUAL(ended, 1);
	one.object.kind = 0;
	CHECK_EQUAL(put(NULL, &keys[0], (void *)1, NULL), 201);
	return 0;
}
