/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which copies of pageable memory threads of the library help with, on a machine of any size: it is told that there are 16
 * processors. Prints how many threads there are more after small copies one by one, and after a large one; exit
 * status 1 on a CUDA error or wrong bytes.
 */
#include "own_device.h"

#include <dirent.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SMALL	((size_t)64 << 10) /* travels through a buffer, in one piece */
#define LARGE	((size_t)8 << 20)
#define COPIES	300

/* instead of libc's: the library asks how many processors it may use */
int sched_getaffinity(pid_t process, size_t size, cpu_set_t *set)
{
	(void)process;
	CPU_ZERO_S(size, set);
	for (int i = 0; i < 16; i++)
		CPU_SET_S(i, size, set);
	return 0;
}

static int threads(void)
{
	DIR *tasks = opendir("/proc/self/task");
	int count = -2; /* . and .. */

	if (!tasks)
		exit(2);
	while (readdir(tasks))
		count++;
	closedir(tasks);
	return count;
}

static void there_and_back(CUdeviceptr device, unsigned char *host, size_t size, int value)
{
	memset(host, value, size);
	DO(cu.MemcpyHtoD(device, host, size));
	memset(host, 0, size);
	DO(cu.MemcpyDtoH(host, device, size));
	if (host[0] != value || memcmp(host, host + 1, size - 1)) {
		fprintf(stderr, "%zu bytes came back wrong\n", size);
		exit(1);
	}
}

int main(void)
{
	unsigned char *host = malloc(LARGE);
	CUdeviceptr device;
	int before, small;

	if (!host)
		return 2;
	own_device();
	DO(cu.MemAlloc(&device, LARGE));
	there_and_back(device, host, SMALL, 1); /* with what the first copy makes */
	before = threads();
	for (int i = 0; i < COPIES; i++)
		there_and_back(device, host, i % 2 ? SMALL : 4, i & 0xff);
	small = threads();
	there_and_back(device, host, LARGE, 2);
	printf("small copies: %d more threads; a large one: %d more\n", small - before, threads() - small);
	return 0;
}
