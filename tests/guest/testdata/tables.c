// SPDX-License-Identifier: Apache-2.0
/* Every export table by its printed GUID: presence, size, and that no slot is left empty. */
#include <string.h>

#include "check.h"

static const struct {
	const char *guid;
	int slots;	/* by its size; 0: refused; -1: unsized */
	int empty;	/* slot that is NULL, 0: none */
} tables[] = {
	{ "6BD5FB6C-5BF4-E74A-8987-D93912FD9DF9", 13, 10 },
	{ "A094798C-2E74-2E74-93F2-0800200C0A66", 7, 0 },
	{ "42D85A81-23F6-CB47-8298-F6E78A3AECDC", 3, 0 },
	{ "C693336E-1121-DF11-A8C3-68F355D89593", -1, 3 },
	{ "263E8860-7CD2-6143-92F6-BBD5006DFA7E", 15, 0 },
	{ "D4082055-BDE6-704B-8D34-BA123C66E1F2", 3, 0 },
	{ "0CA50B8C-1004-929A-89A7-D0DF10E77286", 2, 0 },
	{ "195BCBF4-D67D-024A-ACC5-1D29CEA631AE", 0, 0 },
	{ "B10541E1-F7C7-C74A-9F64-F223BE99F1E2", 31, 0 },
	{ "DD9E98A4-F410-4844-99B0-E2AEB7B432B5", 0, 0 },
	{ "21318C60-9714-3248-8CA6-41FF7324C8F2", 93, 0 },
	{ "6E163FBE-B958-444D-835C-E182AFF1991E", 99, 0 },
	{ "F8CFF951-2146-8B4E-B9E2-FB469E7C0DD9", 0, 0 },
	{ "7CB63F9B-9CA4-8E42-A484-BEB66E6AED7F", 67, 0 },
	{ "D7BD8AF8-E7AC-CA4A-BDBC-FB1F1B3FCF33", 10, 0 },
	{ "00000000-0000-0000-0000-000000000000", 0, 0 },
};

typedef int (*export_table)(const void *const **, const void *);

static export_table get;
static const void *unused;

static const void *const *fetch(const char *guid, int want)
{
	const void *const *table = (const void *)0x5555, *const *again;
	unsigned char bytes[16];
	unsigned int value;
	int n = 0;

	for (const char *p = guid; *p; p++) {
		if (*p == '-')
			continue;
		CHECK_EQUAL(sscanf(p++, "%2x", &value), 1);
		bytes[n++] = (unsigned char)value;
	}
	CHECK_EQUAL(n, 16);
	if (get(&table, bytes) != want) {
		fprintf(stderr, "%s: not %d\n", guid, want);
		exit(1);
	}
	if (want) {
		CHECK(table == NULL);
		return NULL;
	}
	CHECK_EQUAL(get(&again, bytes), 0);
	CHECK(again == table);
	return table;
}

int main(void)
{
	get = (export_table)symbol(load("libcuda.so.1"), "cuGetExportTable");
	CHECK_EQUAL(get(NULL, "0123456789abcdef"), 1);
	CHECK_EQUAL(get((const void *const **)&unused, NULL), 1);
	for (unsigned int i = 0; i < sizeof tables / sizeof *tables; i++) {
		const void *const *table = fetch(tables[i].guid, tables[i].slots ? 0 : 1);
		int slots = tables[i].slots < 0 ? 4 : tables[i].slots;

		if (!table)
			continue;
		if (tables[i].slots > 0)
			CHECK_EQUAL((size_t)table[0], (size_t)slots * 8);
		for (int slot = 1; slot < slots; slot++)
			CHECK_EQUAL(table[slot] == NULL, slot == tables[i].empty);
	}
	setenv("VGPU_LOG_TABLE", "1", 1);
	CHECK_EQUAL((size_t)fetch("F8CFF951-2146-8B4E-B9E2-FB469E7C0DD9", 0)[0], 3 * 8);
	return 0;
}
