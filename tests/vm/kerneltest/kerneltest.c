// SPDX-License-Identifier: Apache-2.0
/*
 * Exercises /dev/vgpu0 from inside a guest, one case per run: kerneltest CASE. The host side is
 * fakehost_test.go, which answers the requests that a case leaves in its channel.
 */
#include "kerneltest.h"

#include <stdio.h>
#include <string.h>

static const struct test_case *const groups[] = { channel_cases, chunk_cases, wait_cases, removal_cases, stress_cases };

int main(int argc, char **argv)
{
	for (size_t i = 0; argc == 2 && i < sizeof(groups) / sizeof(groups[0]); i++)
		for (const struct test_case *c = groups[i]; c->name; c++)
			if (!strcmp(argv[1], c->name)) {
				c->run();
				return 0;
			}
	fprintf(stderr, "usage: kerneltest CASE\n");
	return 2;
}
