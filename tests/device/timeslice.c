/* SPDX-License-Identifier: Apache-2.0 */
/*
 * LD_PRELOAD=timeslice.so PROGRAM: what a process without rights may ask of its own channel groups, and what the driver answers.
 *
 * Requests are words: slice=MICROSECONDS, interleave=0|1|2 (low, medium, high), preempt, reschedule (out of the runlist and in again),
 * preempt_every=MICROSECONDS, and yield=preempt|disable|unschedule, by which the program leaves the GPU each time that the other end of
 * a socket says so, and comes back when it says that. They come
 *
 *   VGPU_TIMESLICE_ALLOCATED  for each group as soon as it is allocated, and again when the program has set its slice itself
 *   timeslice_started(words)  for all groups, when the program says so
 *
 * VGPU_TIMESLICE_LOG is the file that one object of JSON a line is appended to, VGPU_TIMESLICE_SOCKET the socket's descriptor.
 */
#include "bench_stats.h"
#include "rm_calls.h"
#include "rm_objects.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define MOST_WORDS 256
#define MOST_SAMPLES 65536

/* A thread that asks again and again. */
struct repeated {
	const char *name;
	pthread_t thread;
	bool running;
	atomic_bool stop;
	unsigned int every_us;
	size_t asked, failed;
	struct rm_answer first_failure;
	double microseconds[MOST_SAMPLES];
};
static struct repeated repeated;

static void tell(const char *line, size_t length)
{
	const char *path = getenv("VGPU_TIMESLICE_LOG");
	int file = path ? open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644) : -1;

	if (file < 0)
		return;
	if (write(file, line, length) < 0)
		perror("timeslice: writing the log");
	close(file);
}

#define TELL(...)                                                            \
	do {                                                                 \
		char line[512];                                              \
		int length = snprintf(line, sizeof(line), __VA_ARGS__);      \
		tell(line, length < (int)sizeof(line) ? (size_t)length : 0); \
	} while (0)

static void tell_answer(const char *when, const char *request, long long value, const struct rm_object *object, struct rm_answer answer)
{
	TELL("{\"when\": \"%s\", \"request\": \"%s\", \"value\": %lld, \"client\": %u, \"handle\": %u, \"engine\": %u, "
	     "\"result\": %d, \"errno\": %d, \"status\": %u, \"microseconds\": %.1f}\n",
	     when, request, value, object->client, object->handle, object->engine, answer.result, answer.error, answer.status, answer.microseconds);
}

static void get_slice(const char *when, const struct rm_object *group)
{
	struct rm_timeslice slice = { 0 };
	struct rm_answer answer = rm_ask(group, RM_GROUP_GET_TIMESLICE, &slice, sizeof(slice));

	tell_answer(when, "get_slice", (long long)slice.microseconds, group, answer);
}

static void set_slice(const char *when, const struct rm_object *group, long value)
{
	struct rm_timeslice slice = { .microseconds = (uint64_t)value };

	tell_answer(when, "slice", value, group, rm_ask(group, RM_GROUP_SET_TIMESLICE, &slice, sizeof(slice)));
}

static void set_interleave(const char *when, const struct rm_object *group, long value)
{
	struct rm_interleave interleave = { .level = (uint32_t)value };

	tell_answer(when, "interleave", value, group, rm_ask(group, RM_GROUP_SET_INTERLEAVE, &interleave, sizeof(interleave)));
}

static struct rm_answer preempt(const struct rm_object *group)
{
	struct rm_preempt preempt = { .wait = 1, .own_timeout = 1, .timeout_us = 100000 };

	return rm_ask(group, RM_GROUP_PREEMPT, &preempt, sizeof(preempt));
}

static struct rm_answer schedule(const struct rm_object *group, bool enable)
{
	struct rm_schedule schedule = { .enable = enable };

	return rm_ask(group, RM_GROUP_SCHEDULE, &schedule, sizeof(schedule));
}

/* The groups that run kernels; all of them where the engine is not known. */
static size_t kernel_groups(struct rm_object *found)
{
	size_t all = rm_objects(RM_CLASS_CHANNEL_GROUP, found), running = 0;

	for (size_t i = 0; i < all; i++)
		if (found[i].engine == RM_ENGINE_GRAPHICS)
			found[running++] = found[i];
	return running ? running : all;
}

/* A subdevice of the device that a group was allocated on. */
static bool subdevice_of(const struct rm_object *group, struct rm_object *found)
{
	static struct rm_object all[RM_MOST_OBJECTS];
	size_t count = rm_objects(RM_CLASS_SUBDEVICE, all);

	for (size_t i = 0; i < count; i++)
		if (all[i].client == group->client && all[i].parent == group->parent) {
			*found = all[i];
			return true;
		}
	return false;
}

static struct rm_answer disable(const struct rm_object *group, bool disabled)
{
	static struct rm_object channels[RM_MOST_OBJECTS];
	struct rm_disable_channels request = { .disable = disabled };
	struct rm_object subdevice;
	size_t count = rm_objects(RM_ANY_CHANNEL, channels);

	if (!subdevice_of(group, &subdevice))
		return (struct rm_answer){ .result = -1 };
	for (size_t i = 0; i < count && request.count < RM_MOST_CHANNELS; i++)
		if (channels[i].client == group->client && channels[i].parent == group->handle) {
			request.clients[request.count] = channels[i].client;
			request.channels[request.count++] = channels[i].handle;
		}
	return rm_ask(&subdevice, RM_SUBDEVICE_DISABLE_CHANNELS, &request, sizeof(request));
}

static void count_answer(struct rm_answer answer)
{
	if (repeated.asked < MOST_SAMPLES)
		repeated.microseconds[repeated.asked] = answer.microseconds;
	repeated.asked++;
	if (!rm_done(answer) && !repeated.failed++)
		repeated.first_failure = answer;
}

static void leave(const char *way, bool leaves)
{
	static struct rm_object groups[RM_MOST_OBJECTS];
	size_t count = kernel_groups(groups);

	for (size_t i = 0; i < count; i++) {
		if (!strcmp(way, "disable"))
			count_answer(disable(&groups[i], leaves));
		else if (!strcmp(way, "unschedule"))
			count_answer(schedule(&groups[i], !leaves));
		else if (leaves) /* what was preempted comes back by itself */
			count_answer(preempt(&groups[i]));
	}
}

static void *preempt_repeatedly(void *unused)
{
	struct timespec pause = { .tv_nsec = repeated.every_us * 1000L };

	(void)unused;
	while (!repeated.stop) {
		leave("preempt", true);
		nanosleep(&pause, NULL);
	}
	return NULL;
}

static int socket_descriptor(void)
{
	const char *text = getenv("VGPU_TIMESLICE_SOCKET");

	return text ? atoi(text) : -1;
}

static void *yield_when_told(void *unused)
{
	struct pollfd mark = { .fd = socket_descriptor(), .events = POLLIN };
	bool away = false;
	char what;

	(void)unused;
	while (!repeated.stop) {
		if (poll(&mark, 1, 20) <= 0)
			continue;
		if (read(mark.fd, &what, 1) != 1)
			break;
		if (away != (what == '+')) {
			away = !away;
			leave(repeated.name, away);
		}
	}
	if (away)
		leave(repeated.name, false);
	return NULL;
}

static void repeat(const char *name, void *(*body)(void *))
{
	repeated.name = name;
	repeated.running = !repeated.running && !pthread_create(&repeated.thread, NULL, body, NULL);
}

static void ask_group(const char *when, const struct rm_object *group, const char *word)
{
	long value = 0;

	if (sscanf(word, "slice=%ld", &value) == 1) {
		set_slice(when, group, value);
	} else if (sscanf(word, "interleave=%ld", &value) == 1) {
		set_interleave(when, group, value);
	} else if (!strcmp(word, "preempt")) {
		tell_answer(when, word, 0, group, preempt(group));
	} else if (!strcmp(word, "reschedule")) {
		tell_answer(when, "unschedule", 0, group, schedule(group, false));
		tell_answer(when, "schedule", 0, group, schedule(group, true));
	}
}

static void start_repeating(const char *word)
{
	unsigned int every = 0;

	if (sscanf(word, "preempt_every=%u", &every) == 1) {
		repeated.every_us = every;
		repeat("preempt", preempt_repeatedly);
	} else if (!strcmp(word, "yield=preempt")) {
		repeat("preempt", yield_when_told);
	} else if (!strcmp(word, "yield=disable")) {
		repeat("disable", yield_when_told);
	} else if (!strcmp(word, "yield=unschedule")) {
		repeat("unschedule", yield_when_told);
	}
}

static void ask(const char *when, const struct rm_object *groups, size_t count, const char *words)
{
	char copy[MOST_WORDS], *rest = copy;

	snprintf(copy, sizeof(copy), "%s", words);
	for (char *word; (word = strsep(&rest, " \n"));)
		for (size_t i = 0; i < count; i++)
			ask_group(when, &groups[i], word);
}

bool rm_notes(uint32_t class) { return class == RM_CLASS_CHANNEL_GROUP || class == RM_CLASS_SUBDEVICE || class == RM_ANY_CHANNEL; }

bool rm_full(void) { return false; }

void rm_group_allocated(const struct rm_object *group)
{
	const char *words = getenv("VGPU_TIMESLICE_ALLOCATED");

	get_slice("allocated", group);
	if (words)
		ask("allocated", group, 1, words);
}

void rm_group_controlled(const struct rm_object *group, uint32_t command, const void *parameters, uint32_t size, uint32_t status)
{
	const char *words = getenv("VGPU_TIMESLICE_ALLOCATED");
	bool sets = command == RM_GROUP_SET_TIMESLICE && parameters && size == sizeof(struct rm_timeslice);

	TELL("{\"when\": \"of the program\", \"request\": \"%x\", \"value\": %lld, \"client\": %u, \"handle\": %u, \"engine\": %u, \"status\": %u}\n", command,
	     sets ? (long long)((const struct rm_timeslice *)parameters)->microseconds : 0LL, group->client, group->handle, group->engine, status);
	if (sets && words)
		ask("set again", group, 1, words);
}

/* The program has used the GPU and goes to work. */
void timeslice_started(const char *words)
{
	static struct rm_object groups[RM_MOST_OBJECTS];
	size_t count = rm_objects(RM_CLASS_CHANNEL_GROUP, groups);
	char copy[MOST_WORDS], *rest = copy;

	TELL("{\"when\": \"started\", \"groups\": %zu, \"channels\": %zu, \"subdevices\": %zu}\n", count,
	     rm_objects(RM_ANY_CHANNEL, NULL), rm_objects(RM_CLASS_SUBDEVICE, NULL));
	ask("started", groups, count, words);
	for (size_t i = 0; i < count; i++)
		get_slice("started", &groups[i]);
	snprintf(copy, sizeof(copy), "%s", words);
	for (char *word; (word = strsep(&rest, " \n"));)
		start_repeating(word);
}

/* The program's step begins or has ended: says so to who is at the socket's other end, if there still is somebody. */
void timeslice_step(bool begins)
{
	int peer = socket_descriptor();

	if (peer >= 0 && send(peer, begins ? "+" : "-", 1, MSG_NOSIGNAL) < 0 && errno != EPIPE)
		perror("timeslice: telling the step");
}

/* The program has done its work, but for what is still posted. */
void timeslice_ended(void)
{
	static struct rm_object groups[RM_MOST_OBJECTS];
	size_t count = rm_objects(RM_CLASS_CHANNEL_GROUP, groups), samples;
	double median = 0, p99 = 0;

	if (repeated.running) {
		repeated.stop = true;
		pthread_join(repeated.thread, NULL);
		repeated.running = false;
		samples = repeated.asked < MOST_SAMPLES ? repeated.asked : MOST_SAMPLES;
		if (samples) {
			median = stats_median(repeated.microseconds, samples);
			p99 = repeated.microseconds[(samples - 1) * 99 / 100];
		}
		TELL("{\"when\": \"repeated\", \"request\": \"%s\", \"asked\": %zu, \"failed\": %zu, \"result\": %d, \"errno\": %d, \"status\": %u, "
		     "\"median_us\": %.1f, \"p99_us\": %.1f}\n",
		     repeated.name, repeated.asked, repeated.failed, repeated.first_failure.result, repeated.first_failure.error,
		     repeated.first_failure.status, median, p99);
	}
	for (size_t i = 0; i < count; i++)
		get_slice("ended", &groups[i]);
}
