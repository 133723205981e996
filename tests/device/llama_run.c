/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Generates with the unmodified llama.cpp libraries of a directory and prints one JSON object:
 *     llama_run DIRECTORY MODEL [gpu_layers [prompt_tokens [new_tokens [threads [pace [gate]]]]]]     default: 99 512 256 4 0
 * Two passes over the same prompt in one context: the first pays for loading kernels, the second is the steady state.
 * The hash covers every token chosen and the bytes of all logits of each step; both passes and every run on the same
 * kind of GPU give the same one. Times are of llama_decode until its logits are there.
 * With a pace, the second pass makes so many tokens a second, as somebody who reads along wants them, and the object has
 * the times of its steps, and when it began and ended by the monotonic clock. With a gate it makes the directory GATE/PID
 * before that pass and waits for GATE/open, so that several begin at once.
 */
#include "llama.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define MAX_TOKENS 4096
#define SHOWN_TOKENS 8

struct pass {
	uint64_t hash;
	double prompt_seconds, decode_seconds;
	double first_token_seconds;	/* from the start of the process, to 10 ms */
	double step_p50_us, step_p99_us;
	int32_t first[SHOWN_TOKENS];
};

static struct llama llama;

static double seconds_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec + now.tv_nsec * 1e-9;
}

static double seconds_since_process_start(void)
{
	long long ticks = 0;
	char text[1024] = "", *rest;
	FILE *stat = fopen("/proc/self/stat", "r");
	struct timespec now;

	if (!stat || !fgets(text, sizeof(text), stat))
		exit(2);
	fclose(stat);
	rest = strrchr(text, ')');
	for (int field = 2; rest && field < 22; field++)
		rest = strchr(rest + 1, ' ');
	if (rest)
		ticks = atoll(rest + 1);
	clock_gettime(CLOCK_BOOTTIME, &now);
	return now.tv_sec + now.tv_nsec * 1e-9 - (double)ticks / sysconf(_SC_CLK_TCK);
}

static void quiet(int level, const char *text, void *data)
{
	(void)data;
	if (level >= 3 || getenv("LLAMA_RUN_VERBOSE"))
		fputs(text, stderr);
}

static uint64_t hash_words(uint64_t hash, const void *data, size_t words)
{
	for (size_t i = 0; i < words; i++) {
		uint32_t word;

		memcpy(&word, (const char *)data + 4 * i, 4);
		hash = (hash ^ word) * 0x100000001b3ull;
	}
	return hash;
}

static int32_t greatest(const float *logits, int32_t count)
{
	int32_t best = 0;

	for (int32_t i = 1; i < count; i++)
		if (logits[i] > logits[best])
			best = i;
	return best;
}

static int by_value(const void *a, const void *b)
{
	double left = *(const double *)a, right = *(const double *)b;

	return left < right ? -1 : left > right;
}

/* Sleeps until a time of seconds_now. */
static void sleep_until(double due)
{
	struct timespec until = { .tv_sec = (time_t)due };

	until.tv_nsec = (long)((due - (double)until.tv_sec) * 1e9);
	clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL);
}

/* Of the last pass, in the order of the tokens; begins by the monotonic clock. */
static double step_seconds[MAX_TOKENS], step_begins[MAX_TOKENS];

/* 0, or -1 when llama.cpp refuses or a logit is not finite. With a pace, so many tokens a second. */
static int run_pass(void *context, int32_t vocabulary, int32_t prompt, int32_t new_tokens, double pace, struct pass *pass)
{
	static int32_t tokens[MAX_TOKENS];
	static double steps[MAX_TOKENS];
	double first = seconds_now();
	int32_t token = 0;

	memset(pass, 0, sizeof(*pass));
	pass->hash = 0xcbf29ce484222325ull;
	for (int32_t i = 0; i < prompt; i++)
		tokens[i] = (int32_t)((i * 2654435761u >> 7) % (uint32_t)vocabulary);
	for (int32_t step = 0; step < new_tokens; step++) {
		double start;
		float *logits;

		if (pace > 0)
			sleep_until(first + step / pace);
		start = step_begins[step] = seconds_now();
		if (llama.decode(context, step ? llama.batch_of(&token, 1) : llama.batch_of(tokens, prompt)))
			return -1;
		logits = llama.logits(context, -1);
		if (!logits)
			return -1;
		steps[step] = step_seconds[step] = seconds_now() - start;
		if (!step)
			pass->first_token_seconds = seconds_since_process_start();
		token = greatest(logits, vocabulary);
		if (!(logits[token] - logits[0] < 1e30f))
			return -1;
		pass->hash = hash_words(pass->hash, logits, (size_t)vocabulary);
		pass->hash = hash_words(pass->hash, &token, 1);
		if (step < SHOWN_TOKENS)
			pass->first[step] = token;
	}
	pass->prompt_seconds = steps[0];
	for (int32_t step = 1; step < new_tokens; step++)
		pass->decode_seconds += steps[step];
	qsort(steps + 1, (size_t)new_tokens - 1, sizeof(steps[0]), by_value);
	pass->step_p50_us = steps[1 + (new_tokens - 1) / 2] * 1e6;
	pass->step_p99_us = steps[1 + (new_tokens - 2) * 99 / 100] * 1e6;
	return 0;
}

/* 0 when the gate is open, -1 when that takes five minutes or it cannot say that it waits. */
static int wait_at(const char *gate)
{
	double deadline = seconds_now() + 300;
	char path[4096];

	snprintf(path, sizeof(path), "%s/%d", gate, (int)getpid());
	if (mkdir(path, 0755))
		return -1;
	snprintf(path, sizeof(path), "%s/open", gate);
	while (access(path, F_OK)) {
		if (seconds_now() > deadline)
			return -1;
		usleep(500);
	}
	return 0;
}

static void print_pass(const char *name, const struct pass *pass, int32_t prompt, int32_t new_tokens)
{
	printf(", \"%s\": {\"hash\": \"%016llx\", \"prompt_tokens_per_second\": %.1f, "
	       "\"decode_tokens_per_second\": %.2f, \"step_p50_us\": %.1f, \"step_p99_us\": %.1f, \"first_tokens\": [",
	       name, (unsigned long long)pass->hash, prompt / pass->prompt_seconds,
	       (new_tokens - 1) / pass->decode_seconds, pass->step_p50_us, pass->step_p99_us);
	for (int i = 0; i < SHOWN_TOKENS && i < new_tokens; i++)
		printf("%s%d", i ? ", " : "", pass->first[i]);
	printf("]}");
}

static long argument(int argc, char **argv, int index, long otherwise)
{
	return argc > index ? strtol(argv[index], NULL, 10) : otherwise;
}

int main(int argc, char **argv)
{
	int32_t gpu_layers = (int32_t)argument(argc, argv, 3, 99);
	int32_t prompt = (int32_t)argument(argc, argv, 4, 512);
	int32_t new_tokens = (int32_t)argument(argc, argv, 5, 256);
	int32_t threads = (int32_t)argument(argc, argv, 6, 4);
	double pace = (double)argument(argc, argv, 7, 0);
	struct llama_model_params model_params;
	struct llama_context_params context_params;
	struct pass cold, warm;
	double start, loaded, ready, began, ended;
	void *model, *context;
	int32_t vocabulary;

	if (argc < 3 || prompt < 1 || new_tokens < 2 || prompt + new_tokens > MAX_TOKENS) {
		fprintf(stderr, "usage: llama_run DIRECTORY MODEL [gpu_layers [prompt_tokens [new_tokens [threads [pace [gate]]]]]]\n");
		return 2;
	}
	if (llama_open(&llama, argv[1]))
		return 2;
	llama.log_set(quiet, NULL);
	start = seconds_now();
	llama.load_backends(argv[1]);
	llama.backend_init();

	model_params = llama.model_defaults();
	model_params.gpu_layers = gpu_layers;
	model = llama.model_load(argv[2], model_params);
	if (!model) {
		fprintf(stderr, "loading %s failed\n", argv[2]);
		return 1;
	}
	loaded = seconds_now();
	vocabulary = llama.vocabulary_size(llama.model_vocabulary(model));

	context_params = llama.context_defaults();
	context_params.context = (uint32_t)(prompt + new_tokens + 255) / 256 * 256;
	context_params.batch = context_params.physical_batch = (uint32_t)(prompt > 512 ? prompt : 512);
	context_params.threads = context_params.threads_batch = threads;
	context = llama.context_new(model, context_params);
	if (!context) {
		fprintf(stderr, "making a context failed\n");
		return 1;
	}
	ready = seconds_now();
	if (run_pass(context, vocabulary, prompt, new_tokens, 0, &cold)) {
		fprintf(stderr, "decoding failed\n");
		return 1;
	}
	llama.memory_clear(llama.memory_of(context), true);
	if (argc > 8 && wait_at(argv[8])) {
		fprintf(stderr, "waiting at %s failed\n", argv[8]);
		return 1;
	}
	began = seconds_now();
	if (run_pass(context, vocabulary, prompt, new_tokens, pace, &warm)) {
		fprintf(stderr, "decoding failed\n");
		return 1;
	}
	ended = seconds_now();
	printf("{\"devices\": [");
	for (size_t i = 0; i < llama.device_count(); i++)
		printf("%s\"%s: %s\"", i ? ", " : "", llama.device_name(llama.device_get(i)),
		       llama.device_description(llama.device_get(i)));
	printf("], \"gpu_layers\": %d, \"prompt\": %d, \"new_tokens\": %d, \"load_seconds\": %.3f, "
	       "\"context_seconds\": %.3f, \"first_token_seconds\": %.3f", gpu_layers, prompt, new_tokens, loaded - start,
	       ready - loaded, cold.first_token_seconds);
	print_pass("cold", &cold, prompt, new_tokens);
	print_pass("warm", &warm, prompt, new_tokens);
	if (pace > 0) {
		printf(", \"steps_us\": [");
		for (int32_t step = 1; step < new_tokens; step++)
			printf("%s%.1f", step > 1 ? ", " : "", step_seconds[step] * 1e6);
		printf("], \"begins\": [");
		for (int32_t step = 1; step < new_tokens; step++)
			printf("%s%.6f", step > 1 ? ", " : "", step_begins[step]);
		printf("], \"began\": %.6f, \"ended\": %.6f", began, ended);
	}
	printf(", \"hash\": \"%016llx\"}\n", (unsigned long long)warm.hash);
	llama.context_free(context);
	llama.model_free(model);
	llama.backend_free();
	if (cold.hash != warm.hash) {
		fprintf(stderr, "the two passes differ\n");
		return 1;
	}
	return 0;
}
