// SPDX-License-Identifier: Apache-2.0
/*
 * Asks the compilers' table as NVRTC does: compute_cache rules | keep SOURCE OPTIONS BYTES | look SOURCE OPTIONS BYTES.
 * The PTX and the machine code that it keeps say of which source and options they are, repeated up to BYTES.
 */
#include <string.h>

#include "check.h"

enum { MACHINE_CODE = 1, PTX = 2, NOT_FOUND = 500, NOT_PERMITTED = 800, NOT_SUPPORTED = 801 };

static const unsigned char guid[16] = "\xda\x91\x51\xd3\x3a\xe6\xcc\x41\xa5\xc0\x4f\x26\xd5\x33\xe3\x28";

static struct {
	size_t size;
	int (*make_key)(void **key, unsigned int kind, const void *data, size_t size, const char *options, const char *host,
			const char *build, unsigned int architecture, unsigned int specific);
	int (*drop_key)(void *key);
	int (*find)(void *key, const void *unknown, void **data, unsigned int *size);
	int (*store)(void *key, const void *unknown, const void *data, size_t size);
	int (*unknown)(void);
	int (*drop)(void *data);
} const *table;

static int key_of(void **key, unsigned int kind, const char *source, const char *options)
{
	return table->make_key(key, kind, source, strlen(source), options, "HOST64", "Jan  1 202600:00:00", 90, 0);
}

static char *code(const char *kind, const char *source, const char *options, size_t bytes)
{
	char *all = calloc(1, bytes + 1), piece[256];

	snprintf(piece, sizeof piece, "%s of %s with %s;", kind, source, options);
	for (size_t at = 0; at < bytes; at += strlen(piece))
		snprintf(all + at, bytes + 1 - at, "%s", piece);
	return all;
}

static void keep(void *key, const char *kind, const char *source, const char *options, size_t bytes)
{
	char *all = code(kind, source, options, bytes);

	printf("keep_%s=%d\n", kind, table->store(key, NULL, all, bytes));
	free(all);
}

static void look(void *key, const char *kind, const char *source, const char *options, size_t bytes)
{
	char *all = code(kind, source, options, bytes);
	void *data = NULL;
	unsigned int size = 0;
	int result = table->find(key, NULL, &data, &size);

	printf("look_%s=%d\n", kind, result);
	if (!result) {
		CHECK_EQUAL(size, bytes);
		CHECK(memcmp(data, all, bytes) == 0);
		CHECK_EQUAL(table->drop(data), 0);
	}
	free(all);
}

/* There is a key, and nothing is kept under it: nvJitLink dies where there is none. */
static void not_kept(unsigned int kind, const char *source, const char *options)
{
	unsigned int size;
	void *key, *data;

	CHECK_EQUAL(key_of(&key, kind, source, options), 0);
	CHECK_EQUAL(table->find(key, NULL, &data, &size), NOT_FOUND);
	CHECK_EQUAL(table->store(key, NULL, source, strlen(source)), 0);
	CHECK_EQUAL(table->find(key, NULL, &data, &size), NOT_FOUND);
	CHECK_EQUAL(table->drop_key(key), 0);
}

static void rules(void)
{
	void *key = NULL, *data;
	unsigned int size;

	CHECK_EQUAL(key_of(NULL, PTX, "source", "-a"), 1);
	not_kept(3, "source", "-a");
	not_kept(PTX, "source", " -arch=compute_90a -link-lto -arch=sm_90a");
	/* machine code of PTX that nobody asked for, or of another source's */
	not_kept(MACHINE_CODE, "source", "-b");
	CHECK_EQUAL(key_of(&key, PTX, "source", "-a"), 0);
	CHECK_EQUAL(table->find(key, NULL, &data, &size), NOT_FOUND);
	CHECK_EQUAL(table->find(key, "what", &data, &size), NOT_SUPPORTED);
	CHECK_EQUAL(table->find(NULL, NULL, &data, &size), 1);
	CHECK_EQUAL(table->store(key, NULL, NULL, 1), 1);
	CHECK_EQUAL(table->drop_key(key), 0);
	not_kept(MACHINE_CODE, "another", "-b");
	not_kept(MACHINE_CODE, "source", "-b");
	CHECK_EQUAL(table->unknown(), NOT_SUPPORTED);
}

int main(int count, char **arguments)
{
	void (*step)(void *, const char *, const char *, const char *, size_t) = look;
	void *library = load("libcuda.so.1"), *key;
	size_t bytes;

	CHECK_EQUAL(((int (*)(unsigned int))symbol(library, "cuInit"))(0), 0);
	CHECK_EQUAL(((int (*)(const void *, const void *))symbol(library, "cuGetExportTable"))(&table, guid), 0);
	CHECK_EQUAL(table->size, sizeof *table);
	if (count == 2) {
		rules();
		return 0;
	}
	CHECK_EQUAL(count, 5);
	if (strcmp(arguments[1], "keep") == 0)
		step = keep;
	bytes = strtoul(arguments[4], NULL, 10);
	CHECK_EQUAL(key_of(&key, PTX, arguments[2], arguments[3]), 0);
	step(key, "ptx", arguments[2], arguments[3], bytes);
	CHECK_EQUAL(table->drop_key(key), 0);
	/* the assembler has options of its own, the same for all */
	CHECK_EQUAL(key_of(&key, MACHINE_CODE, arguments[2], " -arch=sm_90"), 0);
	step(key, "code", arguments[2], arguments[3], bytes);
	CHECK_EQUAL(table->drop_key(key), 0);
	return 0;
}
