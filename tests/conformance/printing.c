/* SPDX-License-Identifier: Apache-2.0 */
/* What kernels print comes on the program's standard output where it waits; a failed assertion speaks on standard error. */
#include "conformance.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

extern const char printing_ptx[];

static struct {
	CUmodule module;
	CUfunction values, threads, plainly, assert_small;
	CUdeviceptr text;
} printing;

static CUresult ready(void)
{
	static const char text[] = "device text";
	CUresult result = device_ready();

	if (result || printing.module)
		return result;
	if ((result = cu.ModuleLoadData(&printing.module, printing_ptx)) ||
	    (result = cu.ModuleGetFunction(&printing.values, printing.module, "print_values")) ||
	    (result = cu.ModuleGetFunction(&printing.threads, printing.module, "print_threads")) ||
	    (result = cu.ModuleGetFunction(&printing.plainly, printing.module, "print_plainly")) ||
	    (result = cu.ModuleGetFunction(&printing.assert_small, printing.module, "assert_small")) ||
	    (result = cu.MemAlloc(&printing.text, sizeof(text))))
		return result;
	return cu.MemcpyHtoD(printing.text, text, sizeof(text));
}

/* From begin to end standard output (1) or error (2) goes to a file. */
struct capture {
	int stream, kept;
	FILE *file;
};

static bool capture_begin(struct capture *c, int stream)
{
	c->stream = stream;
	fflush(stdout);
	fflush(stderr);
	c->kept = dup(stream);
	c->file = tmpfile();
	return c->kept >= 0 && c->file && dup2(fileno(c->file), stream) == stream;
}

static size_t capture_end(struct capture *c, char *text, size_t size)
{
	size_t n;

	fflush(stdout);
	fflush(stderr);
	dup2(c->kept, c->stream);
	close(c->kept);
	rewind(c->file);
	n = fread(text, 1, size - 1, c->file);
	text[n] = '\0';
	fclose(c->file);
	return n;
}

static bool values(void)
{
	int number = 42;
	float real = 2.5f;
	struct capture c;
	char text[4096];
	CUresult results[4];

	DO(ready());
	THAT(capture_begin(&c, 1));
	results[0] = cu.LaunchKernel(printing.values, 1, 1, 1, 1, 1, 1, 0, NULL, PARAMETERS(&number, &real, &printing.text), NULL);
	results[1] = cu.CtxSynchronize();
	number = -7;
	results[2] = cu.LaunchKernel(printing.values, 1, 1, 1, 1, 1, 1, 0, NULL, PARAMETERS(&number, &real, &printing.text), NULL);
	results[3] = cu.CtxSynchronize();
	capture_end(&c, text, sizeof(text));
	for (int i = 0; i < 4; i++)
		DO(results[i]);
	if (strcmp(text, "values 42 4000000000 123456789012345 2.500 x ff device text    42|42   |\n"
			 "values -7 4000000000 123456789012345 2.500 x ff device text    -7|-7   |\n"))
		return check_reason("printed %s", text);
	return true;
}

/* Every sort of wait brings the text, between what the program prints itself. */
static bool at_every_wait(void)
{
	char text[4096], word[4];
	CUresult result = CUDA_SUCCESS;
	CUdeviceptr memory;
	CUstream stream;
	CUevent event;
	struct capture c;

	DO(ready());
	DO(cu.StreamCreate(&stream, CU_STREAM_NON_BLOCKING));
	DO(cu.EventCreate(&event, 0));
	DO(cu.MemAlloc(&memory, 4096));
	THAT(capture_begin(&c, 1));
	for (int turn = 0; turn < 4 && !result; turn++) {
		printf("before %d\n", turn);
		result = cu.LaunchKernel(printing.plainly, 1, 1, 1, 1, 1, 1, 0, turn == 3 ? NULL : stream, NULL, NULL);
		if (result)
			break;
		switch (turn) {
		case 0:
			result = cu.StreamSynchronize(stream);
			break;
		case 1:
			if (!(result = cu.EventRecord(event, stream)))
				result = cu.EventSynchronize(event);
			break;
		case 2:
			result = cu.CtxSynchronize();
			break;
		default:
			result = cu.MemcpyDtoH(word, memory, sizeof(word));
		}
		printf("after %d\n", turn);
	}
	capture_end(&c, text, sizeof(text));
	DO(result);
	for (int turn = 0; turn < 4; turn++) {
		char expected[100];

		snprintf(expected, sizeof(expected), "before %d\nno arguments\nafter %d\n", turn, turn);
		check_note("%d", strstr(text, expected) != NULL);
	}
	THAT(strstr(text, "before 0\nno arguments\nafter 0\n") && strstr(text, "before 2\nno arguments\nafter 2\n"));
	DO(cu.MemFree(memory));
	DO(cu.EventDestroy(event));
	DO(cu.StreamDestroy(stream));
	return true;
}

static int compare(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static bool many_lines(void)
{
	enum { ROUNDS = 20, BLOCKS = 10, THREADS = 20, LINES = ROUNDS * BLOCKS * THREADS, ROOM = 1 << 20 };
	char *text = malloc(ROOM), **lines = calloc(LINES + 1, sizeof(*lines));
	CUresult result = CUDA_SUCCESS;
	struct capture c;
	size_t n = 0;

	DO(ready());
	THAT(text && lines);
	THAT(capture_begin(&c, 1));
	for (int round = 0; round < ROUNDS && !result; round++)
		result = cu.LaunchKernel(printing.threads, BLOCKS, 1, 1, THREADS, 1, 1, 0, NULL, PARAMETERS(&round), NULL);
	if (!result)
		result = cu.CtxSynchronize();
	capture_end(&c, text, ROOM);
	DO(result);
	for (char *line = strtok(text, "\n"); line && n <= LINES; line = strtok(NULL, "\n"))
		lines[n++] = line;
	if (n != LINES)
		return check_reason("%d lines, expected %d", (int)n, LINES);
	qsort(lines, n, sizeof(*lines), compare);
	for (size_t i = 0; i < n; i++) {
		int round, block, thread, used = 0;

		sscanf(lines[i], "round %d block %d thread %d%n", &round, &block, &thread, &used);
		if (!used || lines[i][used] || (i && !strcmp(lines[i], lines[i - 1])))
			return check_reason("line %s", lines[i]);
	}
	free(text);
	free(lines);
	return true;
}

static bool limit(void)
{
	size_t bytes = 0;

	DO(ready());
	DO(cu.CtxGetLimit(&bytes, 1));
	check_note("%d", (int)bytes);
	return true;
}

static const struct check checks[] = {
	{ "values", values },
	{ "at_every_wait", at_every_wait },
	{ "many_lines", many_lines },
	{ "limit", limit },
};
const struct check_group printing_family = GROUP("printing", checks);

/* Ends the context: alone in its process. */
static bool assertion(void)
{
	CUresult results[4];
	struct capture c;
	char text[8192];
	size_t free_bytes, total;
	int small = 30, lines = 0;

	DO(ready());
	THAT(capture_begin(&c, 2));
	results[0] = cu.LaunchKernel(printing.assert_small, 1, 1, 1, 32, 1, 1, 0, NULL, PARAMETERS(&small), NULL);
	results[1] = cu.CtxSynchronize();
	capture_end(&c, text, sizeof(text));
	results[2] = cu.CtxSynchronize();
	results[3] = cu.MemGetInfo(&free_bytes, &total);
	for (int i = 0; i < 4; i++)
		check_note("%d", (int)results[i]);
	for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n"), lines++)
		check_note("[%s]", line);
	THAT(results[1] == 710);
	THAT(lines == 2);
	return true;
}

static const struct check assert_checks[] = {
	{ "assertion", assertion },
};
const struct check_group assertion_family = GROUP_ON_REQUEST("assertion", assert_checks);
