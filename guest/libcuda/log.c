// SPDX-License-Identifier: Apache-2.0
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "process.h"

/* One write per line, so that lines of several threads do not mix. */
void vg_log(const char *format, ...)
{
	const char *wanted = getenv("VGPU_LOG");
	char line[1024];
	va_list arguments;
	int head, n;

	if (!wanted || !*wanted)
		return;
	head = snprintf(line, sizeof line, "vgpu[%d]: ", (int)getpid());
	va_start(arguments, format);
	n = vsnprintf(line + head, sizeof line - (size_t)head - 1, format, arguments);
	va_end(arguments);
	if (n < 0)
		return;
	n += head;
	if (n > (int)sizeof line - 2)
		n = sizeof line - 2;
	line[n++] = '\n';
	if (write(STDERR_FILENO, line, (size_t)n) < 0)
		return;
}
