/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A limited lease for runs of launches: what executor/lease does for one launch after the other. Its words are explained
 * there and in driver/metered.go, which has the same structures. Where the two differ, Go is right.
 */
#ifndef METER_H
#define METER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#define METER_LANES	8
#define LANE_KEYS	64
#define NEVER		INT64_MAX
#define LAUNCH_KEY	28u	/* bytes: function, grid and block */
#define CLOCK_EVERY	8u	/* launches, while nothing is due at an instant: the clock costs more than a launch */

struct vg_lane {
	uint64_t stream;
	uintptr_t word;
	int64_t begin, predicted;
	uint32_t count, keyed;
	uint32_t awaited, pending, current, fresh;
	uint64_t keys[LANE_KEYS];
};

struct vg_meter {
	int64_t budget, clear_by, coarse, grace, expiry;
	int64_t overdue, grain, settle, settle_behind, linger;
	int64_t flying, looked, submitted;
	uintptr_t flying_word, clock;
	uint32_t quiet, wanted, lanes, last, table_bits, launches;
	struct vg_lane lane[METER_LANES];
};
_Static_assert(sizeof(struct vg_lane) == 568 && sizeof(struct vg_meter) == 144 + 568 * METER_LANES, "layout");

struct vg_duration {
	uint64_t key;
	int64_t length;
	uint64_t row;
};

/* What a launch adds. */
struct vg_submission {
	uint32_t lane;
	uint64_t key;
	int64_t length;
};

static inline uint64_t monotonic_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static inline int64_t meter_now(const struct vg_meter *m)
{
	return (int64_t)(m->clock ? __atomic_load_n((const uint64_t *)m->clock, __ATOMIC_RELAXED) : monotonic_ns());
}

/* FNV-1a, never 0; lease/submission.go */
static inline uint64_t launch_key(uint16_t opcode, const uint32_t *words)
{
	uint64_t h = 14695981039346656037u ^ opcode;

	for (unsigned int i = 0; i < LAUNCH_KEY / sizeof(*words); i++)
		h = (h ^ words[i]) * 1099511628211u;
	return h | 1;
}

/* How long it took so far; 0: it has never run. */
static inline int64_t duration(const struct vg_duration *table, uint32_t bits, uint64_t key)
{
	uint64_t mask = ((uint64_t)1 << bits) - 1;

	for (uint64_t i = key * 0x9e3779b97f4a7c15u >> (64 - bits); table[i].key; i = (i + 1) & mask)
		if (table[i].key == key)
			return table[i].length;
	return 0;
}

/* Whether the GPU has reached a mark. */
static inline bool any_done(const struct vg_meter *m)
{
	for (uint32_t i = 0; i < m->lanes; i++) {
		const struct vg_lane *l = &m->lane[i];

		if (l->pending && (int32_t)(__atomic_load_n((const uint32_t *)l->word, __ATOMIC_ACQUIRE) - l->awaited) >= 0)
			return true;
	}
	return false;
}

/* Whether the ring has been empty for long enough that what is open gets a mark. */
static inline bool any_settled(const struct vg_meter *m, int64_t quiet)
{
	for (uint32_t i = 0; i < m->lanes; i++) {
		const struct vg_lane *l = &m->lane[i];

		if (l->count && quiet >= (l->pending ? m->settle_behind : m->settle))
			return true;
	}
	return false;
}

/*
 * Finds the lane of a stream of the current context. Go marks what is open in a default stream before other streams
 * get work, and adds lanes.
 */
static inline bool find_lane(const struct vg_meter *m, uint64_t stream, uint32_t *found)
{
	const struct vg_lane *last = &m->lane[m->last];

	*found = m->last;
	if (last->stream == stream && last->current)
		return true;
	if (!last->stream && last->count)
		return false;
	for (*found = 0; *found < m->lanes; ++*found)
		if (m->lane[*found].stream == stream && m->lane[*found].current)
			return true;
	return false;
}

/* lease.Terms.Admit, before the lease expires. */
static inline bool terms_admit(const struct vg_meter *m, int64_t now, int64_t work)
{
	if (m->clear_by != NEVER) {
		int64_t late = now + m->flying + work - m->clear_by;

		if (late > 0 && (work < m->coarse || late > m->grace))
			return false;
	}
	if (!m->flying)
		return m->budget > 0;
	return m->flying + work <= m->budget;
}

/* Meter.Admit; false: it has to wait, or Go has to look. */
static inline bool meter_admit(struct vg_meter *m, const struct vg_duration *durations, uint16_t opcode, const uint32_t *key,
			       uint64_t stream, struct vg_submission *s)
{
	int64_t now = m->looked;

	if (!find_lane(m, stream, &s->lane))
		return false;
	s->key = launch_key(opcode, key);
	s->length = duration(durations, m->table_bits, s->key);
	if (!s->length || any_done(m))
		return false;
	if (m->clear_by != NEVER || m->clock || !(m->launches % CLOCK_EVERY))
		now = meter_now(m);
	if (now >= m->expiry || now > m->overdue || !terms_admit(m, now, s->length))
		return false;
	m->launches++;
	m->looked = now;
	m->quiet = 0;
	m->wanted = 1;
	return true;
}

/* Meter.Submitted; true: the lane of it is to be marked. */
static inline bool meter_submitted(struct vg_meter *m, const struct vg_submission *s)
{
	struct vg_lane *l = &m->lane[s->lane];

	if (!l->count || !l->begin)
		l->begin = meter_now(m);
	m->last = s->lane;
	l->count++;
	l->predicted += s->length;
	l->keys[l->fresh++] = s->key;
	l->keyed++;
	m->flying += s->length;
	__atomic_store_n((uint64_t *)m->flying_word, (uint64_t)m->flying, __ATOMIC_RELAXED);
	return l->predicted >= m->grain || l->keyed >= LANE_KEYS;
}

/* Meter.Quiet, as long as it has nothing to do: whether the ring may be looked at on. */
static inline bool meter_quiet(struct vg_meter *m)
{
	int64_t now = meter_now(m);

	if (any_done(m) || now > m->overdue)
		return false;
	m->looked = now;
	if (!m->quiet) {
		m->quiet = 1;
		m->submitted = now;
	}
	return !any_settled(m, now - m->submitted) && !(m->wanted && now - m->submitted >= m->linger);
}

#endif
