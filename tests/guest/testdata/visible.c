// SPDX-License-Identifier: Apache-2.0
#include "check.h"
#include "visible.h"

int main(void)
{
	static const unsigned char uuid[16] = { 0x12, 0x34, 0x56, 0x78, 0x9a, 0xbc, 0x5d, 0xef,
						0x81, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef };
	static const struct {
		const char *list;
		int count;
	} cases[] = {
		{ NULL, 1 },
		{ "", 0 },
		{ "0", 1 },
		{ " 0 ", 1 },
		{ "00", 1 },
		{ "0,1", 1 },
		{ "0x0", 1 },
		{ "0a", 1 },
		{ "+0", 1 },
		{ "0.5", 1 },
		{ "0;1", 1 },
		{ "0,0", -1 },
		{ "0,1,0", 1 },
		{ "a", 0 },
		{ " ", 0 },
		{ ",0", 0 },
		{ "1", 0 },
		{ "1,0", 0 },
		{ "-1", 0 },
		{ "-1,0", 0 },
		{ "NoDevFiles", 0 },
		{ "GPU-", 0 },
		{ "GPU-12345678-9abc-5def-8123-456789abcdef", 1 },
		{ "GPU-12345678-9ABC-5DEF-8123-456789ABCDEF,1", 1 },
		{ "GPU-1234", 1 },
		{ "GPU-1235", 0 },
		{ "GPU", 0 },
		{ "GPU-1234,GPU-1234", -1 },
		{ "GPU-1234,0", 1 },
		{ "GPU-12345678-9abc-5def-8123-456789abcdef0", 0 },
		{ "MIG-12345678-9abc-5def-8123-456789abcdef", 0 },
	};

	for (unsigned int i = 0; i < sizeof cases / sizeof *cases; i++) {
		int count = vg_visible(cases[i].list, uuid);

		if (count != cases[i].count) {
			fprintf(stderr, "CUDA_VISIBLE_DEVICES=%s leaves %d\n", cases[i].list, count);
			return 1;
		}
	}
	return 0;
}
