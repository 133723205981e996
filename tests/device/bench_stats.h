/* SPDX-License-Identifier: Apache-2.0 */
/* Samples in microseconds, and one JSON object on standard output made of named numbers and distributions. */
#ifndef BENCH_STATS_H
#define BENCH_STATS_H

#include <stddef.h>

double stats_now_us(void);	/* CLOCK_MONOTONIC */
double stats_cpu_us(void);	/* CPU time of the whole process */

void stats_open(void);		/* { */
void stats_number(const char *name, double value);
/* Sorts the samples; prints p50, p99, minimum and maximum. */
void stats_distribution(const char *name, double *samples, size_t count);
void stats_close(void);		/* } */

double stats_median(double *samples, size_t count);	/* sorts */

#endif
