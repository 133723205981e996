// SPDX-License-Identifier: Apache-2.0
#include "image_sum.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "abi.h"
#include "sha256.h"

#define PIECE		((size_t)1 << 20)
#define MOST_HELPERS	3u
#define WORTH_A_HELPER	4u	/* pieces */

struct summing {
	const uint8_t *image;
	size_t size, pieces;
	_Atomic size_t next;
	uint8_t (*digests)[32];
};

static void *sum_pieces(void *of)
{
	struct summing *s = of;
	size_t i;

	while ((i = atomic_fetch_add_explicit(&s->next, 1, memory_order_relaxed)) < s->pieces) {
		size_t at = i * PIECE;

		vg_sha256(s->image + at, s->size - at < PIECE ? s->size - at : PIECE, s->digests[i]);
	}
	return NULL;
}

static unsigned int helpers(size_t pieces)
{
	size_t wanted = pieces / WORTH_A_HELPER;
	cpu_set_t set;
	int processors = sched_getaffinity(0, sizeof set, &set) ? 1 : CPU_COUNT(&set);

	if (wanted > MOST_HELPERS)
		wanted = MOST_HELPERS;
	return wanted < (size_t)processors ? (unsigned int)wanted : (unsigned int)processors - 1;
}

/* Fewer helpers than wanted, even none, only make it slower. */
static void sum_together(struct summing *s)
{
	unsigned int wanted = helpers(s->pieces), count = 0;
	pthread_t threads[MOST_HELPERS];
	sigset_t none, before;

	/* the program's signals are for its threads */
	sigfillset(&none);
	pthread_sigmask(SIG_SETMASK, &none, &before);
	while (count < wanted && !pthread_create(&threads[count], NULL, sum_pieces, s))
		count++;
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	sum_pieces(s);
	while (count)
		pthread_join(threads[--count], NULL);
}

int vg_image_sum(const void *image, size_t size, uint8_t sum[32])
{
	struct summing s = { .image = image, .size = size, .pieces = (size + PIECE - 1) / PIECE };

	s.digests = malloc(s.pieces * sizeof *s.digests);
	if (!s.digests)
		return CUDA_ERROR_OUT_OF_MEMORY;
	sum_together(&s);
	vg_sha256(s.digests, s.pieces * sizeof *s.digests, sum);
	free(s.digests);
	return 0;
}
