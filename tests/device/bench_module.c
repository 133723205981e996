/* SPDX-License-Identifier: Apache-2.0 */
/* How long loading a file's image takes in a fresh process with a context: bench_module FILE. Prints JSON. */
#include "bench_stats.h"
#include "own_device.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>


int main(int argc, char **argv)
{
	int file = argc == 2 ? open(argv[1], O_RDONLY | O_CLOEXEC) : -1;
	struct stat stat;
	CUmodule module;
	double begin;
	void *image;

	if (file < 0 || fstat(file, &stat))
		return 2;
	image = mmap(NULL, stat.st_size, PROT_READ, MAP_PRIVATE | MAP_POPULATE, file, 0);
	if (image == MAP_FAILED)
		return 2;
	own_device();
	DO(cu.CtxSynchronize());
	stats_open();
	begin = stats_now_us();
	DO(cu.ModuleLoadData(&module, image));
	stats_number("load_ms", (stats_now_us() - begin) / 1000);
	begin = stats_now_us();
	DO(cu.ModuleUnload(module));
	stats_number("unload_ms", (stats_now_us() - begin) / 1000);
	stats_number("bytes", stat.st_size);
	stats_close();
	return 0;
}
