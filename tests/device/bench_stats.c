/* SPDX-License-Identifier: Apache-2.0 */
#include "bench_stats.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static int printed;

static double clock_us(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return now.tv_sec * 1e6 + now.tv_nsec * 1e-3;
}

double stats_now_us(void)
{
	return clock_us(CLOCK_MONOTONIC);
}

double stats_cpu_us(void)
{
	return clock_us(CLOCK_PROCESS_CPUTIME_ID);
}

static int by_value(const void *a, const void *b)
{
	double left = *(const double *)a, right = *(const double *)b;

	return left < right ? -1 : left > right;
}

double stats_median(double *samples, size_t count)
{
	qsort(samples, count, sizeof(samples[0]), by_value);
	return samples[count / 2];
}

static void print_name(const char *name)
{
	printf("%s\n  \"%s\": ", printed++ ? "," : "", name);
}

void stats_open(void)
{
	printed = 0;
	printf("{");
}

void stats_number(const char *name, double value)
{
	print_name(name);
	printf("%.4g", value);
}

void stats_distribution(const char *name, double *samples, size_t count)
{
	double median = stats_median(samples, count);

	print_name(name);
	printf("{\"p50\": %.4g, \"p99\": %.4g, \"p99.5\": %.4g, \"min\": %.4g, \"max\": %.4g}", median, samples[(count - 1) * 99 / 100],
	       samples[(count - 1) * 995 / 1000],
	       samples[0], samples[count - 1]);
	fflush(stdout);
}

void stats_close(void)
{
	printf("\n}\n");
}
