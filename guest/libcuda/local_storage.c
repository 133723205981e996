// SPDX-License-Identifier: Apache-2.0
/*
 * Context local storage: a value per (context, key), shared by all threads. A
 * runtime reads one at each of its calls, so a hit in the thread's cache takes
 * no lock; every change makes all caches stale by counting changes up.
 *
 * Lock order: the lock here is a leaf; destructors run without it.
 */
#include <stdlib.h>

#include "objects.h"
#include "process.h"
#include "tables.h"

typedef void (*destructor)(CUcontext context, void *key, void *value);

struct entry {
	struct entry *next;
	struct vg_context *context;
	void *key, *value;
	destructor end;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct entry *entries;
static _Atomic uint64_t changes = 1;
static pthread_once_t once = PTHREAD_ONCE_INIT;

#define CACHE_SIZE 8	/* several runtimes live in one process, each with a key */

static _Thread_local struct {
	uint64_t changes;
	struct {
		const struct vg_context *context;
		const void *key;
		void *value;
	} line[CACHE_SIZE];
} cache __attribute__((tls_model("initial-exec")));

static inline unsigned int line_of(const void *key)
{
	return (unsigned int)(((uintptr_t)key * 0x9e3779b97f4a7c15ULL) >> 61);
}
_Static_assert(CACHE_SIZE == 8, "line_of takes three bits");

/* NULL and -1 mean the thread's current context. */
static inline struct vg_context *meant(CUcontext context)
{
	if (context && context != (CUcontext)-1)
		return context;
	return vg_self ? vg_self->current : NULL;
}

/* inactive: the answer for a primary context that no one has retained */
static int check(struct vg_context *context, int inactive)
{
	uint32_t number;
	int result = vg_process_ready();

	if (result)
		return result;
	if (!context || vg_number(VG_CONTEXT, context, &number))
		return CUDA_ERROR_INVALID_CONTEXT;
	return atomic_load_explicit(&context->retained, memory_order_relaxed) ? 0 : inactive;
}

/* Needs the lock. */
static struct entry **find(const struct vg_context *context, const void *key)
{
	struct entry **e = &entries;

	while (*e && ((*e)->context != context || (*e)->key != key))
		e = &(*e)->next;
	return e;
}

/* Needs the lock. */
static void changed(void)
{
	atomic_fetch_add_explicit(&changes, 1, memory_order_release);
}

static void context_ended(struct vg_context *context)
{
	struct entry *ended = NULL, **e = &entries;

	pthread_mutex_lock(&lock);
	while (*e) {
		struct entry *found = *e;

		if (found->context != context) {
			e = &found->next;
			continue;
		}
		*e = found->next;
		found->next = ended;
		ended = found;
	}
	changed();
	pthread_mutex_unlock(&lock);
	while (ended) {
		struct entry *next = ended->next;

		if (ended->end)
			ended->end(context, ended->key, ended->value);
		free(ended);
		ended = next;
	}
}

static void watch_contexts(void)
{
	vg_context_on_end(context_ended);
}

static CUresult put(CUcontext handle, void *key, void *value, destructor end)
{
	struct vg_context *context = meant(handle);
	struct entry *fresh, **e;
	int result = check(context, CUDA_ERROR_CONTEXT_IS_DESTROYED);

	if (result)
		return result;
	pthread_once(&once, watch_contexts);
	fresh = malloc(sizeof *fresh);
	if (!fresh)
		return CUDA_ERROR_OUT_OF_MEMORY;
	pthread_mutex_lock(&lock);
	e = find(context, key);
	if (*e) {
		(*e)->value = value;
		(*e)->end = end;
		free(fresh);
	} else {
		*fresh = (struct entry){ .context = context, .key = key, .value = value, .end = end };
		*e = fresh;
	}
	changed();
	pthread_mutex_unlock(&lock);
	return 0;
}

/* Forgets the value; its destructor does not run. */
static CUresult drop(CUcontext handle, void *key)
{
	struct vg_context *context = meant(handle);
	struct entry *found, **e;
	int result = check(context, CUDA_ERROR_CONTEXT_IS_DESTROYED);

	if (result)
		return result;
	pthread_mutex_lock(&lock);
	e = find(context, key);
	found = *e;
	if (found) {
		*e = found->next;
		changed();
	}
	pthread_mutex_unlock(&lock);
	free(found);
	return found ? 0 : CUDA_ERROR_INVALID_HANDLE;
}

static __attribute__((noinline)) CUresult get_missed(void **value, struct vg_context *context, void *key)
{
	unsigned int line = line_of(key);
	struct entry *found;
	uint64_t now;
	int result = check(context, CUDA_ERROR_INVALID_CONTEXT);

	if (result)
		return result;
	if (!value)
		return CUDA_ERROR_INVALID_VALUE;
	pthread_mutex_lock(&lock);
	now = atomic_load_explicit(&changes, memory_order_relaxed);
	found = *find(context, key);
	if (found)
		*value = found->value;
	if (cache.changes != now) {
		for (unsigned int i = 0; i < CACHE_SIZE; i++)
			cache.line[i].context = NULL;
		cache.changes = now;
	}
	if (found) {
		cache.line[line].context = context;
		cache.line[line].key = key;
		cache.line[line].value = found->value;
	}
	pthread_mutex_unlock(&lock);
	return found ? 0 : CUDA_ERROR_INVALID_HANDLE;
}

static CUresult get(void **value, CUcontext handle, void *key)
{
	struct vg_context *context = meant(handle);
	unsigned int line = line_of(key);

	if (__builtin_expect(cache.changes == atomic_load_explicit(&changes, memory_order_acquire) && value && context &&
				     cache.line[line].context == context && cache.line[line].key == key,
			     1)) {
		*value = cache.line[line].value;
		return 0;
	}
	return get_missed(value, context, key);
}

const void *const vg_table_local_storage[4] = { (const void *)put, (const void *)drop, (const void *)get, NULL };
